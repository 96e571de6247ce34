package org.lexvla.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

@Seeded
class SeededTest {
    @Test
    void theSeedRepeatsTheNumbers(RandomSource random) {
        float first = (float) new Random(random.seed()).nextGaussian();
        assertThat(random.gaussians(1)).containsExactly(first);
    }
}
