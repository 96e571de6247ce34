package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class SkippedStepsTest {
    private static final Losses LOSSES = new Losses(Double.NaN, 1, 2, 3, 4, 0, 0, 0, 0, () -> {});

    @Test
    void onlyThoseInARowEndTheRun() throws IOException {
        SkippedSteps skipped = new SkippedSteps(ToyData.config("nonFinite.limit=3"), 20);
        for (int step = 0; step < 9; step++) {
            skipped.count(step, LOSSES, step % 3 == 2 ? 1 : Double.NaN);
        }
        assertThat(skipped.all()).isEqualTo(6);
        assertThat(skipped.inARow()).isZero();
        skipped.count(9, LOSSES, Double.POSITIVE_INFINITY);
        skipped.count(10, LOSSES, Double.NaN);
        assertThatThrownBy(() -> skipped.count(11, LOSSES, Double.NaN))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("at step 12 of 20")
                .hasMessageContaining("3 steps in a row had to be skipped, 9 in all");
    }

    @Test
    void aResumedRunGoesOnCounting() throws IOException {
        SkippedSteps skipped = new SkippedSteps(ToyData.config("nonFinite.limit=3"), 20);
        skipped.restore(new RunState(5, List.of(), 0, 1, 4, 2, 2, 1));
        assertThatThrownBy(() -> skipped.count(5, LOSSES, Double.NaN)).hasMessageContaining("3 steps in a row");
        assertThat(skipped.all()).isEqualTo(5);
    }
}
