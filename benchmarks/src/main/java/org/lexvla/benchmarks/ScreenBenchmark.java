package org.lexvla.benchmarks;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;
import org.lexvla.model.LexicalHead;
import org.lexvla.model.PackedCodebook;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The screened head on features of a trained model instead of random ones: which winners it changes, and how far scores are off.
 * The model and the pictures, which it was not trained on, are those of {@code lexvla demo}; it is small, so the times are less
 * telling than those of {@link HeadBenchmark}.
 */
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class ScreenBenchmark extends TimedBenchmark {
    /** Directory that {@code lexvla demo --out} made; relative to where the benchmark runs. */
    @Param("demo")
    public String demo;

    /** Pictures. */
    @Param("64")
    public int pictures;

    /** Width of the margin, in standard deviations of the rounding to 8 bits. */
    @Param({"6", "3", "0"})
    public double deviations;

    /** Element type: float32 or bfloat16. */
    @Param({"float32", "bfloat16"})
    public String dtype;

    private LexVla model;
    private Tensor tokens;
    private Tensor codebook;
    private PackedCodebook whole;
    private PackedCodebook screened;
    private final Map<String, Object> facts = new TreeMap<>();

    /** Loads the model, computes the features, and compares winners and scores of all pictures and words. */
    @Setup(Level.Trial)
    public void setUp() throws IOException {
        Path directory = Path.of(demo);
        model = LexVla.load(directory.resolve("run"), Device.cpu());
        List<Path> files;
        try (Stream<Path> all = Files.list(directory.resolve("scenes/held-out/images"))) {
            files = all.sorted().limit(pictures).toList();
        }
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            FloatBuffer pixels =
                    FloatBuffer.allocate(files.size() * model.transform().elements());
            for (Path file : files) {
                model.transform().of(ImageTransform.read(file), pixels);
            }
            tokens = model.imageTokens(model.pixels(pixels.flip()))
                    .to(BenchmarkDevice.type(dtype))
                    .retainReference();
            codebook = model.imageCodebook()
                    .to(BenchmarkDevice.type(dtype))
                    .detach()
                    .clone()
                    .retainReference();
            whole = PackedCodebook.of(codebook);
            screened = PackedCodebook.screened(codebook, deviations, Double.NEGATIVE_INFINITY);
            compare();
        }
    }

    private void compare() {
        try (LexicalHead.Forward exact = LexicalHead.forward(tokens, whole, null);
                LexicalHead.Forward ours = LexicalHead.forward(tokens, screened, null)) {
            Tensor error = ours.scores().sub(exact.scores()).abs();
            facts.put("scores", exact.scores().numel());
            facts.put(
                    "changedWinners",
                    ours.winners().ne(exact.winners()).sum().item_double()
                            / exact.winners().numel());
            facts.put("largestScoreError", error.max().item_double());
            facts.put("meanScore", exact.scores().abs().mean().item_double());
            facts.put(
                    "largestActivationError",
                    ours.activations().sub(exact.activations()).abs().max().item_double());
        }
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        tokens.close();
        codebook.close();
        whole.close();
        screened.close();
        model.close();
    }

    @Override
    public String proof() {
        return String.format(
                Locale.ROOT,
                "%.4f %% of %d winners are others; scores are off by at most %.1e (their mean size is %.1f), activations by %.1e",
                100 * (double) facts.get("changedWinners"),
                facts.get("scores"),
                facts.get("largestScoreError"),
                facts.get("meanScore"),
                facts.get("largestActivationError"));
    }

    @Override
    public Work work(String method) {
        return null;
    }

    @Override
    public Map<String, Object> facts() {
        return facts;
    }

    /** By 8 bits, and exactly where it matters. */
    @Benchmark
    @Against({"exact", "forwardLibTorch"})
    public float screened() {
        return first(screened);
    }

    /** From the whole codebook, packed. */
    @Benchmark
    @Against("forwardLibTorch")
    public float exact() {
        return first(whole);
    }

    /** LibTorch's operations in the paper's order. */
    @Benchmark
    public float forwardLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return PlainHead.eager(tokens, codebook)
                    .to(ScalarType.Float)
                    .data_ptr_float()
                    .get();
        }
    }

    private float first(PackedCodebook packed) {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward head = LexicalHead.forward(tokens, packed, null)) {
            return head.activations().data_ptr_float().get();
        }
    }
}
