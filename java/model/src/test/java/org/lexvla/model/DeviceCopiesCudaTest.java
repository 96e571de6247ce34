package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;

/** On a GPU: memory that is pinned, copies that arrive whole and are not overtaken. Skipped with the reason without one. */
@Tag("cuda")
@SuppressWarnings("try") // scopes are there to be closed, not used
class DeviceCopiesCudaTest {
    private static final int COUNT = 1 << 22;

    @BeforeEach
    void aDevice() {
        CudaDevices.require(1);
    }

    /** Numbers of a buffer, as a tensor on its memory. */
    private static Tensor on(ArrowBuf buffer) {
        Pointer memory = new Pointer() {
            {
                address = buffer.memoryAddress();
            }
        };
        return torch.from_blob(memory, COUNT);
    }

    @Test
    void batchesArriveWholeWhileOthersAreComputedOn() {
        assertThat(PinnedMemory.isPinned()).isTrue();
        try (BufferAllocator allocator = PinnedMemory.allocator(1L << 30);
                DeviceCopies copies = DeviceCopies.to(Device.cuda(0));
                ArrowBuf one = allocator.buffer(4L * COUNT);
                ArrowBuf other = allocator.buffer(4L * COUNT)) {
            DeviceCopies.Copy next = null;
            for (int batch = 0; batch <= 20; batch++) {
                try (PointerScope scope = new PointerScope();
                        DeviceCopies.Copy here = next) {
                    ArrowBuf buffer = batch % 2 == 0 ? one : other;
                    if (batch < 20) {
                        Tensor source = on(buffer);
                        assertThat(source.is_pinned()).isTrue();
                        source.fill_(new org.bytedeco.pytorch.Scalar((float) batch));
                        next = copies.start(source);
                    }
                    if (here != null) {
                        double sum = here.tensor().to(ScalarType.Double).sum().item_double();
                        assertThat(sum).isEqualTo((double) (batch - 1) * COUNT);
                    }
                }
            }
        }
    }
}
