package org.lexvla.training;

import java.util.random.RandomGenerator;

/**
 * Pictures with anonymous labels of their patches, for {@link StandIns#vision}. The labels come in groups that are independent of
 * each other, such as what a patch shows and of which colour it is; they are numbers without names.
 */
public interface PatchLabels {
    /** How many labels each group has. */
    int[] groups();

    /**
     * Draws pictures.
     *
     * @param count  of pictures
     * @param pixels to be filled: [count, 3, size, size], normalised
     * @param labels to be filled: for each group [count · patches], from 0, or −1 where the group does not apply
     */
    void next(int count, RandomGenerator random, java.nio.FloatBuffer pixels, int[][] labels);
}
