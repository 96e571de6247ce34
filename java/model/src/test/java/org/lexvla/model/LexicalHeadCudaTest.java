package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.cuda.CUDAStreamGuard;
import org.bytedeco.pytorch.cuda.DeviceStats;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Kernels;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/**
 * The head on a GPU against float64 on the CPU, beside LibTorch's own operations in the same type on the same GPU: our
 * error may be at most twice theirs, and the roundings of one float32 number. See {@link CudaDevices}.
 */
@Tag("cuda")
@Seeded
class LexicalHeadCudaTest {
    /** Images, tokens, width, words: ragged ones, texts, and such as the tensor-core kernels take. */
    private static final long[][] SHAPES = {
        {1, 1, 1, 1},
        {3, 70, 193, 517},
        {2, 257, 64, 150},
        {5, 257, 104, 131},
        {300, 1, 72, 140},
        {9, 100, 8, 300},
        {4, 257, 768, 1031}
    };

    private static final ScalarType[] TYPES = {ScalarType.Float, ScalarType.BFloat16, ScalarType.Half};

    private PointerScope scope;

    @BeforeEach
    void open() {
        CudaDevices.require(1);
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        if (scope != null) {
            scope.close();
        }
    }

    private static Tensor gaussians(RandomSource random, long... shape) {
        return LibTorch.of(random.gaussians((int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)), shape);
    }

    private static Tensor onGpu(Tensor tensor, ScalarType type) {
        return tensor.to(LibTorch.device(Device.cuda(0)), type);
    }

    private static Tensor truthOf(Tensor tensor) {
        return tensor.cpu().to(ScalarType.Double);
    }

    private static double worst(Tensor actual, Tensor truth) {
        return truthOf(actual).sub(truth).abs().max().item_double();
    }

