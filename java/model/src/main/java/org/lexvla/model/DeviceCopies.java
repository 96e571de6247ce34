package org.lexvla.model;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.cuda.CUDAEvent;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.cuda.CUDAStreamGuard;
import org.bytedeco.pytorch.global.torch_cuda;
import org.lexvla.lexical.Device;

/**
 * Copies from the host to a device, on a CUDA stream of their own: while one batch is computed on, the next is on its way.
 *
 * <pre>{@code
 * try (DeviceCopies copies = DeviceCopies.to(device)) {
 *     DeviceCopies.Copy next = copies.start(batch(0));          // in pinned memory, see PinnedMemory
 *     for (int i = 0; i < n; i++) {
 *         try (DeviceCopies.Copy here = next) {
 *             next = i + 1 < n ? copies.start(batch(i + 1)) : null;
 *             step(here.tensor());                              // waits on the device, not here
 *         }
 *     }
 * }
 * }</pre>
 *
 * <p>A source that is not pinned is copied all the same, but LibTorch then waits for the copy. On the CPU nothing is copied:
 * {@link Copy#tensor} is the source.
 *
 * <p>For one thread at a time.
 */
public final class DeviceCopies implements AutoCloseable {
    private final Device device;
    private final CUDAStream stream; // null on the CPU
    private boolean closed;

    private DeviceCopies(Device device, CUDAStream stream) {
        this.device = device;
        this.stream = stream;
    }

    /**
     * Copies to a device.
     *
     * @throws IllegalStateException if this build or machine has no such device
     */
    public static DeviceCopies to(Device device) {
        if (device.isCpu()) {
            return new DeviceCopies(device, null);
        }
        LibTorch.device(device).close();
        return new DeviceCopies(device, LibTorch.keep(torch_cuda.getStreamFromPool(false, (byte) device.index())));
    }

    /**
     * Starts to copy a tensor and returns at once.
     *
     * @param source on the CPU, contiguous; must not be changed until the copy is closed. A handle on it is held so long, so
     *               memory that is freed with its last tensor stays
     * @throws IllegalArgumentException if the source is not such
     * @throws IllegalStateException    if this is closed
     */
    @SuppressWarnings("try") // scopes and guards are there to be closed, not used
    public Copy start(Tensor source) {
        if (closed) {
            throw new IllegalStateException("these copies are closed: start copies before closing them");
        }
        if (!source.is_cpu() || !source.is_contiguous()) {
            throw new IllegalArgumentException("the source of a copy is on "
                    + source.device().str().getString() + (source.is_contiguous() ? "" : " and strided")
                    + ": it must be on the cpu and contiguous");
        }
        if (stream == null) {
            return new Copy(LibTorch.keep(source.detach()), null, null);
        }
        try (PointerScope scope = new PointerScope();
                CUDAStreamGuard guard = new CUDAStreamGuard(stream.asStream())) {
            Tensor held = LibTorch.keep(source.detach());
            Tensor target =
                    LibTorch.keep(LibTorch.empty(source.scalar_type().intern(), device, LibTorch.shape(source)));
            target.copy_(held, true);
            CUDAEvent done = LibTorch.keep(new CUDAEvent());
            done.record(stream);
            return new Copy(target, held, done);
        }
    }

    /** Waits for nothing; copies that were started go on, and are closed by whoever has them. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            if (stream != null) {
                stream.close();
            }
        }
    }

    /** A copy on its way, or there. It holds its tensors, whatever scope it was started in, until it is closed. */
    public final class Copy implements AutoCloseable {
        private final Tensor target;
        private final Tensor source; // null on the CPU, where it is the target
        private final CUDAEvent done; // null on the CPU
        private boolean closed;

        private Copy(Tensor target, Tensor source, CUDAEvent done) {
            this.target = target;
            this.source = source;
            this.done = done;
        }

        /**
         * The copy, for work that is put on LibTorch's current stream from now on: that work waits for it on the device.
         * Valid until this is closed.
         */
        public Tensor tensor() {
            requireOpen();
            if (done != null) {
                try (CUDAStream current = torch_cuda.getCurrentCUDAStream((byte) device.index())) {
                    done.block(current);
                    // Its memory came from the stream of copies: not to be used there again before this stream is done
                    // with it.
                    target.record_stream(current.asStream());
                }
            }
            return target;
        }

        /** Whether the copy is there. */
        public boolean isDone() {
            requireOpen();
            return done == null || done.query();
        }

        private void requireOpen() {
            if (closed) {
                throw new IllegalStateException("this copy is closed: use its tensor before closing it");
            }
        }

        /** Waits until the source has been read, and frees the handles on both. */
        @Override
        public void close() {
            if (closed) {
                return;
            }
            closed = true;
            if (done != null) {
                done.synchronize();
                done.close();
                source.close();
            }
            target.close();
        }
    }
}
