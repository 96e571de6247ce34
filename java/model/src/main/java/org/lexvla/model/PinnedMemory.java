package org.lexvla.model;

import org.apache.arrow.memory.AllocationManager;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ReferenceManager;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * Arrow memory that the system keeps in its place, so that a GPU copies from it by itself, at the rate of the bus and beside
 * the computation: see {@link DeviceCopies}. It comes from LibTorch's own allocator of such memory, which keeps what is
 * given back for the next buffer of its size; a machine has less of it than of other memory, so it is for what is copied
 * again and again, such as the batches of a training run.
 *
 * <p>Where LibTorch finds no CUDA device the memory is ordinary, and all else is the same.
 */
public final class PinnedMemory extends AllocationManager {
    private final Tensor memory;
    private final long size;
    private final long address;

    private PinnedMemory(BufferAllocator accounts, long size) {
        super(accounts);
        this.size = size;
        memory = allocate(size);
        // The address of an empty tensor is null.
        address = size == 0 ? 0 : memory.data_ptr().address();
    }

    /**
     * A root allocator of such memory; whoever opens it closes it, after all of its buffers.
     *
     * @param limit bytes that may be allocated at one time
     */
    public static BufferAllocator allocator(long limit) {
        return new RootAllocator(RootAllocator.configBuilder()
                .allocationManagerFactory(FACTORY)
                .maxAllocation(limit)
                .build());
    }

    /** Whether memory is pinned in this build and machine, and not ordinary. */
    public static boolean isPinned() {
        return torch.cuda_is_available();
    }

    private static final Factory FACTORY = new Factory() {
        @Override
        public AllocationManager create(BufferAllocator accounts, long size) {
            return new PinnedMemory(accounts, size);
        }

        @Override
        public ArrowBuf empty() {
            return new ArrowBuf(ReferenceManager.NO_OP, null, 0, 0);
        }
    };

    @SuppressWarnings("try") // the scope is there to be closed, not used
    private static Tensor allocate(long size) {
        try (PointerScope scope = new PointerScope()) {
            TensorOptions options = new TensorOptions()
                    .dtype(new ScalarTypeOptional(ScalarType.Byte))
                    .device(new DeviceOptional(LibTorch.device(Device.cpu())))
                    .pinned_memory(new BoolOptional(isPinned()));
            return LibTorch.keep(torch.empty(new long[] {size}, options, null));
        }
    }

    @Override
    public long getSize() {
        return size;
    }

    @Override
    protected long memoryAddress() {
        return address;
    }

    @Override
    protected void release0() {
        memory.close();
    }
}
