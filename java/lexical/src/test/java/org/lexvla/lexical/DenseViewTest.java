package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

class DenseViewTest {
    @Test
    void knowsItsShape() {
        long[] shape = {2, 257, 768};
        DenseView view = DenseView.of(4096, ElementType.BFLOAT16, Device.cuda(1), shape);
        shape[0] = 9;
        view.shape()[1] = 9;
        assertThat(view.shape()).containsExactly(2, 257, 768);
        assertThat(view.size(2)).isEqualTo(768);
        assertThat(view.elements()).isEqualTo(2 * 257 * 768);
        assertThat(view.bytes()).isEqualTo(2 * 2 * 257 * 768);
        assertThat(view).hasToString("BFLOAT16[2, 257, 768] on cuda:1");
        assertThatThrownBy(() -> view.size(3)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void ofNothingMayLieNowhere() {
        assertThat(DenseView.of(0, ElementType.FLOAT32, Device.cpu(), 0, 7).elements())
                .isZero();
        assertThatThrownBy(() -> DenseView.of(0, ElementType.FLOAT32, Device.cpu(), 1, 7))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("address 0")
                .hasMessageContaining("closed");
    }

    @Test
    void refusesWhatNoArrayIs() {
        assertThatThrownBy(() -> DenseView.of(64, ElementType.FLOAT32, Device.cpu(), 3, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("negative");
        assertThatThrownBy(() -> DenseView.of(66, ElementType.FLOAT32, Device.cpu(), 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("multiple of 4");
        assertThatThrownBy(() -> DenseView.of(64, ElementType.FLOAT32, Device.cpu(), 1L << 40, 1L << 21))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2^63");
    }

    @Test
    void devicesAreWrittenAsTheyAreRead() {
        for (Device device : new Device[] {Device.cpu(), Device.cuda(0), Device.cuda(7)}) {
            assertThat(Device.parse(device.toString())).isEqualTo(device);
        }
        assertThat(Device.parse("cuda")).isEqualTo(Device.cuda(0));
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "CPU", "cuda:99999999999"})
    void refusesOtherDevices(String text) {
        assertThatThrownBy(() -> Device.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cuda:N");
    }

    @Test
    void devicesCountFromZero() {
        assertThatThrownBy(() -> Device.cuda(-1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Device(Device.Type.CPU, 1)).isInstanceOf(IllegalArgumentException.class);
    }
}
