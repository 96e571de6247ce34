package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class PatchDisTest {
    @Test
    void aPatchTakesItsMostSimilarClassTheLowestOnATie() {
        float[][] scores = {{0.1f, 0.9f, 0.9f}, {0.9f, 0.1f, 0.1f}, {0, 0, 0}, {-3, -2, -1}};
        assertThat(PatchDis.classify(scores)).containsExactly(1, 0, 0, 2);
        assertThatThrownBy(() -> PatchDis.classify(new float[1][0]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one class");
    }

    @Test
    void patchesBecomeSquares() {
        assertThat(PatchDis.enlarge(new int[] {1, 2, 3, 4, 5, 6}, 3, 2))
                .containsExactly(
                        1, 1, 2, 2, 3, 3, //
                        1, 1, 2, 2, 3, 3, //
                        4, 4, 5, 5, 6, 6, //
                        4, 4, 5, 5, 6, 6);
    }

    @Test
    void aPerfectPredictionScoresOneAndTheBaselineChance(RandomSource random) {
        int classes = 8;
        PatchDis measure = new PatchDis(classes, 14, random.nextLong());
        for (int picture = 0; picture < 60; picture++) {
            int[] patches = random.ints(64, 0, classes).toArray();
            int[] mask = PatchDis.enlarge(patches, 8, 14);
            mask[random.nextInt(mask.length)] = ConfusionMatrix.IGNORE;
            measure.add(mask, 112, patches);
        }
        assertThat(measure.model().meanIou()).isEqualTo(1);
        // Balanced classes: the intersection is 1/64 of all pixels, the union 15/64.
        assertThat(measure.random().meanIou()).isBetween(0.05, 0.085);
        assertThat(measure.model().pixelAccuracy()).isEqualTo(1);
    }

    @Test
    void theBaselineRepeatsWithItsSeed() {
        double[] baseline = new double[2];
        for (int run = 0; run < 2; run++) {
            PatchDis measure = new PatchDis(3, 2, 42);
            measure.add(new int[] {0, 0, 1, 1, 0, 0, 1, 1}, 4, new int[] {0, 1});
            baseline[run] = measure.random().pixelAccuracy();
        }
        assertThat(baseline[0]).isEqualTo(baseline[1]);
    }

    @Test
    void badInputIsNamed() {
        assertThatThrownBy(() -> new PatchDis(3, 2, 1).add(new int[7], 4, new int[2]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("7 pixels");
        assertThatThrownBy(() -> new ConfusionMatrix(300)).isInstanceOf(IllegalArgumentException.class);
        ConfusionMatrix matrix = new ConfusionMatrix(2);
        assertThatThrownBy(() -> matrix.add(new int[] {0, 3}, new int[] {0, 0}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("true label 3 at pixel 1");
        assertThatThrownBy(() -> matrix.add(new int[] {0}, new int[] {-1}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("predicted class -1");
        assertThat(matrix.meanIou())
                .as("nothing of a refused picture is counted")
                .isNaN();
        int[] ignored = new int[4];
        Arrays.fill(ignored, ConfusionMatrix.IGNORE);
        matrix.add(ignored, new int[] {9, 9, 9, 9});
        assertThat(matrix.pixelAccuracy()).isNaN();
    }
}
