package org.lexvla.evaluation;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How many of the words that a picture activates most strongly are true of it.
 *
 * <p>Synonyms are one thing: every word first becomes the canonical word of its group (a word without a group stands for itself),
 * and only the strongest of a group stays. Then, with k the number of a picture's true canonical words,
 * <ul>
 *   <li><b>precision</b> is the share of true ones among its k strongest;
 *   <li><b>object precision</b> is the same rule over object words alone: of its m strongest object words, m the number of its
 *       true objects, the share that is true;
 *   <li><b>object recall</b> is the share of its true objects found among the same k strongest words of all sorts;
 *   <li><b>filler share</b> is the share of function and filler words among its ten strongest, counted before synonyms are merged.
 * </ul>
 * Each is the mean over the pictures. Too few words count as wrong ones. Not for use by several threads at once.
 */
public final class WordPrecision {
    private static final int FILLER_DEPTH = 10;

    private final Map<String, String> canonical;
    private final Set<String> objects;
    private final Set<String> filler;
    private double precision;
    private double objectPrecision;
    private double objectRecall;
    private double fillerShare;
    private int pictures;
    private int picturesWithObjects;

    /**
     * @param canonical from every word of a group of synonyms to its canonical word
     * @param objects canonical words of the objects
     * @param filler function and filler words, none of them in {@code canonical}
     */
    public WordPrecision(Map<String, String> canonical, Set<String> objects, Set<String> filler) {
        for (String word : filler) {
            if (canonical.containsKey(word)) {
                throw new IllegalArgumentException(
                        "\"" + word + "\" is both content and filler: take it from one of them");
            }
        }
        this.canonical = Map.copyOf(canonical);
        this.objects = Set.copyOf(objects);
        this.filler = Set.copyOf(filler);
    }

    /**
     * Counts a picture.
     *
     * @param strongest its words, strongest first; enough of them that the k strongest groups are among them
     * @param truth canonical words that are true of it, at least one
     */
    public void add(List<String> strongest, Set<String> truth) {
        if (truth.isEmpty()) {
            throw new IllegalArgumentException("picture " + pictures + " has no true word: nothing to be right about");
        }
        Set<String> merged = new LinkedHashSet<>();
        Set<String> mergedObjects = new LinkedHashSet<>();
        for (String word : strongest) {
            String group = canonical.getOrDefault(word, word);
            merged.add(group);
            if (objects.contains(group)) {
                mergedObjects.add(group);
            }
        }
        List<String> trueObjects = new ArrayList<>(truth);
        trueObjects.retainAll(objects);
        List<String> first = first(merged, truth.size());
        precision += hits(first, truth) / (double) truth.size();
        if (!trueObjects.isEmpty()) {
            objectPrecision += hits(first(mergedObjects, trueObjects.size()), truth) / (double) trueObjects.size();
            objectRecall += hits(trueObjects, Set.copyOf(first)) / (double) trueObjects.size();
            picturesWithObjects++;
        }
        List<String> ten = strongest.subList(0, Math.min(FILLER_DEPTH, strongest.size()));
        fillerShare += ten.isEmpty() ? 0 : hits(ten, filler) / (double) ten.size();
        pictures++;
    }

    private static List<String> first(Set<String> words, int count) {
        return words.stream().limit(count).toList();
    }

    private static int hits(List<String> words, Set<String> wanted) {
        int hits = 0;
        for (String word : words) {
            hits += wanted.contains(word) ? 1 : 0;
        }
        return hits;
    }

    /** Mean share of true words among the k strongest; NaN before the first picture. */
    public double precision() {
        return precision / pictures;
    }

    /** Mean share of true objects among the m strongest object words; NaN before the first picture with objects. */
    public double objectPrecision() {
        return objectPrecision / picturesWithObjects;
    }

    /** Mean share of the true objects found among the k strongest words; NaN before the first picture with objects. */
    public double objectRecall() {
        return objectRecall / picturesWithObjects;
    }

    /** Mean share of function and filler words among the ten strongest; NaN before the first picture. */
    public double fillerShare() {
        return fillerShare / pictures;
    }

    public int pictures() {
        return pictures;
    }
}
