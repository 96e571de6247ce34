package org.lexvla.benchmarks;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Kernels;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexicalHead;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * From pooled scores to sparse vectors: elu1p, normalisation, choice of the entries, CSR in Arrow memory. Compared with
 * LibTorch's operations, whose result is ids and weights of the same entries; and with the head's forward that makes
 * such scores, of which it should be a small part.
 *
 * <p>The scores are skewed so that at the threshold 1/√V about as many words are kept as the paper keeps, 6 %; the share is
 * among the facts of the results.
 */
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class SparsifyBenchmark extends TimedBenchmark {
    /** Mean active words of the paper's final model at the paper's vocabulary, SPEC §5. */
    private static final double TOP_SHARE = 1081.0 / 17149;

    /** Rows, and images of the forward. */
    @Param({"8", "1"})
    public int batch;

    /** How entries are chosen: threshold (1/√V) or top (6.3 % of V). */
    @Param({"threshold", "top"})
    public String rule;

    /** Element type of the forward that the times are compared with. */
    @Param("float32")
    public String dtype;

    /** Tokens of an image of that forward. */
    @Param("257")
    public int tokens;

    /** Its width. */
    @Param("4096")
    public int width;

    /** Words, V. */
    @Param("17149")
    public int vocabulary;

    private SparseVectors vectors;
    private Sparsification how;
    private int k;
    private Tensor x;
    private Tensor z;
    private Tensor scores;
    private Tensor activations;
    private Tensor norms;
    private String proof;
    private double density;

    /** Draws the scores and proves both ways to sparse vectors on them. */
    @Setup(Level.Trial)
    public void setUp() {
        torch.manual_seed(1);
        vectors = new SparseVectors(vocabulary);
        k = (int) Math.ceil(TOP_SHARE * vocabulary);
        how = switch (rule) {
            case "threshold" -> Sparsification.standard(vocabulary);
            case "top" -> Sparsification.topK(k);
            default -> throw new IllegalArgumentException("rule is " + rule + ": threshold or top");
        };
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            ScalarType type = BenchmarkDevice.type(dtype);
            Scalar scale = new Scalar(1 / Math.sqrt(width));
            x = torch.randn(batch, tokens, width).to(type).retainReference();
            z = torch.randn(vocabulary, width).mul(scale).to(type).retainReference();
            scores = torch.randn(batch, vocabulary)
                    .mul(new Scalar(3))
                    .sub(new Scalar(4))
                    .retainReference();
            activations = torch.empty_like(scores).retainReference();
            norms = torch.empty(batch).retainReference();
            prove();
        }
    }

    /** Every entry against float64: chosen if it must be, not if it must not, its weight right. */
    private void prove() {
        Tensor truth = PlainHead.activated(scores.to(ScalarType.Double)).contiguous();
        double[] row = new double[vocabulary];
        double worst = 0;
        long active = 0;
        try (LexicalBatch batchOfOurs = vectors.ofScores(scores, how)) {
            for (int b = 0; b < batch; b++) {
                truth.select(0, b).data_ptr_double().get(row);
                LexicalVector vector = batchOfOurs.get(b);
                double least = how instanceof Sparsification.Threshold threshold ? threshold.value() : kth(row);
                // Three units in the last place: elu1p, the norm, the quotient.
                double error = 12 * 0x1p-24;
                boolean[] kept = new boolean[vocabulary];
                for (int i = 0; i < vector.active(); i++) {
                    kept[vector.ids()[i]] = true;
                    worst = Math.max(worst, Math.abs(vector.weights()[i] / row[vector.ids()[i]] - 1));
                }
                for (int v = 0; v < vocabulary; v++) {
                    if (kept[v] ? row[v] < least * (1 - error) : row[v] > least * (1 + error)) {
                        throw new IllegalStateException("row " + b + ", word " + v + ": " + row[v] + " is "
                                + (kept[v] ? "kept below " : "not kept above ") + least);
                    }
                }
                if (worst > error) {
                    throw new IllegalStateException("a weight is off by " + worst + " of itself");
                }
                active += vector.active();
            }
        }
        density = (double) active / batch / vocabulary;
        proof = String.format(Locale.ROOT, "matches: every choice, weights within %.1e of themselves", worst);
    }

    private double kth(double[] row) {
        double[] sorted = row.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length - k];
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        for (Tensor tensor : new Tensor[] {x, z, scores, activations, norms}) {
            tensor.close();
        }
        vectors.close();
    }

    @Override
    public String proof() {
        return proof;
    }

    @Override
    public Work work(String method) {
        return null;
    }

    @Override
    public Map<String, Object> facts() {
        return new TreeMap<>(Map.of("density", density));
    }

    /** Ours, in one pass over the scores. */
    @Benchmark
    @Against({"sparsifyLibTorch", "forward"})
    public long sparsify() {
        try (LexicalBatch sparse = vectors.ofScores(scores, how)) {
            return sparse.active();
        }
    }

    /** Ours, by way of dense activations. */
    @Benchmark
    @Against("sparsifyLibTorch")
    public long sparsifyByDense() {
        Kernels.activateNormalizeForward(
                SparseVectors.view(scores), SparseVectors.view(activations), SparseVectors.view(norms));
        try (LexicalBatch sparse = vectors.ofActivations(activations, how)) {
            return sparse.active();
        }
    }

    /** LibTorch's operations: elu, + 1, norm, and the entries that are kept as ids and weights. */
    @Benchmark
    public long sparsifyLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            Tensor dense = PlainHead.activated(scores);
            if (how instanceof Sparsification.Threshold threshold) {
                return PlainHead.aboveThreshold(dense, threshold.value())[1].numel();
            }
            return torch.topk(dense, k).get0().numel();
        }
    }

    /** The head's forward at this shape. */
    @Benchmark
    public long forward() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
            return forward.scores().numel();
        }
    }
}
