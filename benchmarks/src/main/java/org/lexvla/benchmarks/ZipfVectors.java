package org.lexvla.benchmarks;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;

/**
 * Lexical vectors at random, always the same for a seed. Words are as unequal as in language: the share of the vectors that
 * have a word falls with its rank as 1/rank, up to 0.9 for the most frequent; ids go by rank, as a tokenizer's roughly do.
 * Weights are log-normal, and every vector has l2-norm 1.
 */
final class ZipfVectors {
    private static final double LARGEST_SHARE = 0.9;
    /** Standard deviation of the logarithm of a weight. */
    private static final double SPREAD = 0.6;
    /** Words of about equal share, among which words are drawn by the distance from one to the next. */
    private static final int GROUP = 64;

    private final Vocabulary words;
    private final double[] shares;
    private final long seed;

    /**
     * A distribution of vectors.
     *
     * @param active mean number of words of a vector
     */
    ZipfVectors(Vocabulary words, double active, long seed) {
        this.words = words;
        this.seed = seed;
        double low = 0;
        double high = words.size() * active;
        double[] found = null;
        for (int i = 0; i < 100; i++) {
            double scale = (low + high) / 2;
            found = IntStream.range(0, words.size())
                    .mapToDouble(rank -> Math.min(LARGEST_SHARE, scale / (rank + 1)))
                    .toArray();
            if (Arrays.stream(found).sum() < active) {
                low = scale;
            } else {
                high = scale;
            }
        }
        shares = found;
    }

    /** Vectors in a batch; closed by the caller. */
    LexicalBatch batch(int rows, BufferAllocator allocator) {
        int[] sizes = new int[rows];
        IntStream.range(0, rows).parallel().forEach(row -> sizes[row] = ids(row).length);
        try (ArrowBuf offsets = allocator.buffer((rows + 1L) * Integer.BYTES)) {
            offsets.setInt(0, 0);
            int entries = 0;
            for (int row = 0; row < rows; row++) {
                entries = Math.addExact(entries, sizes[row]);
                offsets.setInt((row + 1L) * Integer.BYTES, entries);
            }
            try (ArrowBuf ids = allocator.buffer((long) entries * Integer.BYTES);
                    ArrowBuf weights = allocator.buffer((long) entries * Float.BYTES)) {
                IntStream.range(0, rows).parallel().forEach(row -> {
                    long at = offsets.getInt((long) row * Integer.BYTES) * (long) Integer.BYTES;
                    int[] rowIds = ids(row);
                    float[] rowWeights = weights(row, rowIds.length);
                    for (int i = 0; i < rowIds.length; i++, at += Integer.BYTES) {
                        ids.setInt(at, rowIds[i]);
                        weights.setFloat(at, rowWeights[i]);
                    }
                });
                return LexicalBatch.of(rows, offsets, ids, weights, words, allocator);
            }
        }
    }

    /** One vector as those of a batch are; {@code number} may be beyond its rows. */
    LexicalVector vector(int number) {
        int[] ids = ids(number);
        return LexicalVector.of(words, ids, weights(number, ids.length));
    }

    /** A vector of so many words, each as likely as any other. */
    LexicalVector uniform(int number, int active) {
        SplittableRandom random = random(number, 2);
        int[] ids =
                random.ints(0, words.size()).distinct().limit(active).sorted().toArray();
        return LexicalVector.of(words, ids, weights(number, ids.length));
    }

    private SplittableRandom random(int row, int purpose) {
        // Neighbouring seeds give unrelated numbers: the generator mixes them.
        return new SplittableRandom((seed * 3 + purpose) * 0x9e3779b97f4a7c15L + row);
    }

    private int[] ids(int row) {
        SplittableRandom random = random(row, 0);
        int[] ids = new int[words.size()];
        int n = 0;
        for (int first = 0; first < words.size(); first += GROUP) {
            int end = Math.min(first + GROUP, words.size());
            // The largest share of the group decides the distances; of what they hit, a word keeps its part.
            double logOfNone = Math.log1p(-shares[first]);
            for (int id = first - 1; ; ) {
                id += 1 + (int) Math.min(GROUP, Math.log(1 - random.nextDouble()) / logOfNone);
                if (id >= end) {
                    break;
                }
                if (random.nextDouble() * shares[first] < shares[id]) {
                    ids[n++] = id;
                }
            }
        }
        return Arrays.copyOf(ids, n);
    }

    private float[] weights(int row, int n) {
        SplittableRandom random = random(row, 1);
        float[] weights = new float[n];
        double squares = 0;
        for (int i = 0; i < n; i++) {
            weights[i] = (float) Math.exp(SPREAD * random.nextGaussian());
            squares += (double) weights[i] * weights[i];
        }
        for (int i = 0; i < n; i++) {
            weights[i] /= (float) Math.sqrt(squares);
        }
        return weights;
    }
}
