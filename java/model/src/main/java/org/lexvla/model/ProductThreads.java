package org.lexvla.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.openblas.presets.openblas_nolapack;

/**
 * Threads of LibTorch's float32 matrix products on the CPU, until it is closed. They are OpenBLAS's own, a number of the whole
 * process, apart from those of LibTorch's other operations.
 *
 * <p>One thread is right where several batches are in work side by side (products of several threads wait for each other), all
 * cores where there is one batch, as in training. Between products OpenBLAS's threads spin for 2^26 cycles, which takes a core
 * from everything else: {@code OPENBLAS_THREAD_TIMEOUT=10} in the environment makes that 2^10.
 */
public final class ProductThreads implements AutoCloseable {
    /** What OpenBLAS began with, which it does not tell. */
    private static final int AT_FIRST =
            atFirst(System.getenv(), Runtime.getRuntime().availableProcessors());
    /** Those that are not closed, the latest at the end: several callers at a time close theirs in any order. */
    private static final List<ProductThreads> OPEN = new ArrayList<>();

    private final int threads;

    private ProductThreads(int threads) {
        this.threads = threads;
    }

    /**
     * @param threads at least 1
     * @return to be closed, which brings back the number of the latest that is still open, or the first
     */
    public static ProductThreads use(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException(threads + " threads for matrix products: at least 1");
        }
        synchronized (ProductThreads.class) {
            ProductThreads now = new ProductThreads(threads);
            OPEN.add(now);
            again();
            return now;
        }
    }

    private static int chosen() {
        return OPEN.isEmpty() ? AT_FIRST : OPEN.get(OPEN.size() - 1).threads;
    }

    /** As OpenBLAS reads its environment: the first of these that is set to a number, else one for each core, and no more. */
    static int atFirst(Map<String, String> environment, int cores) {
        for (String name : new String[] {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"}) {
            String value = environment.getOrDefault(name, "").strip();
            // As atoi reads it: "4,2" is 4.
            String digits = value.replaceFirst("\\D.*", "");
            if (!digits.isEmpty() && digits.length() < 10 && Integer.parseInt(digits) > 0) {
                return Math.min(cores, Integer.parseInt(digits));
            }
        }
        return cores;
    }

    /** What OpenBLAS was told last; -1 if nothing. */
    static int count() {
        return openblas_nolapack.blas_get_num_threads();
    }

    /** Whether more than one was asked for. */
    static synchronized boolean several() {
        return chosen() > 1;
    }

    /** Until {@link #again}, a product has one thread. */
    static synchronized void one() {
        openblas_nolapack.blas_set_num_threads(1);
    }

    /** Back to the number that was asked for. */
    static synchronized void again() {
        openblas_nolapack.blas_set_num_threads(chosen());
    }

    @Override
    public void close() {
        synchronized (ProductThreads.class) {
            if (OPEN.remove(this)) {
                again();
            }
        }
    }
}
