package org.lexvla.lexical;

import java.util.function.LongUnaryOperator;

/**
 * The CUDA stream that the kernels called by a thread are put on, and their memory for temporary use. Work on a stream runs
 * in the order of the calls and after they have returned; whoever reads a result on the host, or on another stream, waits for
 * the stream first.
 *
 * <pre>{@code
 * CudaStream.on(handle, () -> Kernels.projectMaxForward(…));
 * }</pre>
 *
 * <p>Outside of {@link #on} the default stream of the device is used. Has no meaning for arrays on the host.
 */
public final class CudaStream {
    private static final CudaStream DEFAULT = new CudaStream(0, null);
    private static final ThreadLocal<CudaStream> CURRENT = new ThreadLocal<>();

    private final long handle;
    private final LongUnaryOperator workspace;

    private CudaStream(long handle, LongUnaryOperator workspace) {
        this.handle = handle;
        this.workspace = workspace;
    }

    /**
     * Makes calls whose kernels are put on a stream, and take memory for temporary use from the memory pool of the device. May
     * be nested; what this throws is what the calls throw.
     *
     * @param handle the {@code cudaStream_t}, of the device that the arrays are on; 0 for the default stream
     * @param calls  run by this thread, at once
     */
    public static void on(long handle, Runnable calls) {
        on(handle, null, calls);
    }

    /**
     * As {@link #on(long, Runnable)}, with memory for temporary use from elsewhere: from the allocator that the arrays come from,
     * which then counts it, and has it ready for the next call.
     *
     * @param workspace called by this thread, before a kernel that needs memory: the address of that many bytes on the device of
     *                  the arrays, at a multiple of 256, which nothing else uses until the work on the stream is done
     */
    public static void on(long handle, LongUnaryOperator workspace, Runnable calls) {
        CudaStream before = CURRENT.get();
        CURRENT.set(new CudaStream(handle, workspace));
        try {
            calls.run();
        } finally {
            if (before == null) {
                CURRENT.remove();
            } else {
                CURRENT.set(before);
            }
        }
    }

    /** That of calls of this thread. */
    static CudaStream current() {
        CudaStream stream = CURRENT.get();
        return stream == null ? DEFAULT : stream;
    }

    /** The {@code cudaStream_t}; 0 for the default stream. */
    long handle() {
        return handle;
    }

    /** What gives memory for temporary use; null: the device's own pool. */
    LongUnaryOperator workspace() {
        return workspace;
    }
}
