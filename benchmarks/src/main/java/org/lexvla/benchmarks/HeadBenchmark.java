package org.lexvla.benchmarks;

import java.util.Locale;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
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
 * The lexical head, fused against LibTorch: projection on the codebook, maximum over the tokens, elu1p, normalisation; and
 * the same with its backward under a dense gradient. The shape is the paper's.
 *
 * <p>{@code forwardLibTorch} and {@code trainLibTorch} are the paper's order in LibTorch's operations, the bar of this
 * project; {@code …PoolFirst} take the maximum before the activation, which is the stronger opponent. See {@link PlainHead}.
 *
 * <p>Random data, both in one process with the same threads. The answer is proved before anything is timed.
 */
@Warmup(iterations = 1, time = 2)
@Measurement(iterations = 5, time = 2)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class HeadBenchmark extends TimedBenchmark {
    /** Where to compute: cpu or cuda. */
    @Param("cpu")
    public String device;

    /** Element type of tokens and codebook. */
    @Param({"float32", "bfloat16"})
    public String dtype;

    /** Images, B. */
    @Param({"1", "8"})
    public int batch;

    /** Tokens of an image, P. */
    @Param("257")
    public int tokens;

    /** Width of the codebook, d. */
    @Param("4096")
    public int width;

    /** Words, V. */
    @Param("17149")
    public int vocabulary;

    private Tensor x;
    private Tensor z;
    private Tensor gradient;
    private PackedCodebook packed;
    private PackedCodebook screened;
    private String proof;

    /** Draws the inputs and proves the fused head on them. */
    @Setup(Level.Trial)
    public void setUp() {
        torch.manual_seed(1);
        Device where = BenchmarkDevice.of(device);
        ScalarType type = BenchmarkDevice.type(dtype);
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            Scalar scale = new Scalar(1 / Math.sqrt(width));
            x = torch.randn(batch, tokens, width).to(where, type).retainReference();
            z = torch.randn(vocabulary, width).mul(scale).to(where, type).retainReference();
            gradient =
                    torch.randn(batch, vocabulary).to(where, ScalarType.Float).retainReference();
            packed = PackedCodebook.of(z);
            screened = PackedCodebook.screened(z, 6, Double.NEGATIVE_INFINITY);
            proof = HeadProof.of(x, z, gradient) + "; " + changedByScreening();
        }
    }

    /** Frees the inputs. */
    @TearDown
    public void tearDown() {
        packed.close();
        screened.close();
        x.close();
        z.close();
        gradient.close();
    }

    @Override
    public String proof() {
        return proof;
    }

    /** The matrix product's multiply-adds; the backward's are 2·B·V·d more and left out, as they are 1/128 of it. */
    @Override
    public Work work(String method) {
        double product = 2.0 * batch * tokens * width * vocabulary;
        return new Work(dtype, product);
    }

    /** Activations; of a training step the gradients of tokens and codebook, in the types in which the path gives them. */
    @Override
    public long resultBytes(String method) {
        long element = dtype.equals("float32") ? Float.BYTES : Short.BYTES;
        long pooled = (long) batch * vocabulary;
        long tokenGradient = (long) batch * tokens * width * element;
        long codes = (long) vocabulary * width;
        return switch (method) {
            case "matmulLibTorch" -> pooled * tokens * element;
            case "trainFused" -> tokenGradient + codes * Float.BYTES;
            case "trainLibTorch", "trainLibTorchPoolFirst" -> tokenGradient + codes * element;
            default -> pooled * (method.contains("LibTorch") ? element : Float.BYTES);
        };
    }

    /** Ours, forward. */
    @Benchmark
    @Against({"forwardLibTorch", "matmulLibTorch", "forwardLibTorchPoolFirst"})
    public float forwardFused() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
            return first(forward.activations());
        }
    }

    /** Ours, forward, with a codebook packed before: inference, and the frozen codebook of training. */
    @Benchmark
    @Against({"forwardLibTorch", "matmulLibTorch", "forwardLibTorchPoolFirst"})
    public float forwardPacked() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, packed, null)) {
            return first(forward.activations());
        }
    }

    /** Ours, forward, by a screen of 8 bits whose best within 6 deviations are computed again. */
    @Benchmark
    @Against({"forwardLibTorch", "matmulLibTorch", "forwardLibTorchPoolFirst"})
    public float forwardScreened() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, screened, null)) {
            return first(forward.activations());
        }
    }

    /** What the screen changes: must be next to nothing. */
    private String changedByScreening() {
        try (LexicalHead.Forward plain = LexicalHead.forward(x, z, null);
                LexicalHead.Forward head = LexicalHead.forward(x, screened, null)) {
            double changed = head.winners()
                    .ne(plain.winners())
                    .to(ScalarType.Double)
                    .mean()
                    .item_double();
            double off = head.scores().sub(plain.scores()).abs().max().item_double();
            if (!(off <= 1e-4)) {
                throw new IllegalStateException("the screened head is off by " + off);
            }
            return String.format(
                    Locale.ROOT, "screened: %.1e of the winners differ, scores by at most %.1e", changed, off);
        }
    }

    /** LibTorch's operations in the paper's order. */
    @Benchmark
    public float forwardLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return first(PlainHead.eager(x, z));
        }
    }

    /** LibTorch's operations, the maximum first. */
    @Benchmark
    public float forwardLibTorchPoolFirst() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return first(PlainHead.poolFirst(x, z));
        }
    }

    /** LibTorch's matrix product alone: what no path that uses it can be faster than. */
    @Benchmark
    public float matmulLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return first(x.view(-1, width).matmul(z.t()));
        }
    }

    /** Ours, forward and backward. */
    @Benchmark
    @Against({"trainLibTorch", "trainLibTorchPoolFirst"})
    public float trainFused() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
            return first(forward.backward(gradient, true, true).codebook());
        }
    }

    /** LibTorch in the paper's order, forward and backward by autograd. */
    @Benchmark
    public float trainLibTorch() {
        try (PointerScope scope = new PointerScope()) {
            Tensor leafTokens = x.detach().set_requires_grad(true);
            Tensor leafCodebook = z.detach().set_requires_grad(true);
            PlainHead.backward(PlainHead.eager(leafTokens, leafCodebook), gradient);
            return first(leafCodebook.grad());
        }
    }

    /** LibTorch with the maximum first, forward and backward by autograd. */
    @Benchmark
    public float trainLibTorchPoolFirst() {
        try (PointerScope scope = new PointerScope()) {
            Tensor leafTokens = x.detach().set_requires_grad(true);
            Tensor leafCodebook = z.detach().set_requires_grad(true);
            PlainHead.backward(PlainHead.poolFirst(leafTokens, leafCodebook), gradient);
            return first(leafCodebook.grad());
        }
    }

    /** One element on the host: waits for the device, and shows that there is a result. */
    private static float first(Tensor tensor) {
        return tensor.flatten().narrow(0, 0, 1).to(ScalarType.Float).item_float();
    }
}
