package org.lexvla.training;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Tells the words of a caption that name something from those that only hold it together: content words are all words of
 * letters but those of a list.
 *
 * <p>The English list ({@link #english}) has articles, pronouns, auxiliary verbs, conjunctions and prepositions, phrases of
 * place ("to the left of"), and the filler that captions begin with: "a nice photo of", "here we see". Numbers, nouns,
 * adjectives and verbs that describe are content. Words count as they are written: "boat" and "boats" are two.
 *
 * <p>Used by the stand-in of the language model ({@link StandIns}) and to measure how much of a representation is filler.
 */
public final class ContentWords {
    private static final Pattern NO_LETTER = Pattern.compile("[^\\p{L}]+");

    /** Phrases none of whose words counts, where the words alone might: "left of" against "left arrow". */
    private static final List<String> PHRASES = List.of("to the left of", "to the right of", "left of", "right of");

    private static final String WORDS =
            // articles, pronouns, auxiliaries
            "a an the this that these those it its they them their he she his her we you i our your my me us who what which "
                    + "someone something somebody there here is are was were be been being am do does did has have had can could "
                    + "will would may might shall should must "
                    // conjunctions, prepositions, adverbs
                    + "and or but not no nor so as if than then also just very too of in on at to from by with without for into "
                    + "onto over under above below beneath beside besides between among amid near next behind before after "
                    + "around across along through up down out off inside outside within against toward towards upon where "
                    + "while when how some any each every both all other another "
                    // what captions say about themselves
                    + "photo photograph picture image view shot photos pictures images show shows showing shown see sees seen look "
                    + "looks looking find finds found put puts depicting depicts depicted "
                    // praise and measure without an object
                    + "nice lovely pretty beautiful wide deep";

    private final Set<String> filler;
    private final List<List<String>> phrases;

    /**
     * A list of one's own.
     *
     * @param filler  lower-case words that are no content
     * @param phrases lower-case words separated by spaces that are no content together; longer ones first
     */
    public ContentWords(Collection<String> filler, List<String> phrases) {
        this.filler = Set.copyOf(filler);
        this.phrases = phrases.stream().map(ContentWords::split).toList();
    }

    /** The English list. */
    public static ContentWords english() {
        return new ContentWords(new LinkedHashSet<>(List.of(WORDS.split(" "))), PHRASES);
    }

    /** The words that are never content by themselves. */
    public Set<String> filler() {
        return filler;
    }

    /** Whether a word is content; lower-cased first. */
    public boolean isContent(String word) {
        return !word.isEmpty() && !filler.contains(word.toLowerCase(Locale.ROOT));
    }

    /** The distinct content words of a caption in order, lower case. */
    public List<String> of(String caption) {
        List<String> words = split(caption);
        Set<String> content = new LinkedHashSet<>();
        for (int i = 0; i < words.size(); ) {
            int skipped = phraseAt(words, i);
            if (skipped > 0) {
                i += skipped;
                continue;
            }
            if (isContent(words.get(i))) {
                content.add(words.get(i));
            }
            i++;
        }
        return new ArrayList<>(content);
    }

    private int phraseAt(List<String> words, int at) {
        for (List<String> phrase : phrases) {
            if (at + phrase.size() <= words.size()
                    && words.subList(at, at + phrase.size()).equals(phrase)) {
                return phrase.size();
            }
        }
        return 0;
    }

    /** The words of a text, lower case: maximal runs of letters. */
    public static List<String> split(String text) {
        return NO_LETTER
                .splitAsStream(text.toLowerCase(Locale.ROOT))
                .filter(word -> !word.isEmpty())
                .toList();
    }
}
