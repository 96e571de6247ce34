package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.geom.Path2D;
import java.util.Arrays;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class CocoMaskTest {
    @Test
    void unpacksByHand() {
        // 6, 1; 40 = 8 + 32: two groups; then the differences 4 - 1 = 3 and 5 - 40 = -35 = 29 - 64, two groups again.
        assertThat(CocoMask.unpack("61X13mN")).containsExactly(6, 1, 40, 4, 5);
        assertThat(CocoMask.unpack("")).isEmpty();
    }

    @RepeatedTest(20)
    void unpacksWhatWasPacked(RandomSource random) {
        long[] runs = new long[random.nextInt(40)];
        for (int i = 0; i < runs.length; i++) {
            runs[i] = random.nextInt(1 << random.nextInt(22));
        }
        assertThat(CocoMask.unpack(pack(runs))).containsExactly(runs);
    }

    /** The other direction, from the description of the format. */
    private static String pack(long[] runs) {
        StringBuilder packed = new StringBuilder();
        for (int i = 0; i < runs.length; i++) {
            long value = i > 2 ? runs[i] - runs[i - 2] : runs[i];
            boolean more = true;
            while (more) {
                long group = value & 31;
                value >>= 5;
                more = (group & 16) != 0 ? value != -1 : value != 0;
                packed.append((char) ('0' + group + (more ? 32 : 0)));
            }
        }
        return packed.toString();
    }

    @Test
    void refusesDamagedRuns() {
        for (String damaged : new String[] {"X", "6!", "oooooooooooooooooooo"}) {
            assertThatThrownBy(() -> CocoMask.unpack(damaged))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("damaged at character");
        }
        for (long[] runs : new long[][] {{5}, {7}, {3, -3, 6}, {Long.MAX_VALUE, Long.MAX_VALUE}}) {
            assertThatThrownBy(() -> CocoMask.paintRuns(new int[6], 3, runs, 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("3x2 = 6");
        }
    }

    @Test
    void runsGoDownTheColumns() {
        int[] labels = new int[6];
        CocoMask.paintRuns(labels, 3, new long[] {1, 2, 2, 1}, 7);
        assertThat(labels).containsExactly(0, 7, 0, 7, 0, 7);
    }

    @RepeatedTest(20)
    void aPolygonHoldsThePixelsWhoseMiddleIsInside(RandomSource random) {
        int width = 1 + random.nextInt(40);
        int height = 1 + random.nextInt(40);
        float[] corners = new float[2 * (3 + random.nextInt(9))];
        Path2D path = new Path2D.Double(Path2D.WIND_EVEN_ODD);
        for (int i = 0; i < corners.length; i += 2) {
            // Beyond the picture too, and never through the middle of a row.
            corners[i] = random.nextFloat() * (width + 10) - 5;
            corners[i + 1] = random.nextFloat() * (height + 10) - 5;
            if (i == 0) {
                path.moveTo(corners[i], corners[i + 1]);
            } else {
                path.lineTo(corners[i], corners[i + 1]);
            }
        }
        path.closePath();
        int[] labels = new int[width * height];
        CocoMask.paintPolygon(labels, width, corners, 1);
        int[] expected = new int[labels.length];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = path.contains(i % width + 0.5, i / width + 0.5) ? 1 : 0;
        }
        assertThat(labels).isEqualTo(expected);
    }

    @Test
    void aSquareOnTheGridIsExact() {
        int[] labels = new int[25];
        CocoMask.paintPolygon(labels, 5, new float[] {1, 1, 4, 1, 4, 3, 1, 3}, 1);
        int[] expected = new int[25];
        Arrays.fill(expected, 6, 9, 1);
        Arrays.fill(expected, 11, 14, 1);
        assertThat(labels).containsExactly(expected);
    }
}
