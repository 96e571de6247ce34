package org.lexvla.cli.demo;

import java.awt.image.BufferedImage;
import java.util.Arrays;

/**
 * A scene as pixels.
 *
 * @param scene what is shown
 * @param picture RGB
 * @param classes class per pixel, row by row: {@link Scene#classOf(Kind)} or {@link Scene#classOf(Background)}
 * @param colours {@link Colour} ordinal per pixel, -1 on the background
 */
public record DrawnScene(Scene scene, BufferedImage picture, byte[] classes, byte[] colours) {

    /**
     * What covers most of each patch, for the vision stand-in.
     *
     * <p>Ties go to the smaller class. A patch belongs to an object where that object's class has more pixels than any other class;
     * its colour is then the most frequent colour in the patch.
     *
     * @param patch side of a patch in pixels; must divide the side of the picture
     */
    public PatchLabels patchLabels(int patch) {
        int size = scene.size();
        if (patch < 1 || size % patch != 0) {
            throw new IllegalArgumentException("patch " + patch + " does not divide the picture's side " + size
                    + ": take a size that is a multiple of it");
        }
        int grid = size / patch;
        int[] kinds = new int[grid * grid];
        int[] colourIds = new int[grid * grid];
        int[] backgrounds = new int[grid * grid];
        int[] classCounts = new int[Scene.CLASSES];
        int[] colourCounts = new int[Colour.values().length];
        for (int p = 0; p < kinds.length; p++) {
            Arrays.fill(classCounts, 0);
            Arrays.fill(colourCounts, 0);
            int top = p / grid * patch;
            int left = p % grid * patch;
            for (int y = top; y < top + patch; y++) {
                for (int x = left; x < left + patch; x++) {
                    classCounts[classes[y * size + x]]++;
                    int colour = colours[y * size + x];
                    if (colour >= 0) {
                        colourCounts[colour]++;
                    }
                }
            }
            int winner = largest(classCounts);
            boolean object = winner < Kind.values().length;
            kinds[p] = object ? winner : -1;
            colourIds[p] = object ? largest(colourCounts) : -1;
            backgrounds[p] = object ? -1 : winner - Kind.values().length;
        }
        return new PatchLabels(grid, kinds, colourIds, backgrounds);
    }

    private static int largest(int[] counts) {
        int best = 0;
        for (int i = 1; i < counts.length; i++) {
            if (counts[i] > counts[best]) {
                best = i;
            }
        }
        return best;
    }

    /**
     * Majority labels of the patches of a picture, row by row; -1 where the label does not apply.
     *
     * @param grid patches per side
     * @param kinds {@link Kind} ordinals, -1 on the background
     * @param colours {@link Colour} ordinals, -1 on the background
     * @param backgrounds {@link Background} ordinals, -1 on objects
     */
    public record PatchLabels(int grid, int[] kinds, int[] colours, int[] backgrounds) {
        /** Number of values {@link #joint()} may take. */
        public static final int JOINT = Kind.values().length * Colour.values().length + Background.values().length;

        /** Kind and colour, or background, as one anonymous label per patch, in [0, {@link #JOINT}). */
        public int[] joint() {
            int[] labels = new int[kinds.length];
            for (int p = 0; p < labels.length; p++) {
                labels[p] = kinds[p] >= 0
                        ? kinds[p] * Colour.values().length + colours[p]
                        : Kind.values().length * Colour.values().length + backgrounds[p];
            }
            return labels;
        }
    }
}
