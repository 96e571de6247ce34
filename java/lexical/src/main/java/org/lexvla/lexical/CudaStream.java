package org.lexvla.lexical;

/**
 * The CUDA stream that the kernels called by a thread are put on. Work on a stream runs in the order of the calls and
 * after they have returned; whoever reads a result on the host, or on another stream, waits for the stream first.
 *
 * <pre>{@code
 * CudaStream.on(handle, () -> Kernels.projectMaxForward(…));
 * }</pre>
 *
 * <p>Outside of {@link #on} the default stream of the device is used. Has no meaning for arrays on the host.
 */
public final class CudaStream {
    private static final ThreadLocal<Long> CURRENT = new ThreadLocal<>();

    private CudaStream() {}

    /**
     * Makes calls whose kernels are put on a stream. May be nested; what this throws is what the calls throw.
     *
     * @param handle the {@code cudaStream_t}, of the device that the arrays are on; 0 for the default stream
     * @param calls  run by this thread, at once
     */
    public static void on(long handle, Runnable calls) {
        Long before = CURRENT.get();
        CURRENT.set(handle);
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

    /** The handle for calls of this thread; 0 for the default stream. */
    static long current() {
        Long handle = CURRENT.get();
        return handle == null ? 0 : handle;
    }
}
