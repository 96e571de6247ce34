package org.lexvla.training;

import java.nio.FloatBuffer;
import java.util.random.RandomGenerator;

/**
 * Labelled pictures put together from four others: of each the window of half its height and width that has the most labels.
 *
 * <p>Where objects have more groups of labels than what lies behind them, windows with objects are taken, so that a step sees two to
 * three times as many of their patches. Windows lie on the grid of patches, so every patch keeps its label.
 */
final class PatchCollage implements PatchLabels {
    private final PatchLabels source;
    private final int patch;
    private final int grid;
    private final int half;
    private final FloatBuffer pictures;
    private final int[][] labels;

    /**
     * @param patch side of a patch in pixels
     * @param grid  patches per side, even
     */
    PatchCollage(PatchLabels source, int patch, int grid) {
        if (grid % 2 != 0) {
            throw new IllegalArgumentException("cannot halve a grid of " + grid + " patches");
        }
        this.source = source;
        this.patch = patch;
        this.grid = grid;
        this.half = grid / 2;
        this.pictures = FloatBuffer.allocate(4 * 3 * grid * patch * grid * patch);
        this.labels = new int[source.groups().length][4 * grid * grid];
    }

    @Override
    public int[] groups() {
        return source.groups();
    }

    @Override
    public void next(int count, RandomGenerator random, FloatBuffer pixels, int[][] into) {
        int side = grid * patch;
        float[] whole = new float[3 * side * side];
        for (int picture = 0; picture < count; picture++) {
            source.next(4, random, pictures.clear(), labels);
            for (int quarter = 0; quarter < 4; quarter++) {
                int window = mostLabelled(quarter * grid * grid, random);
                int toRow = quarter / 2 * half;
                int toColumn = quarter % 2 * half;
                for (int row = 0; row < half; row++) {
                    int from = quarter * grid * grid + (window / grid + row) * grid + window % grid;
                    int to = picture * grid * grid + (toRow + row) * grid + toColumn;
                    for (int group = 0; group < labels.length; group++) {
                        System.arraycopy(labels[group], from, into[group], to, half);
                    }
                }
                copyPixels(quarter, window, toRow * patch, toColumn * patch, whole);
            }
            pixels.put(whole);
        }
    }

    /** Upper left patch of the window; among equals one at random. */
    private int mostLabelled(int first, RandomGenerator random) {
        int best = 0;
        int most = -1;
        int equals = 0;
        for (int row = 0; row <= grid - half; row++) {
            for (int column = 0; column <= grid - half; column++) {
                int count = 0;
                for (int r = row; r < row + half; r++) {
                    for (int c = column; c < column + half; c++) {
                        for (int[] group : labels) {
                            count += group[first + r * grid + c] >= 0 ? 1 : 0;
                        }
                    }
                }
                equals = count > most ? 1 : count == most ? equals + 1 : equals;
                if (count > most || count == most && random.nextInt(equals) == 0) {
                    most = count;
                    best = row * grid + column;
                }
            }
        }
        return best;
    }

    private void copyPixels(int quarter, int window, int toY, int toX, float[] whole) {
        int side = grid * patch;
        int run = half * patch;
        for (int channel = 0; channel < 3; channel++) {
            for (int y = 0; y < run; y++) {
                int from = ((quarter * 3 + channel) * side + window / grid * patch + y) * side + window % grid * patch;
                pictures.get(from, whole, (channel * side + toY + y) * side + toX, run);
            }
        }
    }
}
