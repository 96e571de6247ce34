package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;

class MemoryUseTest {
    @Test
    void tensorsAreResidentAndNotOnTheHeap() {
        long bytes = 256_000_000;
        torch.manual_seed(1);
        MemoryUse before = MemoryUse.now(Device.cpu());
        try (Tensor tensor = torch.ones(bytes / 4)) {
            MemoryUse with = MemoryUse.now(Device.cpu());
            assertThat(tensor.numel()).isEqualTo(bytes / 4);
            // Others may give memory back meanwhile.
            assertThat(with.resident() - before.resident()).isBetween(bytes / 2, 2 * bytes);
            assertThat(with.heap() - before.heap()).isLessThan(bytes / 4);
            assertThat(with.device()).isZero();
        }
    }

    @Test
    void asPeopleReadIt() {
        assertThat(new MemoryUse(96_000_000, 1_230_000_000, 0)).hasToString("1.23 GB (heap 0.10 GB)");
        assertThat(new MemoryUse(0, 2_000_000_000, 70_500_000_000L))
                .hasToString("2.00 GB (heap 0.00 GB), GPU 70.50 GB");
    }
}
