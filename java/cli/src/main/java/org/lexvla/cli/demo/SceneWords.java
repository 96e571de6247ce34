package org.lexvla.cli.demo;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The words of the scenes' captions: which of them are content (kinds, colours, backgrounds, counts), which are synonyms, and which
 * are function or filler words ("a", "of", "nice", "photo", and the words of relations).
 */
public final class SceneWords {
    private static final WordGroup TWO = new WordGroup(WordGroup.Role.COUNT, List.of("two", "pair"));
    private static final WordGroup THREE = new WordGroup(WordGroup.Role.COUNT, List.of("three"));
    private static final List<WordGroup> GROUPS = collectGroups();
    private static final Map<String, WordGroup> BY_WORD = index(GROUPS);
    private static final Set<String> FILLER = collectFiller();

    private SceneWords() {}

    /**
     * The group of words for a number of objects.
     *
     * @throws IllegalArgumentException unless the number is 2 or 3, the only ones that captions name
     */
    static WordGroup count(int objects) {
        return switch (objects) {
            case 2 -> TWO;
            case 3 -> THREE;
            default ->
                throw new IllegalArgumentException(
                        "captions have no word for " + objects + " objects: only 2 and 3 are named");
        };
    }

    /** Every content word, grouped by synonyms. No word is in two groups. */
    public static List<WordGroup> groups() {
        return GROUPS;
    }

    /** The group a word belongs to; empty for function, filler and unknown words. */
    public static Optional<WordGroup> group(String word) {
        return Optional.ofNullable(BY_WORD.get(word));
    }

    /** From every content word to the canonical word of its group. */
    public static Map<String, String> canonicalWords() {
        Map<String, String> canonical = new LinkedHashMap<>();
        BY_WORD.forEach((word, group) -> canonical.put(word, group.canonical()));
        return canonical;
    }

    /** Canonical words of the kinds of object. */
    public static Set<String> kindWords() {
        Set<String> words = new LinkedHashSet<>();
        for (Kind kind : Kind.values()) {
            words.add(kind.word());
        }
        return words;
    }

    /** Every word that captions use and that is no content word. */
    public static Set<String> fillerWords() {
        return FILLER;
    }

    /** The content words of a caption of these scenes, in order, as written. */
    public static List<String> contentWords(String caption) {
        List<String> words = new ArrayList<>();
        for (String word : split(caption)) {
            if (BY_WORD.containsKey(word)) {
                words.add(word);
            }
        }
        return words;
    }

    static List<String> split(String caption) {
        List<String> words = new ArrayList<>();
        for (String word : caption.split("[^a-z]+")) {
            if (!word.isEmpty()) {
                words.add(word);
            }
        }
        return words;
    }

    private static List<WordGroup> collectGroups() {
        List<WordGroup> groups = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            groups.add(kind.group());
        }
        for (Colour colour : Colour.values()) {
            groups.add(colour.group());
        }
        for (Background background : Background.values()) {
            groups.add(background.group());
        }
        groups.add(TWO);
        groups.add(THREE);
        return List.copyOf(groups);
    }

    private static Map<String, WordGroup> index(List<WordGroup> groups) {
        Map<String, WordGroup> byWord = new LinkedHashMap<>();
        for (WordGroup group : groups) {
            for (String word : group.words()) {
                if (byWord.put(word, group) != null) {
                    throw new IllegalStateException("\"" + word + "\" is in two groups of words");
                }
            }
        }
        return byWord;
    }

    private static Set<String> collectFiller() {
        Set<String> words = new LinkedHashSet<>();
        for (String phrase : SceneCaptions.phrases()) {
            for (String word : split(phrase)) {
                if (!BY_WORD.containsKey(word)) {
                    words.add(word);
                }
            }
        }
        return Collections.unmodifiableSet(words);
    }
}
