package org.lexvla.model;

import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.DenseView;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.ElementType;
import org.lexvla.lexical.Kernels;

/**
 * A codebook that the head uses again and again, kept in the order in which the CPU kernel reads it, so that it is not put
 * in order anew in every call. Results are bitwise those of the codebook itself. On CUDA there is nothing to pack, and this
 * is the codebook alone.
 *
 * <p>It takes as much memory as the codebook once more, from the first use on. When the codebook has changed since, by an
 * in-place operation of LibTorch (an optimizer's step, {@code copy_}, …), which its version counter tells, the next use
 * packs it again; a codebook that changes with every use is better given to the head as it is. What is written straight to
 * the tensor's memory, or by {@code set_data}, is not noticed.
 *
 * <p>May be used by several threads at once.
 */
public final class PackedCodebook implements AutoCloseable {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final Tensor codebook;
    private Tensor packed; // uint8; null until first used
    private long version = -1; // of the codebook when it was packed; -1 for none
    private volatile boolean closed;

    private PackedCodebook(Tensor codebook) {
        this.codebook = codebook;
    }

    /**
     * A codebook to be used more than once. Holds a handle of its own on the tensor's memory until it is closed.
     *
     * @param codebook [V, d] float32 or bfloat16
     * @throws IllegalArgumentException for another type or shape
     * @throws IllegalStateException    for a tensor that has been closed
     */
    public static PackedCodebook of(Tensor codebook) {
        LexicalHead.requireCodebook(codebook);
        return new PackedCodebook(LibTorch.keep(codebook.detach()));
    }

    /** The codebook itself: [V, d], outside of any graph; lives until this is closed. */
    public Tensor codebook() {
        if (closed) {
            throw new IllegalStateException("this packed codebook is closed: use it before closing it");
        }
        return codebook;
    }

    /** Scores and winners of tokens, as {@link Kernels#projectMaxForward} gives them; arguments have been checked. */
    void project(DenseView tokens, DenseView mask, DenseView scores, DenseView winners) {
        if (!codebook().is_cpu()) {
            Kernels.projectMaxForward(tokens, mask, LexicalHead.view(codebook), scores, winners);
            return;
        }
        lock.readLock().lock();
        try {
            while (isStale()) {
                lock.readLock().unlock();
                try {
                    pack();
                } finally {
                    lock.readLock().lock();
                }
            }
            Kernels.projectMaxForwardPacked(tokens, mask, bytes(packed), scores, winners);
        } finally {
            lock.readLock().unlock();
        }
    }

    private boolean isStale() {
        return codebook()._version() != version;
    }

    private void pack() {
        lock.writeLock().lock();
        try {
            if (!isStale()) {
                return; // another thread has
            }
            long now = codebook._version();
            Tensor plain = codebook.contiguous();
            DenseView view = LexicalHead.view(plain);
            if (packed == null) {
                long size = Kernels.packedCodebookBytes(view.type(), view.size(0), view.size(1));
                packed = LibTorch.keep(LibTorch.empty(ScalarType.Byte, Device.cpu(), size));
            }
            version = -1;
            Kernels.packCodebook(view, bytes(packed));
            plain.close();
            version = now;
        } finally {
            lock.writeLock().unlock();
        }
    }

    private static DenseView bytes(Tensor tensor) {
        return DenseView.of(tensor.data_ptr().address(), ElementType.UINT8, Device.cpu(), tensor.numel());
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
