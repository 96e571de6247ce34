package org.lexvla.lexical;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.stream.Collectors;

/**
 * One sparse lexical vector: ids of words, ascending, and their weights. Lives on the heap and needs no closing.
 *
 * <p>Immutable, safe for use by several threads.
 */
public final class LexicalVector {
    private static final int SHOWN = 10;

    private final Vocabulary vocabulary;
    private final int[] ids;
    private final float[] weights;

    private LexicalVector(Vocabulary vocabulary, int[] ids, float[] weights) {
        this.vocabulary = vocabulary;
        this.ids = ids;
        this.weights = weights;
    }

    /**
     * Makes a vector, for instance a query written by hand. The arrays are copied.
     *
     * @param ids     lexical ids, strictly ascending, in [0, V)
     * @param weights as many as ids
     * @throws IllegalArgumentException if the ids are not as said
     */
    public static LexicalVector of(Vocabulary vocabulary, int[] ids, float[] weights) {
        Objects.requireNonNull(vocabulary, "vocabulary");
        if (ids.length != weights.length) {
            throw new IllegalArgumentException(
                    "there are " + ids.length + " ids but " + weights.length + " weights: each id needs one");
        }
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= vocabulary.size()) {
                throw new IllegalArgumentException("lexical id " + ids[i] + " at entry " + i + " is outside the "
                        + vocabulary.size() + " words of the vocabulary");
            }
            if (i > 0 && ids[i] <= ids[i - 1]) {
                throw new IllegalArgumentException("lexical id " + ids[i] + " at entry " + i + " follows " + ids[i - 1]
                        + ": ids must ascend strictly, sort them");
            }
        }
        return new LexicalVector(vocabulary, ids.clone(), weights.clone());
    }

    /**
     * As {@link #of(Vocabulary, int[], float[])}.
     *
     * @param weights by lexical id, in their natural order
     */
    public static LexicalVector of(Vocabulary vocabulary, SortedMap<Integer, Float> weights) {
        int[] ids = new int[weights.size()];
        float[] values = new float[ids.length];
        int entry = 0;
        for (Map.Entry<Integer, Float> weight : weights.entrySet()) {
            ids[entry] = weight.getKey();
            values[entry++] = weight.getValue();
        }
        return of(vocabulary, ids, values);
    }

    /** Takes arrays that are known to be valid and that nobody else changes. */
    static LexicalVector trusted(Vocabulary vocabulary, int[] ids, float[] weights) {
        return new LexicalVector(vocabulary, ids, weights);
    }

    /** The words that the ids stand for. */
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /** Lexical ids of the entries, ascending. */
    public int[] ids() {
        return ids.clone();
    }

    /** Weights of the entries, in the order of the ids. */
    public float[] weights() {
        return weights.clone();
    }

    /** Number of entries. */
    public int active() {
        return ids.length;
    }

    /**
     * The strongest words, for display: pieces of one spelling are merged by their maximum (SPEC §1), so the weights are no
     * longer those of the vector.
     *
     * @param n how many at most
     */
    public List<WeightedWord> top(int n) {
        return vocabulary.display(ids, weights, n, false);
    }

    /**
     * The weight of a word: the sum over the pieces of its spelling, which is the dot product with a vector of this word alone, each
     * piece with weight 1.
     *
     * @throws IllegalArgumentException if no entry of the vocabulary is shown as this word, naming the nearest words
     */
    public float weight(String word) {
        double sum = 0;
        for (int id : vocabulary.requireWord(word)) {
            int entry = Arrays.binarySearch(ids, id);
            sum += entry < 0 ? 0 : weights[entry];
        }
        return (float) sum;
    }

    /**
     * The dot product, accumulated in double.
     *
     * @throws IllegalArgumentException if the other vector has another vocabulary
     */
    public float dot(LexicalVector other) {
        vocabulary.requireSame(other.vocabulary, "the other vector");
        double sum = 0;
        for (int i = 0, j = 0; i < ids.length && j < other.ids.length; ) {
            if (ids[i] == other.ids[j]) {
                sum += (double) weights[i++] * other.weights[j++];
            } else if (ids[i] < other.ids[j]) {
                i++;
            } else {
                j++;
            }
        }
        return (float) sum;
    }

    /**
     * The dot product split by word, largest share first. Pieces of one spelling are added, so that all shares together
     * are the dot product.
     *
     * @param n how many words at most
     * @throws IllegalArgumentException if the other vector has another vocabulary
     */
    public List<WeightedWord> explain(LexicalVector other, int n) {
        vocabulary.requireSame(other.vocabulary, "the other vector");
        int[] shared = new int[Math.min(ids.length, other.ids.length)];
        float[] shares = new float[shared.length];
        int count = 0;
        for (int i = 0, j = 0; i < ids.length && j < other.ids.length; ) {
            if (ids[i] == other.ids[j]) {
                shared[count] = ids[i];
                shares[count++] = weights[i++] * other.weights[j++];
            } else if (ids[i] < other.ids[j]) {
                i++;
            } else {
                j++;
            }
        }
        return vocabulary.display(Arrays.copyOf(shared, count), Arrays.copyOf(shares, count), n, true);
    }

    @Override
    public boolean equals(Object other) {
        return this == other
                || (other instanceof LexicalVector that
                        && vocabulary.equals(that.vocabulary)
                        && Arrays.equals(ids, that.ids)
                        && Arrays.equals(weights, that.weights));
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(ids) + Arrays.hashCode(weights);
    }

    /** The ten strongest words, such as {@code fox 0.21, snow 0.18, …}; {@code (no words)} if it is empty. */
    @Override
    public String toString() {
        if (ids.length == 0) {
            return "(no words)";
        }
        return describe(SHOWN);
    }

    String describe(int n) {
        List<WeightedWord> words = top(n + 1);
        String shown = words.stream().limit(n).map(WeightedWord::toString).collect(Collectors.joining(", "));
        return words.size() > n ? shown + ", …" : shown;
    }
}
