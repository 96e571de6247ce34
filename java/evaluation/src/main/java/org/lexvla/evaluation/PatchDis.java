package org.lexvla.evaluation;

import java.util.SplittableRandom;

/**
 * Patch discrimination (SPEC §8): every patch takes the class whose vector is most similar to its own, and the map of patches,
 * enlarged to the size of the mask, is compared with the mask.
 *
 * <p>Beside it runs a baseline that gives every patch one of the classes at random, from a seed, on the same masks.
 */
public final class PatchDis {
    private final int patch;
    private final ConfusionMatrix model;
    private final ConfusionMatrix random;
    private final SplittableRandom randomness;

    /**
     * @param classes number of classes
     * @param patch side of a patch in pixels of the masks
     * @param seed of the random baseline
     */
    public PatchDis(int classes, int patch, long seed) {
        if (patch < 1) {
            throw new IllegalArgumentException("patch of " + patch + " pixels: must be at least 1");
        }
        this.patch = patch;
        this.model = new ConfusionMatrix(classes);
        this.random = new ConfusionMatrix(classes);
        this.randomness = new SplittableRandom(seed);
    }

    /**
     * The most similar class of each patch; of equally similar ones the lowest.
     *
     * @param scores [P][C] similarity of each patch to each class, at least one; see {@link PatchScores}
     */
    public static int[] classify(float[][] scores) {
        int[] chosen = new int[scores.length];
        for (int p = 0; p < scores.length; p++) {
            if (scores[p].length == 0) {
                throw new IllegalArgumentException("no class to choose from: give at least one class vector");
            }
            for (int c = 1; c < scores[p].length; c++) {
                if (scores[p][c] > scores[p][chosen[p]]) {
                    chosen[p] = c;
                }
            }
        }
        return chosen;
    }

    /**
     * Enlarges a map of patches, each becoming a square of pixels.
     *
     * @param grid class per patch, row by row
     * @param columns patches per row
     * @param patch side of a patch in pixels
     */
    public static int[] enlarge(int[] grid, int columns, int patch) {
        if (columns < 1 || grid.length % columns != 0) {
            throw new IllegalArgumentException(grid.length + " patches do not make rows of " + columns);
        }
        int width = columns * patch;
        int[] pixels = new int[grid.length * patch * patch];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = grid[i / width / patch * columns + i % width / patch];
        }
        return pixels;
    }

    /**
     * Counts one picture, for the model and for the baseline.
     *
     * @param mask true class per pixel, row by row, {@link ConfusionMatrix#IGNORE} for none
     * @param width pixels per row, a multiple of the patch
     * @param patchClasses predicted class per patch, row by row
     */
    public void add(int[] mask, int width, int[] patchClasses) {
        if (width % patch != 0 || mask.length != patchClasses.length * patch * patch) {
            throw new IllegalArgumentException("mask of " + mask.length + " pixels in rows of " + width
                    + " does not hold " + patchClasses.length + " patches of " + patch + "x" + patch);
        }
        int columns = width / patch;
        model.add(mask, enlarge(patchClasses, columns, patch));
        int[] guesses = new int[patchClasses.length];
        for (int p = 0; p < guesses.length; p++) {
            guesses[p] = randomness.nextInt(model.classes());
        }
        random.add(mask, enlarge(guesses, columns, patch));
    }

    /** What the model predicted. */
    public ConfusionMatrix model() {
        return model;
    }

    /** What the random baseline predicted on the same masks. */
    public ConfusionMatrix random() {
        return random;
    }
}
