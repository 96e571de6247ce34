package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

class InfoNceTest {
    @Test
    @SuppressWarnings("try")
    void sideBySideUnitVectorsGiveTheLogarithmOfThePairs() {
        try (PointerScope scope = new PointerScope()) {
            // All pictures and texts alike: every text is as likely as any other.
            Tensor same = HostTensor.of(new double[] {1, 0, 1, 0, 1, 0, 1, 0}, 4, 2);
            InfoNce.Directions directions = InfoNce.directions(same, same, HostTensor.of(new double[] {2.6}));
            assertThat(directions.imageToText().item_double()).isCloseTo(Math.log(4), within(1e-12));
            assertThat(directions.sum().item_double()).isCloseTo(2 * Math.log(4), within(1e-12));
        }
    }

    @Test
    @SuppressWarnings("try")
    void scaleIsClampedAtAHundred() {
        try (PointerScope scope = new PointerScope()) {
            Tensor high = HostTensor.of(new double[] {7});
            Tensor low = HostTensor.of(new double[] {-3});
            InfoNce.clamp(high);
            InfoNce.clamp(low);
            assertThat(Math.exp(high.item_double())).isCloseTo(100, within(1e-9));
            assertThat(low.item_double()).isEqualTo(-3);
        }
    }

    @Test
    @SuppressWarnings("try")
    void unequalBatchesAreRefused() {
        try (PointerScope scope = new PointerScope()) {
            Tensor three = HostTensor.of(new double[6], 3, 2);
            Tensor two = HostTensor.of(new double[4], 2, 2);
            assertThatThrownBy(() -> InfoNce.directions(three, two, HostTensor.of(new double[] {0})))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("[3,2]")
                    .hasMessageContaining("[2,2]");
        }
    }
}