    @Test
    void scoresOfEveryShapeAndType(RandomSource random) {
        for (ScalarType type : TYPES) {
            for (long[] s : SHAPES) {
                Tensor tokens = onGpu(gaussians(random, s[0], s[1], s[2]), type);
                Tensor codebook = onGpu(gaussians(random, s[3], s[2]), type);
                Tensor truth =
                        torch.matmul(truthOf(tokens), truthOf(codebook).t()).amax(new long[] {1}, false);
                Tensor theirs = torch.matmul(tokens, codebook.t()).amax(new long[] {1}, false);
                try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
                    double rounding = Math.ulp((float) truth.abs().max().item_double());
                    assertThat(worst(head.scores(), truth))
                            .as("%s %s", type, Arrays.toString(s))
                            .isLessThanOrEqualTo(2 * worst(theirs, truth) + 4 * rounding);
                }
            }
        }
    }

    @Test
    void gradientsAreThoseOfTheCpuKernelsForTheSameWinners(RandomSource random) {
        for (ScalarType type : TYPES) {
            for (long[] s : SHAPES) {
                Tensor tokens = gaussians(random, s[0], s[1], s[2]).to(type);
                Tensor codebook = gaussians(random, s[3], s[2]).to(type);
                Tensor gradient = gaussians(random, s[0], s[3]);
                try (LexicalHead.Forward gpu = LexicalHead.forward(onGpu(tokens, type), onGpu(codebook, type), null)) {
                    Tensor scores = gpu.scores().cpu();
                    Tensor gradScores = torch.empty_like(scores);
                    Kernels.activateNormalizeBackward(
                            LexicalHead.view(gradient),
                            LexicalHead.view(scores),
                            LexicalHead.view(gpu.norms().cpu()),
                            LexicalHead.view(gradScores));
                    Tensor forTokens = LibTorch.empty(ScalarType.Float, Device.cpu(), s[0], s[1], s[2]);
                    Tensor forCodebook = LibTorch.empty(ScalarType.Float, Device.cpu(), s[3], s[2]);
                    Kernels.projectMaxBackward(
                            LexicalHead.view(gradScores),
                            LexicalHead.view(gpu.winners().cpu()),
                            LexicalHead.view(tokens.to(ScalarType.Float)),
                            LexicalHead.view(codebook.to(ScalarType.Float)),
                            LexicalHead.view(forTokens),
                            LexicalHead.view(forCodebook),
                            false);
                    LexicalHead.Gradients actual = gpu.backward(onGpu(gradient, ScalarType.Float), true, true);
                    String shape = type + " " + Arrays.toString(s);
                    // A thousand roundings of float32; the tokens' gradient is rounded to the type of the tokens at
                    // last.
                    assertThat(relative(actual.codebook(), forCodebook))
                            .as("codebook, %s", shape)
                            .isLessThan(1e-4);
                    assertThat(relative(actual.tokens(), forTokens))
                            .as("tokens, %s", shape)
                            .isLessThan(type == ScalarType.Float ? 1e-4 : 0x1p-8);
                    LexicalHead.Gradients again = gpu.backward(onGpu(gradient, ScalarType.Float), true, true);
                    assertThat(again.codebook().equal(actual.codebook())).isTrue();
                    assertThat(again.tokens().equal(actual.tokens())).isTrue();
                }
            }
        }
    }

    @Test
    void float32MayBeMultipliedAsTf32(RandomSource random) {
        assertThat(Kernels.allowsTf32()).isFalse();
        Kernels.allowTf32(true);
        try {
            for (long[] s : SHAPES) {
                Tensor tokens = onGpu(gaussians(random, s[0], s[1], s[2]), ScalarType.Float);
                Tensor codebook = onGpu(gaussians(random, s[3], s[2]), ScalarType.Float);
                Tensor products =
                        torch.matmul(truthOf(tokens), truthOf(codebook).t());
                Tensor magnitudes = torch.matmul(
                        truthOf(tokens).abs(), truthOf(codebook).abs().t());
                try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
                    // Two roundings of 2^-11 a product, and those of the sum.
                    double allowed = magnitudes.max().item_double() * (0x1p-10 + (s[2] + 2) * 0x1p-24);
                    assertThat(worst(head.scores(), products.amax(new long[] {1}, false)))
                            .as(Arrays.toString(s))
                            .isLessThanOrEqualTo(allowed);
                }
            }
        } finally {
            Kernels.allowTf32(false);
        }
    }

    private static double relative(Tensor actual, Tensor expected) {
        Tensor truth = truthOf(expected);
        return worst(actual, truth) / Math.max(truth.abs().max().item_double(), 1e-30);
    }

    @Test
    void theCurrentStreamOfLibTorchIsUsed(RandomSource random) {
        Tensor tokens = onGpu(gaussians(random, 64, 257, 768), ScalarType.BFloat16);
        Tensor codebook = onGpu(gaussians(random, 1031, 768), ScalarType.BFloat16);
        torch_cuda.device_synchronize();
        try (LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, null);
                CUDAStream stream = torch_cuda.getStreamFromPool(false, (byte) 0);
                CUDAStreamGuard guard = new CUDAStreamGuard(stream.asStream())) {
            assertThat(guard.isNull()).isFalse();
            // Its input comes late, on the same stream: a kernel on another stream would not wait for it.
            Tensor late = torch.zeros_like(tokens);
            for (int i = 0; i < 50; i++) {
                late.add_(tokens).sub_(tokens);
            }
            late.copy_(tokens);
            try (LexicalHead.Forward head = LexicalHead.forward(late, codebook, null)) {
                stream.synchronize();
                assertThat(head.scores().equal(plain.scores())).isTrue();
            }
        }
    }

    /** With kernels that need memory for temporary use: it is LibTorch's, and given back. */
    @Test
    void whatTheKernelsTakeForThemselvesIsLibTorchsMemory(RandomSource random) {
        Tensor tokens = onGpu(gaussians(random, 4, 257, 768), ScalarType.Float);
        Tensor codebook = onGpu(gaussians(random, 1031, 768), ScalarType.Float);
        Tensor gradient = onGpu(gaussians(random, 4, 1031), ScalarType.Float);
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            torch_cuda.device_synchronize();
            torch.resetPeakStats((byte) 0);
            long before = allocated();
            LexicalHead.Gradients gradients = head.backward(gradient, true, false);
            // The tokens' gradient, that of the scores, and at least four bytes for each winner.
            assertThat(peak() - before).isGreaterThanOrEqualTo(4L * (4 * 257 * 768 + 4 * 1031 + 4 * 1031));
            gradients.tokens().close();
            // Not equal: what other tests left behind may be collected meanwhile.
            assertThat(allocated()).isLessThanOrEqualTo(before);
        }
    }

    private static long allocated() {
        try (DeviceStats stats = torch.getDeviceStats((byte) 0)) {
            return stats.allocated_bytes().current();
        }
    }

    private static long peak() {
        try (DeviceStats stats = torch.getDeviceStats((byte) 0)) {
            return stats.allocated_bytes().peak();
        }
    }

    /** The same numbers on the last device as on the first. */
    @Test
    void severalDevices(RandomSource random) {
        CudaDevices.require(2);
        Device last = Device.cuda(torch_cuda.device_count() - 1);
        Tensor tokens = onGpu(gaussians(random, 5, 257, 104), ScalarType.BFloat16);
        Tensor codebook = onGpu(gaussians(random, 1031, 104), ScalarType.BFloat16);
        Tensor gradient = onGpu(gaussians(random, 5, 1031), ScalarType.Float);
        org.bytedeco.pytorch.Device there = LibTorch.device(last);
        try (LexicalHead.Forward here = LexicalHead.forward(tokens, codebook, null);
                LexicalHead.Forward other = LexicalHead.forward(
                        tokens.to(there, ScalarType.BFloat16), codebook.to(there, ScalarType.BFloat16), null)) {
            assertThat(other.scores().device().index()).isEqualTo((byte) last.index());
            assertThat(other.scores().cpu().equal(here.scores().cpu())).isTrue();
            assertThat(other.winners().cpu().equal(here.winners().cpu())).isTrue();
            LexicalHead.Gradients ours = here.backward(gradient, true, true);
            LexicalHead.Gradients theirs = other.backward(gradient.to(there, ScalarType.Float), true, true);
            assertThat(theirs.tokens().cpu().equal(ours.tokens().cpu())).isTrue();
            assertThat(theirs.codebook().cpu().equal(ours.codebook().cpu())).isTrue();
        }
    }

    @Test
    void aDeviceThatIsNotThereIsRefused() {
        int devices = torch_cuda.device_count();
        assertThatThrownBy(() -> LibTorch.device(Device.cuda(devices))).hasMessageContaining("cuda:" + devices);
    }
}
