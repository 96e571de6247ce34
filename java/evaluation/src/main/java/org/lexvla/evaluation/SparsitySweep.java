package org.lexvla.evaluation;

import java.util.ArrayList;
import java.util.List;

/**
 * Retrieval against sparsity (SPEC §8): recall and mean number of active words at several thresholds, from the dense
 * normalised vectors. Both sides are cut at the same threshold, entries equal to it stay, nothing is normalised again (SPEC §5).
 */
public final class SparsitySweep {
    private SparsitySweep() {}

    /**
     * One threshold.
     *
     * @param threshold what entries had to reach
     * @param activeImage mean active words of an image
     * @param activeText mean active words of a text
     * @param textToImage recall at 1 of captions as queries
     * @param imageToText recall at 1 of images as queries
     */
    public record Point(
            double threshold, double activeImage, double activeText, double textToImage, double imageToText) {}

    /**
     * The curve.
     *
     * @param images dense normalised vectors [images][V]
     * @param texts dense normalised vectors [captions][V]
     * @param owner image of each caption
     * @param thresholds in the order of the points wanted
     */
    public static List<Point> of(
            float[][] images, float[][] texts, int[] owner, double[] thresholds, Retrieval.Ties ties) {
        List<Point> points = new ArrayList<>();
        for (double threshold : thresholds) {
            float[][] sparseImages = cut(images, threshold);
            float[][] sparseTexts = cut(texts, threshold);
            Retrieval retrieval = Retrieval.of(dot(sparseImages, sparseTexts), owner, ties);
            points.add(new Point(
                    threshold,
                    meanActive(sparseImages),
                    meanActive(sparseTexts),
                    retrieval.textToImage().recall(1),
                    retrieval.imageToText().recall(1)));
        }
        return points;
    }

    private static float[][] cut(float[][] dense, double threshold) {
        float[][] sparse = new float[dense.length][];
        for (int i = 0; i < dense.length; i++) {
            sparse[i] = dense[i].clone();
            for (int v = 0; v < sparse[i].length; v++) {
                if (sparse[i][v] < threshold) {
                    sparse[i][v] = 0;
                }
            }
        }
        return sparse;
    }

    private static double meanActive(float[][] sparse) {
        long active = 0;
        for (float[] row : sparse) {
            for (float value : row) {
                active += value != 0 ? 1 : 0;
            }
        }
        return sparse.length == 0 ? 0 : active / (double) sparse.length;
    }

    private static double[][] dot(float[][] rows, float[][] columns) {
        double[][] products = new double[rows.length][columns.length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < columns.length; j++) {
                double sum = 0;
                for (int v = 0; v < rows[i].length; v++) {
                    sum += (double) rows[i][v] * columns[j][v];
                }
                products[i][j] = sum;
            }
        }
        return products;
    }
}
