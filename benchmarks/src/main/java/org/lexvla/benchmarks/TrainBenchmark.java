package org.lexvla.benchmarks;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.BinaryOperator;
import java.util.random.RandomGenerator;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Adam;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.model.Adapter;
import org.lexvla.model.AdapterConfig;
import org.lexvla.model.DinoV2;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexicalHead;
import org.lexvla.model.Llama;
import org.lexvla.model.LlamaConfig;
import org.lexvla.model.Lora;
import org.lexvla.model.LoraConfig;
import org.lexvla.model.PackedCodebook;
import org.lexvla.training.InfoNce;
import org.lexvla.training.OverusePenalty;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A step of training from pixels and token ids to updated weights: the same frozen DINOv2, adapter, Llama with LoRA, loss, and LibTorch's
 * clipping and Adam on both sides; the head once fused, cut out of the graph, and once as LibTorch's operations within it. (The trainer's own
 * Adam makes the same operations, to the bit, as its tests say.)
 *
 * <p>The learning rate is 0, so that every step of either side computes the same. Decoding goes on in the background of a step and is
 * not part of it; {@link #facts} says what it would take one thread, besides where the time of a step goes.
 */
@Warmup(iterations = 1, time = 5)
@Measurement(iterations = 5, time = 5)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class TrainBenchmark extends TimedBenchmark {
    private static final int PATCH = 14;
    private static final int TOKENIZER = 2000;
    /** Sides of the pictures that img2dataset stores. */
    private static final int STORED = 256;
    /** Steps of each side whose parts are timed, and one before them. */
    private static final int TIMED = 3;

    private static final double LOSS = 1e-4;

    /** Pairs of a step. */
    @Param({"4", "1"})
    public int batch;

    /** The visual tower: width x layers x heads. */
    @Param("768x12x12")
    public String vision;

    /** The language model: width x layers x heads. */
    @Param("1024x4x16")
    public String text;

    /** Tokens of a prompt. */
    @Param("64")
    public int prompt;

    /** Side of a picture, a multiple of 14. */
    @Param("224")
    public int image;

    /** Width of the image codebook. */
    @Param("4096")
    public int width;

    /** Words, V. */
    @Param("17149")
    public int vocabulary;

    /** As {@code OPENBLAS_NUM_THREADS}. */
    @Param("1")
    public int openblas;

    private DinoV2 visionTower;
    private Adapter adapter;
    private Llama textTower;
    private Lora lora;
    private Tensor imageCodebook;
    private Tensor textCodebook;
    private PackedCodebook packedTextCodebook;
    private Tensor logScale;
    private Tensor pixels;
    private Tensor ids;
    private List<Tensor> trained;
    private TensorVector all;
    private Adam adam;
    private String proof;

    /** Makes towers and inputs, proves the head on the tokens they give, and compares loss and gradients of both sides. */
    @Setup(Level.Trial)
    public void setUp() {
        OpenBlas.require(openblas);
        torch.manual_seed(1);
        int[] v = numbers(vision);
        int[] t = numbers(text);
        try (PointerScope scope = new PointerScope()) {
            visionTower = DinoV2.random(DinoV2Config.of(v[0], v[1], v[2], PATCH, image), 1, Device.cpu());
            adapter = Adapter.random(AdapterConfig.of(v[0], width), 2, Device.cpu());
            // Llama's proportion of the inner width, 8/3, up to a multiple of 16.
            LlamaConfig llama = LlamaConfig.of(TOKENIZER, t[0], (t[0] * 8 / 3 + 15) / 16 * 16, t[1], t[2], 1024);
            textTower = Llama.random(llama, 3, Device.cpu());
            lora = Lora.create(LoraConfig.standard(), llama, 4, Device.cpu());
            textTower.attach(lora);
            visionTower.setTrainable(false);
            textTower.setTrainable(false);
            try (NoGradGuard noGraph = new NoGradGuard()) {
                imageCodebook = codebook(width).retainReference();
                textCodebook = codebook(t[0]).retainReference();
                pixels = torch.randn(batch, 3, image, image).retainReference();
                ids = torch.randint(TOKENIZER, new long[] {batch, prompt})
                        .to(ScalarType.Long)
                        .retainReference();
                logScale = torch.zeros(1)
                        .fill_(new Scalar(-Math.log(InfoNce.INITIAL_TEMPERATURE)))
                        .retainReference();
            }
            packedTextCodebook = PackedCodebook.of(textCodebook);
            trained = new ArrayList<>(adapter.parameters().values());
            trained.addAll(lora.parameters().values());
            trained.add(imageCodebook);
            trained.add(logScale);
            trained.forEach(parameter -> parameter.set_requires_grad(true));
            all = new TensorVector(trained.toArray(new Tensor[0])).retainReference();
            adam = new Adam(all, new AdamOptions(0)).retainReference();
            proof = head() + "; " + sides();
        }
    }

    private Tensor codebook(int columns) {
        return torch.randn(vocabulary, columns).mul(new Scalar(1 / Math.sqrt(columns)));
    }

    private static int[] numbers(String shape) {
        String[] parts = shape.split("x");
        if (parts.length != 3) {
            throw new IllegalArgumentException("the tower is " + shape + ": width x layers x heads, such as 768x12x12");
        }
        return new int[] {Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2])};
    }

    private String head() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            return HeadProof.of(imageTokens(), imageCodebook, torch.randn(batch, vocabulary));
        }
    }

    /**
     * Loss and gradients of both sides, held against the same step with a head in float64. Where two patches score the same to the last bits
     * of float32, either side may choose another one than the truth does, and its gradient then goes elsewhere; so ours may be off by
     * twice as much as LibTorch's.
     */
    private String sides() {
        try (PointerScope scope = new PointerScope()) {
            inOneGraph((tokens, codebook) ->
                    PlainHead.poolFirst(tokens.to(ScalarType.Double), codebook.to(ScalarType.Double)));
            List<Tensor> truth = takeGradients();
            double ours = fused(new Parts());
            double oursOff = distance(takeGradients(), truth);
            double theirs = inOneGraph(PlainHead::eager);
            double theirsOff = distance(takeGradients(), truth);
            if (!(Math.abs(ours - theirs) <= LOSS * Math.abs(theirs)) || !(oursOff <= 2 * theirsOff)) {
                throw new IllegalStateException("losses are " + ours + " and " + theirs + ", gradients are off by "
                        + oursOff + " and " + theirsOff + " of their length");
            }
            return String.format(
                    Locale.ROOT,
                    "loss %.6f and %.6f, gradients off by %.1e and %.1e of their length",
                    ours,
                    theirs,
                    oursOff,
                    theirsOff);
        }
    }

    /** Of all gradients together, as a share of the length of the true ones. */
    private static double distance(List<Tensor> gradients, List<Tensor> truth) {
        double difference = 0;
        double size = 0;
        try (NoGradGuard noGraph = new NoGradGuard()) {
            for (int i = 0; i < truth.size(); i++) {
                difference += squared(gradients.get(i).sub(truth.get(i)));
                size += squared(truth.get(i));
            }
        }
        return Math.sqrt(difference / size);
    }

    private static double squared(Tensor tensor) {
        return tensor.mul(tensor).sum().item_double();
    }

    private List<Tensor> takeGradients() {
        List<Tensor> gradients = new ArrayList<>();
        try (NoGradGuard noGraph = new NoGradGuard()) {
            trained.forEach(parameter -> gradients.add(parameter.grad().clone()));
        }
        adam.zero_grad();
        return gradients;
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        adam.close();
        all.close();
        packedTextCodebook.close();
        for (Tensor tensor : new Tensor[] {imageCodebook, textCodebook, pixels, ids, logScale}) {
            tensor.close();
        }
        textTower.close();
        lora.close();
        adapter.close();
        visionTower.close();
    }

    @Override
    public String proof() {
        return proof;
    }

    @Override
    public Work work(String method) {
        return null;
    }

    /** With the fused head. */
    @Benchmark
    @Against({"stepLibTorch", "stepLibTorchPoolFirst"})
    public double step() {
        return ours(new Parts());
    }

    /** With LibTorch's operations for the head, in the paper's order. */
    @Benchmark
    public double stepLibTorch() {
        return theirs(PlainHead::eager);
    }

    /** With the maximum before the activation, which spares LibTorch two passes over all scores. */
    @Benchmark
    public double stepLibTorchPoolFirst() {
        return theirs(PlainHead::poolFirst);
    }

    private double ours(Parts parts) {
        try (PointerScope scope = new PointerScope()) {
            double loss = fused(parts);
            update();
            parts.end("optimiser");
            return loss;
        }
    }

    private double theirs(BinaryOperator<Tensor> head) {
        try (PointerScope scope = new PointerScope()) {
            double loss = inOneGraph(head);
            update();
            return loss;
        }
    }

    private void update() {
        torch.clip_grad_norm_(all, 1);
        adam.step();
        adam.zero_grad();
    }

    private Tensor imageTokens() {
        return adapter.forward(visionTower.forward(pixels));
    }

    private Tensor textTokens() {
        return textTower.forward(ids, null).narrow(1, prompt - 1, 1);
    }

    private Tensor loss(Tensor images, Tensor texts) {
        return InfoNce.directions(images, texts, logScale)
                .sum()
                .add(OverusePenalty.of(images).mul(new Scalar(5e-4)))
                .add(OverusePenalty.of(texts).mul(new Scalar(1e-3)));
    }

    /** As the trainer does it: gradients stop at the head's output and input and are handed on. */
    private double fused(Parts parts) {
        Tensor imageTokens;
        Tensor textTokens;
        parts.begin();
        try (AutoGradMode graph = new AutoGradMode(true)) {
            imageTokens = imageTokens();
            parts.end("vision");
            textTokens = textTokens();
            parts.end("text");
        }
        try (LexicalHead.Forward images = LexicalHead.forward(imageTokens, imageCodebook, null);
                LexicalHead.Forward texts = LexicalHead.forward(textTokens, packedTextCodebook, null)) {
            parts.end("head");
            Tensor s = images.activations().set_requires_grad(true);
            Tensor t = texts.activations().set_requires_grad(true);
            Tensor total = loss(s, t);
            double value = total.item_double();
            total.backward();
            parts.end("loss");
            LexicalHead.Gradients towards = images.backward(s.grad(), true, true);
            push(imageCodebook, towards.codebook());
            Tensor textGradient = texts.backward(t.grad(), true, false).tokens();
            parts.end("head");
            push(imageTokens, towards.tokens());
            parts.end("vision");
            push(textTokens, textGradient);
            parts.end("text");
            return value;
        }
    }

    private double inOneGraph(BinaryOperator<Tensor> head) {
        try (AutoGradMode graph = new AutoGradMode(true)) {
            Tensor total = loss(head.apply(imageTokens(), imageCodebook), head.apply(textTokens(), textCodebook));
            double value = total.item_double();
            total.backward();
            return value;
        }
    }

    /** The plain step with its graph cut at the head, so that its parts can be timed. */
    private void inParts(BinaryOperator<Tensor> head, Parts parts) {
        try (PointerScope scope = new PointerScope();
                AutoGradMode graph = new AutoGradMode(true)) {
            parts.begin();
            Tensor imageTokens = imageTokens();
            parts.end("vision");
            Tensor textTokens = textTokens();
            parts.end("text");
            Tensor x = imageTokens.detach().set_requires_grad(true);
            Tensor y = textTokens.detach().set_requires_grad(true);
            Tensor images = head.apply(x, imageCodebook);
            Tensor texts = head.apply(y, textCodebook);
            parts.end("head");
            Tensor s = images.detach().set_requires_grad(true);
            Tensor t = texts.detach().set_requires_grad(true);
            loss(s, t).backward();
            parts.end("loss");
            push(images, s.grad());
            push(texts, t.grad());
            parts.end("head");
            push(imageTokens, x.grad());
            parts.end("vision");
            push(textTokens, y.grad());
            parts.end("text");
            update();
            parts.end("optimiser");
        }
    }

    private static void push(Tensor tensor, Tensor gradient) {
        tensor.backward(gradient, new BoolOptional(false), false, new TensorArrayRefOptional());
    }

    /** Milliseconds by part of some steps. */
    private static final class Parts {
        private final Map<String, Double> millis = new LinkedHashMap<>();
        private long since = System.nanoTime();

        void begin() {
            since = System.nanoTime();
        }

        void end(String part) {
            long now = System.nanoTime();
            millis.merge(part, (now - since) / 1e6, Double::sum);
            since = now;
        }

        double share(String part) {
            return millis.get(part)
                    / millis.values().stream().mapToDouble(Double::doubleValue).sum();
        }

        /** Of one of {@value #TIMED} steps. */
        Map<String, Double> rounded(double decoding) {
            Map<String, Double> rounded = new LinkedHashMap<>();
            rounded.put("decoding, aside", decoding);
            millis.forEach((part, time) -> rounded.put(part, Math.round(10 * time / TIMED) / 10.0));
            return rounded;
        }
    }

    /** Where the time of a step of each side goes, in milliseconds; decoding as one thread does it. */
    @Override
    public Map<String, Object> facts() {
        Parts ours = new Parts();
        Parts theirs = new Parts();
        ours(new Parts());
        inParts(PlainHead::eager, new Parts());
        for (int i = 0; i < TIMED; i++) {
            ours(ours);
            inParts(PlainHead::eager, theirs);
        }
        Map<String, Object> facts = new LinkedHashMap<>();
        double decoding = Math.round(10 * decodeMillis()) / 10.0;
        Map<String, Map<String, Double>> parts = new LinkedHashMap<>();
        parts.put("step", ours.rounded(decoding));
        parts.put("stepLibTorch", theirs.rounded(decoding));
        facts.put(PARTS, parts);
        facts.put("headShareLibTorch", Math.round(1000 * theirs.share("head")) / 1000.0);
        System.out.println(facts);
        return facts;
    }

    /** A batch of JPEG pictures, decoded, cropped at random and resized. */
    private double decodeMillis() {
        RandomGenerator random = new SplittableRandom(5);
        BufferedImage noise = new BufferedImage(STORED, STORED, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < STORED; y++) {
            for (int x = 0; x < STORED; x++) {
                // Smooth, as photographs are, with a little noise.
                noise.setRGB(x, y, (x / 2) << 16 | (y / 2) << 8 | random.nextInt(64));
            }
        }
        try {
            ByteArrayOutputStream jpeg = new ByteArrayOutputStream();
            ImageIO.write(noise, "jpg", jpeg);
            ImageTransform transform = ImageTransform.imageNet(image);
            ByteBuffer levels = ByteBuffer.allocate(transform.elements());
            long start = 0;
            for (int i = -batch; i < batch; i++) {
                // The first round is for the compiler.
                start = i == 0 ? System.nanoTime() : start;
                transform.randomLevels(
                        ImageTransform.read(jpeg.toByteArray(), "benchmark"), random, 0.9, levels.clear());
            }
            return (System.nanoTime() - start) / 1e6;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
