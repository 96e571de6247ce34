package org.lexvla.lexical;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.lexvla.kernels.global.kernels;
import org.lexvla.kernels.lexvla_index_work;
import org.lexvla.lexical.NativeCall.Address;

/** The kernels on CSR matrices in host memory, by raw address. Callers have checked sizes and keep the memory open. */
final class SparseKernels {
    private SparseKernels() {}

    /**
     * Rows of a CSR matrix.
     *
     * @param offsets address of rows + 1 int32; need not start at 0
     * @param ids     address of the int32 that the offsets count in; 0 if there are none
     * @param weights address of as many float32
     */
    record Csr(long offsets, long ids, long weights, long rows) {
        /** The rows {@code from} to {@code to} of the same matrix. */
        Csr rows(long from, long to) {
            return new Csr(offsets + from * Integer.BYTES, ids, weights, to - from);
        }
    }

    /** What a kernel that makes CSR of dense rows begins with. */
    enum Rows {
        /** Values to choose among. */
        VALUES,
        /** Raw scores, to be activated and normalised first. */
        SCORES
    }

    /** Keeps entries of each row; with ids and weights 0 it only counts, and offsets[rows] is the capacity to come back with. */
    static void sparsify(Rows kind, DenseView dense, Sparsification how, long capacity, Csr out) {
        FloatPointer v = Address.floats(dense);
        IntPointer offsets = Address.ints(out.offsets());
        IntPointer ids = Address.ints(out.ids());
        FloatPointer weights = Address.floats(out.weights());
        long rows = dense.size(0);
        long words = dense.size(1);
        if (how instanceof Sparsification.TopK top) {
            long k = top.k();
            cpu(exec -> kind == Rows.VALUES
                    ? kernels.lexvla_sparsify_top_k(exec, v, rows, words, k, capacity, offsets, ids, weights)
                    : kernels.lexvla_activate_sparsify_top_k(exec, v, rows, words, k, capacity, offsets, ids, weights));
        } else {
            float least = how instanceof Sparsification.Threshold given ? given.value() : Float.NEGATIVE_INFINITY;
            cpu(exec -> kind == Rows.VALUES
                    ? kernels.lexvla_sparsify_threshold(exec, v, rows, words, least, capacity, offsets, ids, weights)
                    : kernels.lexvla_activate_sparsify_threshold(
                            exec, v, rows, words, least, capacity, offsets, ids, weights));
        }
    }

    /** All dot products of rows, into [a.rows, b.rows] float32 at {@code products}. */
    static void dot(Csr a, Csr b, long words, long products) {
        cpu(exec -> kernels.lexvla_csr_dot(
                exec,
                Address.ints(a.offsets()),
                Address.ints(a.ids()),
                Address.floats(a.weights()),
                a.rows(),
                Address.ints(b.offsets()),
                Address.ints(b.ids()),
                Address.floats(b.weights()),
                b.rows(),
                words,
                Address.floats(products)));
    }

    /** The k best rows for a query; returns how many there are. Writes k int32 and k float32. */
    static int topK(
            long queryIds, long queryWeights, long querySize, Csr matrix, long words, long k, long rows, long scores) {
        try (LongPointer hits = new LongPointer(1)) {
            cpu(exec -> kernels.lexvla_csr_top_k(
                    exec,
                    Address.ints(queryIds),
                    Address.floats(queryWeights),
                    querySize,
                    Address.ints(matrix.offsets()),
                    Address.ints(matrix.ids()),
                    Address.floats(matrix.weights()),
                    matrix.rows(),
                    words,
                    k,
                    Address.ints(rows),
                    Address.floats(scores),
                    hits));
            return Math.toIntExact(hits.get());
        }
    }

    /** Bytes of an inverted index of a matrix. */
    static long indexSize(Csr matrix, long words, int impacts) {
        try (LongPointer bytes = new LongPointer(1)) {
            cpu(exec -> kernels.lexvla_index_size(
                    exec,
                    impacts,
                    Address.ints(matrix.offsets()),
                    Address.ints(matrix.ids()),
                    Address.floats(matrix.weights()),
                    matrix.rows(),
                    words,
                    bytes));
            return bytes.get();
        }
    }

    /** Writes an inverted index of a matrix to {@code bytes} bytes at {@code index}. */
    static void indexBuild(Csr matrix, long words, int impacts, long bytes, long index) {
        cpu(exec -> kernels.lexvla_index_build(
                exec,
                impacts,
                Address.ints(matrix.offsets()),
                Address.ints(matrix.ids()),
                Address.floats(matrix.weights()),
                matrix.rows(),
                words,
                bytes,
                Address.of(index)));
    }

    /** Refuses bytes that are no index of a matrix. */
    static void indexCheck(long index, long bytes, Csr matrix, long words) {
        cpu(exec -> kernels.lexvla_index_check(
                exec,
                Address.of(index),
                bytes,
                Address.ints(matrix.offsets()),
                Address.ints(matrix.ids()),
                Address.floats(matrix.weights()),
                matrix.rows(),
                words));
    }

    /** The k best rows for each query: [queries, k] int32 and float32, and [queries] int64 at {@code hits}. */
    static InvertedIndex.Work indexSearch(
            long index, long bytes, Csr matrix, long words, Csr queries, long k, long rows, long scores, long hits) {
        try (lexvla_index_work work = new lexvla_index_work()) {
            cpu(exec -> kernels.lexvla_index_search(
                    exec,
                    Address.of(index),
                    bytes,
                    Address.ints(matrix.offsets()),
                    Address.ints(matrix.ids()),
                    Address.floats(matrix.weights()),
                    matrix.rows(),
                    words,
                    Address.ints(queries.offsets()),
                    Address.ints(queries.ids()),
                    Address.floats(queries.weights()),
                    queries.rows(),
                    k,
                    Address.ints(rows),
                    Address.floats(scores),
                    Address.longs(hits),
                    work));
            return new InvertedIndex.Work(work.postings(), work.bytes(), work.rows(), work.skipped());
        }
    }

    private static void cpu(NativeCall call) {
        NativeCall.run(Device.cpu(), Kernels.requestedThreads(), call);
    }
}
