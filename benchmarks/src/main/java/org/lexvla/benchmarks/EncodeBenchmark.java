package org.lexvla.benchmarks;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.Adapter;
import org.lexvla.model.AdapterConfig;
import org.lexvla.model.DinoV2;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.LexicalHead;
import org.lexvla.model.Llama;
import org.lexvla.model.LlamaConfig;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Whole encoders, from pixels and from token ids to sparse vectors: the same towers with random weights, once with the fused
 * head and sparsification, once with LibTorch's operations in the paper's order.
 *
 * <p>The visual side has the paper's size: DINOv2 base, the adapter to width 4096. The paper's Llama 2 of 7 billion weights is
 * more than most machines that run this hold; the language model has its layout and the size of the parameter {@code text}. Towers
 * are float32, as the adapter's tokens are; the sparse vectors end on the host.
 */
@Warmup(iterations = 1, time = 2)
@Measurement(iterations = 5, time = 2)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class EncodeBenchmark extends TimedBenchmark {
    private static final int PATCH = 14;
    /** Tokens of a prompt: the paper's sentence around a caption. */
    private static final int PROMPT = 64;

    private static final int TOKENIZER = 2000;

    /** Where to compute: cpu or cuda. */
    @Param("cpu")
    public String device;

    /** Pictures, and texts. */
    @Param({"8", "1"})
    public int batch;

    /** The visual tower: width x layers x heads. */
    @Param("768x12x12")
    public String vision;

    /** The language model: width x layers x heads. */
    @Param("1024x4x16")
    public String text;

    /** Side of a picture, a multiple of 14. */
    @Param("224")
    public int image;

    /** Width of the image codebook. */
    @Param("4096")
    public int width;

    /** Words, V. */
    @Param("17149")
    public int vocabulary;

    private org.bytedeco.pytorch.Device where;
    private SparseVectors vectors;
    private Sparsification.Threshold how;
    private DinoV2 visionTower;
    private Adapter adapter;
    private Llama textTower;
    private Tensor imageCodebook;
    private Tensor textCodebook;
    private Tensor pixels;
    private Tensor ids;
    private String proof;

    /** Makes towers and inputs, and proves the head on the tokens that they give. */
    @Setup(Level.Trial)
    public void setUp() {
        torch.manual_seed(1);
        vectors = new SparseVectors(vocabulary);
        how = Sparsification.standard(vocabulary);
        int[] v = numbers(vision);
        int[] t = numbers(text);
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            where = BenchmarkDevice.of(device);
            where.retainReference();
            Device towers = Device.parse(device);
            visionTower = DinoV2.random(DinoV2Config.of(v[0], v[1], v[2], PATCH, image), 1, towers);
            adapter = Adapter.random(AdapterConfig.of(v[0], width), 2, towers);
            // Llama's proportion of the inner width, 8/3, up to a multiple of 16.
            int inner = (t[0] * 8 / 3 + 15) / 16 * 16;
            textTower = Llama.random(LlamaConfig.of(TOKENIZER, t[0], inner, t[1], t[2], 1024), 3, towers);
            imageCodebook = codebook(width).retainReference();
            textCodebook = codebook(t[0]).retainReference();
            pixels = torch.randn(batch, 3, image, image)
                    .to(where, ScalarType.Float)
                    .retainReference();
            ids = torch.randint(TOKENIZER, new long[] {batch, PROMPT})
                    .to(where, ScalarType.Long)
                    .retainReference();
            Tensor gradient = torch.randn(batch, vocabulary).to(where, ScalarType.Float);
            proof = HeadProof.of(imageTokens(), imageCodebook, gradient) + "; texts "
                    + HeadProof.of(textTokens(), textCodebook, gradient);
        }
    }

    private Tensor codebook(int columns) {
        return torch.randn(vocabulary, columns)
                .mul(new Scalar(1 / Math.sqrt(columns)))
                .to(where, ScalarType.Float);
    }

    private static int[] numbers(String shape) {
        String[] parts = shape.split("x");
        if (parts.length != 3) {
            throw new IllegalArgumentException("the tower is " + shape + ": width x layers x heads, such as 768x12x12");
        }
        return new int[] {Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2])};
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        for (Tensor tensor : new Tensor[] {imageCodebook, textCodebook, pixels, ids}) {
            tensor.close();
        }
        textTower.close();
        adapter.close();
        visionTower.close();
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

    /** Pictures, with the fused head. */
    @Benchmark
    @Against("picturesLibTorch")
    public long pictures() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return fused(imageTokens(), imageCodebook);
        }
    }

    /** Pictures, with LibTorch's operations for the head. */
    @Benchmark
    public long picturesLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return plain(imageTokens(), imageCodebook);
        }
    }

    /** Texts, with the fused head. */
    @Benchmark
    @Against("textsLibTorch")
    public long texts() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return fused(textTokens(), textCodebook);
        }
    }

    /** Texts, with LibTorch's operations for the head. */
    @Benchmark
    public long textsLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return plain(textTokens(), textCodebook);
        }
    }

    private Tensor imageTokens() {
        return adapter.forward(visionTower.forward(pixels));
    }

    private Tensor textTokens() {
        return textTower.forward(ids, null).narrow(1, PROMPT - 1, 1);
    }

    private long fused(Tensor tokens, Tensor codebook) {
        Tensor scores = LexicalHead.scores(tokens, codebook, null).cpu();
        try (LexicalBatch sparse = vectors.ofScores(scores, how)) {
            return sparse.active();
        }
    }

    private long plain(Tensor tokens, Tensor codebook) {
        return PlainHead.aboveThreshold(PlainHead.eager(tokens, codebook), how.value())[1].numel();
    }
}
