package org.lexvla.model;

import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.DenseView;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Kernels;

/**
 * A codebook that the head uses again and again, kept in the form in which the CPU kernel reads it, so that it is not
 * brought into it anew in every call. On CUDA there is nothing to pack: the kernels there read a codebook as it lies, so this
 * is the codebook alone, of either form, and gives exactly what the codebook gives.
 *
 * <p>{@link #of} keeps all of it: results are bitwise those of the codebook itself, for as much memory once more. {@link
 * #screened} keeps it in 8 bits, for inference: faster, and exact where it matters.
 *
 * <p>The memory is taken at the first use. When the codebook has changed since, by an
 * in-place operation of LibTorch (an optimizer's step, {@code copy_}, …), which its version counter tells, the next use
 * packs it again; a codebook that changes with every use is better given to the head as it is. What is written straight to
 * the tensor's memory, or by {@code set_data}, is not noticed.
 *
 * <p>May be used by several threads at once.
 */
public final class PackedCodebook implements AutoCloseable {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final Tensor codebook;
    private final Form form;
    private Tensor packed; // uint8; null until first used
    private long version = -1; // of the codebook when it was packed; -1 for none
    private volatile boolean closed;

    private PackedCodebook(Tensor codebook, Form form) {
        LexicalHead.requireCodebook(codebook);
        this.codebook = LibTorch.keep(codebook.detach());
        this.form = form;
    }

    /**
     * A codebook to be used more than once. Holds a handle of its own on the tensor's memory until it is closed.
     *
     * @param codebook [V, d] float32 or bfloat16
     * @throws IllegalArgumentException for another type or shape
     * @throws IllegalStateException    for a tensor that has been closed
     */
    public static PackedCodebook of(Tensor codebook) {
        return new PackedCodebook(codebook, new Whole());
    }

    /**
     * A codebook for inference: each score is first computed from 8 bits, with a margin within which the true one lies, and
     * those that may be the best of a picture are computed again from the codebook itself.
     *
     * @param codebook   [V, d] float32 or bfloat16, d at most 65536
     * @param deviations width of the margin in standard deviations of the rounding, 0 or more. 6 is safe where the roundings
     *                   of the elements are independent; +∞ is proven, but makes many scores be computed again
     * @param floor      raw scores below it may be left as the 8 bits give them; −∞: none
     * @throws IllegalArgumentException for another type or shape, or deviations or a floor that are no numbers
     * @throws IllegalStateException    for a tensor that has been closed
     */
    public static PackedCodebook screened(Tensor codebook, double deviations, double floor) {
        if (!(deviations >= 0) || Double.isNaN(floor)) {
            throw new IllegalArgumentException("deviations is " + deviations + " and floor " + floor
                    + ": deviations must be at least 0 (6 is usual), the floor a number (−∞ for none)");
        }
        return new PackedCodebook(codebook, new Screen((float) deviations, (float) floor));
    }

    /** How a codebook is kept. */
    private interface Form {
        long bytes(DenseView codebook);

        void pack(DenseView codebook, DenseView packed);

        void project(
                DenseView tokens,
                DenseView mask,
                DenseView codebook,
                DenseView packed,
                DenseView scores,
                DenseView winners);
    }

    private record Whole() implements Form {
        @Override
        public long bytes(DenseView codebook) {
            return Kernels.packedCodebookBytes(codebook.type(), codebook.size(0), codebook.size(1));
        }

        @Override
        public void pack(DenseView codebook, DenseView packed) {
            Kernels.packCodebook(codebook, packed);
        }

        @Override
        public void project(
                DenseView tokens,
                DenseView mask,
                DenseView codebook,
                DenseView packed,
                DenseView scores,
                DenseView winners) {
            Kernels.projectMaxForwardPacked(tokens, mask, packed, scores, winners);
        }
    }

    private record Screen(float deviations, float floor) implements Form {
        @Override
        public long bytes(DenseView codebook) {
            return Kernels.screenCodebookBytes(codebook.type(), codebook.size(0), codebook.size(1));
        }

        @Override
        public void pack(DenseView codebook, DenseView packed) {
            Kernels.screenCodebook(codebook, packed);
        }

        @Override
        public void project(
                DenseView tokens,
                DenseView mask,
                DenseView codebook,
                DenseView packed,
                DenseView scores,
                DenseView winners) {
            Kernels.projectMaxForwardScreened(tokens, mask, codebook, packed, floor, deviations, scores, winners);
        }
    }

    /** The codebook itself: [V, d], outside of any graph; lives until this is closed. */
    public Tensor codebook() {
        if (closed) {
            throw new IllegalStateException("this packed codebook is closed: use it before closing it");
        }
        return codebook;
    }

    /**
     * Scores and winners of tokens, as {@link Kernels#projectMaxForward} gives them; arguments have been checked.
     *
     * @param plain the codebook, contiguous
     */
    void project(DenseView tokens, DenseView mask, Tensor plain, DenseView scores, DenseView winners) {
        if (!codebook().is_cpu()) {
            Kernels.projectMaxForward(tokens, mask, LexicalHead.view(plain), scores, winners);
            return;
        }
        lock.readLock().lock();
        try {
            while (isStale()) {
                lock.readLock().unlock();
                try {
                    pack(LexicalHead.view(plain));
                } finally {
                    lock.readLock().lock();
                }
            }
            form.project(tokens, mask, LexicalHead.view(plain), LexicalHead.view(packed), scores, winners);
        } finally {
            lock.readLock().unlock();
        }
    }

    private boolean isStale() {
        return codebook()._version() != version;
    }

    private void pack(DenseView plain) {
        lock.writeLock().lock();
        try {
            if (!isStale()) {
                return; // another thread has
            }
            long now = codebook._version();
            if (packed == null) {
                packed = LibTorch.keep(LibTorch.empty(ScalarType.Byte, Device.cpu(), form.bytes(plain)));
            }
            version = -1;
            form.pack(plain, LexicalHead.view(packed));
            version = now;
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Frees the packed form and the handle on the codebook; waits for a use that is under way. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            codebook.close();
            if (packed != null) {
                packed.close();
                packed = null;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
