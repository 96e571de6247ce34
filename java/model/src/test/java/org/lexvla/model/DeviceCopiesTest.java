package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.OutOfMemoryException;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;

/** Without a GPU: memory that is accounted for, copies that are none. */
@SuppressWarnings("try") // scopes are there to be closed, not used
class DeviceCopiesTest {
    @Test
    void memoryIsWrittenReadAndGivenBack() {
        try (BufferAllocator allocator = PinnedMemory.allocator(1 << 20)) {
            ArrowBuf kept;
            try (PointerScope scope = new PointerScope();
                    ArrowBuf buffer = allocator.buffer(1000)) {
                for (int i = 0; i < 250; i++) {
                    buffer.setInt(4L * i, i);
                }
                assertThat(buffer.memoryAddress() % 16).isZero();
                kept = buffer.slice(400, 4);
                kept.getReferenceManager().retain();
            }
            // Beyond the scope, and the first owner.
            assertThat(kept.getInt(0)).isEqualTo(100);
            assertThat(allocator.getAllocatedMemory()).isGreaterThanOrEqualTo(1000);
            kept.close();
            assertThat(allocator.getAllocatedMemory()).isZero();
            allocator.buffer(0).close();
        }
    }

    @Test
    void theLimitHolds() {
        try (BufferAllocator allocator = PinnedMemory.allocator(4096)) {
            assertThatThrownBy(() -> allocator.buffer(8192)).isInstanceOf(OutOfMemoryException.class);
            assertThat(allocator.getAllocatedMemory()).isZero();
        }
    }

    @Test
    void onTheCpuTheCopyIsTheSource() {
        try (PointerScope scope = new PointerScope();
                DeviceCopies copies = DeviceCopies.to(Device.cpu())) {
            Tensor source = torch.randn(3, 4);
            try (DeviceCopies.Copy copy = copies.start(source)) {
                assertThat(copy.isDone()).isTrue();
                assertThat(copy.tensor().data_ptr().address())
                        .isEqualTo(source.data_ptr().address());
            }
            assertThat(source.sum().item_float()).isFinite();
        }
    }

    @Test
    void aCopyOutlivesTheScopeItWasStartedIn() {
        try (DeviceCopies copies = DeviceCopies.to(Device.cpu())) {
            DeviceCopies.Copy copy;
            try (PointerScope scope = new PointerScope()) {
                copy = copies.start(torch.ones(5));
            }
            assertThat(copy.tensor().sum().item_float()).isEqualTo(5);
            copy.close();
            copy.close();
            assertThatIllegalStateException().isThrownBy(copy::tensor).withMessageContaining("this copy is closed");
        }
    }

    @Test
    void whatIsRefused() {
        try (PointerScope scope = new PointerScope()) {
            DeviceCopies copies = DeviceCopies.to(Device.cpu());
            Tensor strided = torch.randn(3, 4).t();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> copies.start(strided))
                    .withMessage("the source of a copy is on cpu and strided: it must be on the cpu and contiguous");
            copies.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> copies.start(torch.ones(2)))
                    .withMessageContaining("these copies are closed");
            assertThatIllegalStateException()
                    .isThrownBy(() -> DeviceCopies.to(Device.cuda(99)))
                    .withMessageContaining("device cuda:99");
        }
    }
}
