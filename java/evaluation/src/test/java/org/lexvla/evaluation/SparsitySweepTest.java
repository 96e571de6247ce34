package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class SparsitySweepTest {
    @Test
    void cuttingDropsWordsAndTiesWithTheThresholdStay() {
        float[][] images = {{0.5f, 0.25f, 0}, {0, 0.25f, 0.5f}};
        float[][] texts = {{0.5f, 0.125f, 0}, {0, 0.5f, 0.25f}};
        List<SparsitySweep.Point> points = SparsitySweep.of(
                images, texts, new int[] {0, 1}, new double[] {0, 0.25, 0.3, 0.9}, Retrieval.Ties.WORST);
        assertThat(points.get(0)).isEqualTo(new SparsitySweep.Point(0, 2, 2, 1, 1));
        assertThat(points.get(1)).isEqualTo(new SparsitySweep.Point(0.25, 2, 1.5, 1, 1));
        // {.5,0,0} {0,0,.5} against {.5,0,0} {0,.5,0}: the second caption shares no word with its image.
        assertThat(points.get(2)).isEqualTo(new SparsitySweep.Point(0.3, 1, 1, 0.5, 0.5));
        assertThat(points.get(3)).isEqualTo(new SparsitySweep.Point(0.9, 0, 0, 0, 0));
    }
}
