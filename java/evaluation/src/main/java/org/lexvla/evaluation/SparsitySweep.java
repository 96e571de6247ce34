package org.lexvla.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;

/**
 * Retrieval against sparsity (SPEC §8): recall and mean number of active words at several thresholds, from normalised vectors
 * that hold at least what the lowest threshold keeps. Both sides are cut at the same threshold, entries equal to it stay, nothing
 * is normalised again (SPEC §5).
 */
public final class SparsitySweep {
    private static final int ROWS = 1024;

    private SparsitySweep() {}

    /**
     * One threshold.
     *
     * @param threshold what entries had to reach
     * @param activeImage mean active words of an image
     * @param activeText mean active words of a text
     * @param textToImage of captions as queries
     * @param imageToText of images as queries
     */
    public record Point(
            double threshold,
            double activeImage,
            double activeText,
            Retrieval.Recalls textToImage,
            Retrieval.Recalls imageToText) {}

    /**
     * The curve. Cut vectors lie in the memory of those given, and are closed again.
     *
     * @param images normalised vectors, one per image
     * @param texts normalised vectors, one per caption
     * @param owner image of each caption
     * @param thresholds in the order of the points wanted
     */
    public static List<Point> of(
            LexicalBatch images, LexicalBatch texts, int[] owner, double[] thresholds, Retrieval.Ties ties) {
        List<Point> points = new ArrayList<>();
        for (double threshold : thresholds) {
            try (LexicalBatch sparseImages = cut(images, threshold);
                    LexicalBatch sparseTexts = cut(texts, threshold)) {
                Retrieval retrieval = Retrieval.of(sparseImages.dot(sparseTexts), owner, ties);
                points.add(new Point(
                        threshold,
                        sparseImages.meanActive(),
                        sparseTexts.meanActive(),
                        retrieval.textToImage().recalls(),
                        retrieval.imageToText().recalls()));
            }
        }
        return points;
    }

    /** The curve as a chart: recall at 1 of both ways against the active words of an image. */
    public static LineChart chart(List<Point> points) {
        double[] active = points.stream().mapToDouble(Point::activeImage).toArray();
        return LineChart.of("active words of an image", "R@1")
                .fromZero()
                .logarithmic()
                .line(
                        "text → image",
                        active,
                        points.stream().mapToDouble(p -> p.textToImage.r1()).toArray())
                .line(
                        "image → text",
                        active,
                        points.stream().mapToDouble(p -> p.imageToText.r1()).toArray());
    }

    private static LexicalBatch cut(LexicalBatch batch, double threshold) {
        BufferAllocator allocator = batch.vector().getAllocator();
        List<LexicalBatch> parts = new ArrayList<>();
        try {
            // On the heap lie no more rows than these: those of a whole data set would not fit.
            for (int from = 0; from == 0 || from < batch.size(); from += ROWS) {
                List<LexicalVector> rows = new ArrayList<>();
                for (int row = from; row < Math.min(batch.size(), from + ROWS); row++) {
                    rows.add(cut(batch.get(row), threshold));
                }
                parts.add(LexicalBatch.of(rows, batch.vocabulary(), allocator));
            }
            return LexicalBatch.concat(parts, allocator);
        } finally {
            parts.forEach(LexicalBatch::close);
        }
    }

    private static LexicalVector cut(LexicalVector vector, double threshold) {
        int[] ids = vector.ids();
        float[] weights = vector.weights();
        int kept = 0;
        for (int i = 0; i < ids.length; i++) {
            if (weights[i] != 0 && weights[i] >= threshold) {
                ids[kept] = ids[i];
                weights[kept++] = weights[i];
            }
        }
        return LexicalVector.of(vector.vocabulary(), Arrays.copyOf(ids, kept), Arrays.copyOf(weights, kept));
    }
}
