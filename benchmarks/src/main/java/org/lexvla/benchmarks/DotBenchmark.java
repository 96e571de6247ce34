package org.lexvla.benchmarks;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * All dot products of two batches of sparse vectors, against LibTorch's product of the same as dense matrices (whose
 * making dense is not counted). The words of a vector are drawn uniformly.
 */
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 5, time = 1)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class DotBenchmark extends TimedBenchmark {
    /** Rows of either side. */
    @Param({"256", "1024"})
    public int rows;

    /** Active words of a row; 1081 is the paper's mean, 6.3 %. */
    @Param({"1081", "40", "300", "4000", "17149"})
    public int active;

    /** Words, V. */
    @Param("17149")
    public int vocabulary;

    private BufferAllocator allocator;
    private LexicalBatch a;
    private LexicalBatch b;
    private Tensor denseA;
    private Tensor denseB;
    private String proof;

    /** Draws both sides and proves the products of both. */
    @Setup(Level.Trial)
    public void setUp() {
        allocator = new RootAllocator();
        ZipfVectors vectors = new ZipfVectors(BenchmarkVocabulary.of(vocabulary), active, 1);
        LexicalVector[] left = IntStream.range(0, rows)
                .mapToObj(row -> vectors.uniform(row, active))
                .toArray(LexicalVector[]::new);
        LexicalVector[] right = IntStream.range(rows, 2 * rows)
                .mapToObj(row -> vectors.uniform(row, active))
                .toArray(LexicalVector[]::new);
        a = LexicalBatch.of(List.of(left), left[0].vocabulary(), allocator);
        b = LexicalBatch.of(List.of(right), left[0].vocabulary(), allocator);
        denseA = dense(left);
        denseB = dense(right);
        prove(left, right);
    }

    private Tensor dense(LexicalVector[] vectors) {
        float[] values = new float[rows * vocabulary];
        for (int row = 0; row < rows; row++) {
            int[] ids = vectors[row].ids();
            float[] weights = vectors[row].weights();
            for (int i = 0; i < ids.length; i++) {
                values[row * vocabulary + ids[i]] = weights[i];
            }
        }
        Tensor tensor = torch.empty(rows, vocabulary);
        tensor.data_ptr_float().put(values);
        return tensor;
    }

    private void prove(LexicalVector[] left, LexicalVector[] right) {
        float[][] ours = a.dot(b);
        float[] theirs = new float[rows * rows];
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            denseA.matmul(denseB.t()).contiguous().data_ptr_float().get(theirs);
        }
        double ourError = 0;
        double theirError = 0;
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < rows; j += 17) {
                double truth = left[i].dot(right[j]);
                ourError = Math.max(ourError, Math.abs(ours[i][j] - truth));
                theirError = Math.max(theirError, Math.abs(theirs[i * rows + j] - truth));
            }
        }
        // Vectors of norm 1: as far off as LibTorch, or the rounding of a sum of that many products.
        if (!(ourError <= theirError + active * 0x1p-24)) {
            throw new IllegalStateException("the products are off by " + ourError + ", LibTorch by " + theirError);
        }
        proof = String.format(Locale.ROOT, "matches: off by %.1e, LibTorch by %.1e", ourError, theirError);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        a.close();
        b.close();
        denseA.close();
        denseB.close();
        allocator.close();
    }

    @Override
    public String proof() {
        return proof;
    }

    /** The multiply-adds of the dense product; a sparse one can do with fewer, so ours may be more than the peak. */
    @Override
    public Work work(String method) {
        return method.equals("matmulLibTorch") ? new Work(MachinePeak.FLOAT32, 2.0 * rows * rows * vocabulary) : null;
    }

    @Override
    public Map<String, Object> facts() {
        return new TreeMap<>(Map.of("density", (double) active / vocabulary));
    }

    /** Ours. */
    @Benchmark
    @Against("matmulLibTorch")
    public float[][] dot() {
        return a.dot(b);
    }

    /** LibTorch's product of dense matrices. */
    @Benchmark
    public float matmulLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return denseA.matmul(denseB.t()).data_ptr_float().get();
        }
    }
}
