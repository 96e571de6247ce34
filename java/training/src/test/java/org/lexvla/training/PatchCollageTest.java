package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class PatchCollageTest {
    private static final int GRID = 4;
    private static final int PATCH = 2;
    private static final int SIDE = GRID * PATCH;

    /** Every pixel of a patch holds 100 times its label, plus the channel; labels stand in one 2 × 2 corner. */
    private static final class Corners implements PatchLabels {
        @Override
        public int[] groups() {
            return new int[] {50, 50};
        }

        @Override
        public void next(int count, RandomGenerator random, FloatBuffer pixels, int[][] labels) {
            for (int picture = 0; picture < count; picture++) {
                int first = picture * GRID * GRID;
                Arrays.fill(labels[0], first, first + GRID * GRID, -1);
                int corner = random.nextInt(3) * GRID + random.nextInt(3);
                for (int patch = 0; patch < GRID * GRID; patch++) {
                    labels[1][first + patch] = random.nextInt(50);
                }
                for (int at : new int[] {0, 1, GRID, GRID + 1}) {
                    labels[0][first + corner + at] = random.nextInt(50);
                }
                for (int channel = 0; channel < 3; channel++) {
                    for (int i = 0; i < SIDE * SIDE; i++) {
                        int patch = i / SIDE / PATCH * GRID + i % SIDE / PATCH;
                        pixels.put(100 * labels[1][first + patch] + channel);
                    }
                }
            }
        }
    }

    @Test
    void takesTheWindowsWithMostLabelsAndKeepsLabelsOnTheirPixels() {
        PatchCollage collage = new PatchCollage(new Corners(), PATCH, GRID);
        int count = 5;
        FloatBuffer pixels = FloatBuffer.allocate(count * 3 * SIDE * SIDE);
        int[][] labels = new int[2][count * GRID * GRID];
        collage.next(count, new SplittableRandom(1), pixels, labels);
        assertThat(pixels.hasRemaining()).isFalse();
        // Each quarter is exactly the labelled corner of its picture.
        assertThat(labels[0]).doesNotContain(-1);
        for (int i = 0; i < pixels.capacity(); i++) {
            int picture = i / (3 * SIDE * SIDE);
            int channel = i / (SIDE * SIDE) % 3;
            int patch = i % (SIDE * SIDE) / SIDE / PATCH * GRID + i % SIDE / PATCH;
            assertThat(pixels.get(i)).isEqualTo(100 * labels[1][picture * GRID * GRID + patch] + channel);
        }
    }

    @Test
    void oddGridsCannotBeHalved() {
        assertThatThrownBy(() -> new PatchCollage(new Corners(), PATCH, 3)).hasMessageContaining("3 patches");
    }
}
