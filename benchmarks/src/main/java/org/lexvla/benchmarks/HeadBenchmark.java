package org.lexvla.benchmarks;

import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.LexicalHead;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The lexical head, fused against plain LibTorch: projection on the codebook, maximum over the tokens, elu1p,
 * normalisation; and the same with its backward under a dense gradient.
 *
 * <p>Random data, both paths in one process with the same threads. The answer is proved before anything is timed.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-opens=java.base/java.nio=ALL-UNNAMED", "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0"})
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class HeadBenchmark {
    /** The demo's shape; the paper's is tokens 257, width 4096, vocabulary 17149. */
    @Param("64")
    int batch;

    @Param("65")
    int tokens;

    @Param("128")
    int width;

    @Param("400")
    int vocabulary;

    @Param({"float32", "bfloat16"})
    String dtype;

    private Tensor x;
    private Tensor z;
    private Tensor gradient;

    /** Draws the inputs and compares the two paths. */
    @Setup(Level.Trial)
    public void setUp() {
        torch.manual_seed(1);
        torch.ScalarType type = dtype.equals("float32") ? torch.ScalarType.Float : torch.ScalarType.BFloat16;
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            Scalar scale = new Scalar(1 / Math.sqrt(width));
            x = torch.randn(batch, tokens, width).to(type).retainReference();
            z = torch.randn(vocabulary, width).mul(scale).to(type).retainReference();
            gradient = torch.randn(batch, vocabulary).retainReference();
            // The truth is in double; the fused path may be off by what LibTorch is off in the same type, and rounding.
            Tensor truth = plain(x.to(torch.ScalarType.Double), z.to(torch.ScalarType.Double));
            double ours;
            try (LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
                ours = distance(forward.activations(), truth);
            }
            double theirs = distance(plain(x, z), truth);
            if (!(ours <= theirs + 1e-5)) {
                throw new IllegalStateException("the fused head is off by " + ours + ", LibTorch by " + theirs);
            }
            System.out.printf("matches: fused off by %.2e, LibTorch by %.2e%n", ours, theirs);
        }
    }

    /** Frees the inputs. */
    @TearDown
    public void tearDown() {
        x.close();
        z.close();
        gradient.close();
    }

    /** Ours, forward. */
    @Benchmark
    public float forwardFused() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
            return forward.activations().data_ptr_float().get();
        }
    }

    /** LibTorch's operations one after the other, forward. */
    @Benchmark
    public float forwardLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return plain(x, z).to(torch.ScalarType.Float).data_ptr_float().get();
        }
    }

    /** LibTorch's matrix product alone: what no unfused path can be faster than. */
    @Benchmark
    public long matmulLibTorch() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return x.reshape(-1, width).matmul(z.t()).numel();
        }
    }

    /** Ours, forward and backward. */
    @Benchmark
    public long trainFused() {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
            return forward.backward(gradient, true, true).codebook().numel();
        }
    }

    /** LibTorch, forward and backward by autograd. */
    @Benchmark
    public long trainLibTorch() {
        try (PointerScope scope = new PointerScope()) {
            Tensor tokens = x.detach().set_requires_grad(true);
            Tensor codebook = z.detach().set_requires_grad(true);
            Tensor activations = plain(tokens, codebook);
            activations.backward(
                    gradient.to(activations.scalar_type()),
                    new BoolOptional(false),
                    false,
                    new TensorArrayRefOptional());
            return codebook.grad().numel();
        }
    }

    private Tensor plain(Tensor tokens, Tensor codebook) {
        Tensor scores = tokens.matmul(codebook.t());
        Tensor pooled = scores.amax(new long[] {1}, false);
        Tensor activated = torch.elu(pooled).add(new Scalar(1.0));
        return activated.div(activated.pow(new Scalar(2.0)).sum(1).unsqueeze(1).sqrt());
    }

    private static double distance(Tensor a, Tensor b) {
        return a.to(torch.ScalarType.Double).sub(b).abs().max().item_double();
    }
}
