package org.lexvla.benchmarks;

/**
 * Threads that OpenBLAS multiplies LibTorch's matrices with: as {@code OPENBLAS_NUM_THREADS} says, which it reads when it is loaded. The
 * launcher says 1.
 */
final class OpenBlas {
    private OpenBlas() {}

    /** Figures name the number; so that it is the right one. */
    static void require(int threads) {
        String set = System.getenv("OPENBLAS_NUM_THREADS");
        if (!String.valueOf(threads).equals(set)) {
            throw new IllegalArgumentException("openblas is " + threads + ", but OPENBLAS_NUM_THREADS is "
                    + (set == null ? "not set" : set) + ": set both alike");
        }
    }
}
