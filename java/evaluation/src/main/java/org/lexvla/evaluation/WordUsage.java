package org.lexvla.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;

/**
 * How often each word is used over a set of vectors. A model whose penalty is too weak uses the same few words, which say nothing, in
 * every picture; here they stand at the top with a share near 1.
 */
public final class WordUsage {
    private final Vocabulary vocabulary;
    private final int vectors;
    private final double[] sum;
    private final int[] count;
    private final int[] order;

    private WordUsage(Vocabulary vocabulary, int vectors, double[] sum, int[] count) {
        this.vocabulary = vocabulary;
        this.vectors = vectors;
        this.sum = sum;
        this.count = count;
        this.order = IntStream.range(0, sum.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer id) -> -sum[id]))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /**
     * A word.
     *
     * @param word  as people see it
     * @param mean  its weight, 0 where it is not active, over all vectors
     * @param share of the vectors in which it is active
     */
    public record Used(String word, double mean, double share) {}

    /** Counts; an empty batch uses nothing. */
    public static WordUsage of(LexicalBatch batch) {
        double[] sum = new double[batch.vocabulary().size()];
        int[] count = new int[sum.length];
        for (int row = 0; row < batch.size(); row++) {
            LexicalVector vector = batch.get(row);
            int[] ids = vector.ids();
            float[] weights = vector.weights();
            for (int i = 0; i < ids.length; i++) {
                sum[ids[i]] += weights[i];
                count[ids[i]]++;
            }
        }
        return new WordUsage(batch.vocabulary(), batch.size(), sum, count);
    }

    /**
     * The words with the greatest mean weight, first the greatest. Of pieces of one spelling the most used one stands for all.
     *
     * @param n how many at most; words that are never active are left out
     */
    public List<Used> top(int n) {
        List<Used> top = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < order.length && top.size() < n && sum[order[i]] > 0; i++) {
            String word = vocabulary.word(order[i]);
            if (seen.add(word)) {
                top.add(new Used(word, mean(order[i]), (double) count[order[i]] / vectors));
            }
        }
        return top;
    }

    /** Mean weights of all entries of the vocabulary, descending. */
    public double[] means() {
        return Arrays.stream(order).mapToDouble(this::mean).toArray();
    }

    /** V · Σ s̄³ / Σ s̄, the overuse penalty (SPEC §6) of the vectors as they are; 0 if no word is used. */
    public double overuse() {
        double[] means = means();
        double total = Arrays.stream(means).sum();
        return total == 0
                ? 0
                : means.length * Arrays.stream(means).map(s -> s * s * s).sum() / total;
    }

    private double mean(int id) {
        return vectors == 0 ? 0 : sum[id] / vectors;
    }
}
