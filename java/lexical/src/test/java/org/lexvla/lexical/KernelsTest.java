package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** The kernels through their Java face, against plain loops in double. */
@Seeded
class KernelsTest extends ArrowTest {
    private static final Device CPU = Device.cpu();

    @AfterEach
    void oneThreadPerCoreAgain() {
        Kernels.setThreads(0);
    }

    @RepeatedTest(20)
    void projectMaxAgreesWithLoops(RandomSource random) {
        int images = random.nextInt(4);
        int count = random.nextInt(6);
        int width = 1 + random.nextInt(40);
        int words = 1 + random.nextInt(50);
        boolean bfloat = random.nextBoolean();
        float[] x = random.gaussians(images * count * width);
        float[] z = random.gaussians(words * width);
        int[] mask = random.ints((long) images * count, 0, 3).toArray();
        HostArray tokens = dense(bfloat, x, images, count, width);
        HostArray codebook = dense(bfloat, z, words, width);
        HostArray masks = keep(HostArray.bytes(allocator, mask, images, count));
        HostArray scores = out(ElementType.FLOAT32, images, words);
        HostArray winners = out(ElementType.INT32, images, words);

        Kernels.projectMaxForward(tokens.view(), masks.view(), codebook.view(), scores.view(), winners.view());

        ElementType type = tokens.view().type();
        HostArray packed = out(ElementType.UINT8, Kernels.packedCodebookBytes(type, words, width));
        HostArray packedScores = out(ElementType.FLOAT32, images, words);
        HostArray packedWinners = out(ElementType.INT32, images, words);
        Kernels.packCodebook(codebook.view(), packed.view());
        Kernels.projectMaxForwardPacked(
                tokens.view(), masks.view(), packed.view(), packedScores.view(), packedWinners.view());
        assertThat(packedScores.floats()).isEqualTo(scores.floats());
        assertThat(packedWinners.ints()).isEqualTo(winners.ints());

        truncate(bfloat, x);
        truncate(bfloat, z);
        double tolerance = 1e-5 * Math.sqrt(width);
        for (int b = 0; b < images; b++) {
            for (int v = 0; v < words; v++) {
                double best = Double.NEGATIVE_INFINITY;
                for (int p = 0; p < count; p++) {
                    if (mask[b * count + p] != 0) {
                        best = Math.max(best, product(x, (b * count + p) * width, z, v * width, width));
                    }
                }
                float score = scores.floats()[b * words + v];
                int winner = winners.ints()[b * words + v];
                if (best == Double.NEGATIVE_INFINITY) {
                    assertThat(score).isEqualTo(Float.NEGATIVE_INFINITY);
                    assertThat(winner).isEqualTo(-1);
                } else {
                    assertThat((double) score).isCloseTo(best, within(tolerance));
                    assertThat(mask[b * count + winner]).isNotZero();
                    // The index may differ on a near tie: what counts is the score of the chosen token.
                    assertThat(product(x, (b * count + winner) * width, z, v * width, width))
                            .isCloseTo(best, within(tolerance));
                }
            }
        }
    }

    @RepeatedTest(10)
    void gradientsOfProjectMaxAgreeWithLoops(RandomSource random) {
        int images = 1 + random.nextInt(3);
        int count = 1 + random.nextInt(5);
        int width = 1 + random.nextInt(30);
        int words = 1 + random.nextInt(40);
        float[] x = random.gaussians(images * count * width);
        float[] z = random.gaussians(words * width);
        float[] g = random.gaussians(images * words);
        float[] before = random.gaussians(words * width);
        int[] winning = random.ints((long) images * words, -1, count).toArray();
        HostArray tokens = dense(false, x, images, count, width);
        HostArray codebook = dense(false, z, words, width);
        HostArray gradScores = dense(false, g, images, words);
        HostArray winners = keep(HostArray.ints(allocator, winning, images, words));
        HostArray gradTokens = out(ElementType.FLOAT32, images, count, width);
        HostArray gradCodebook = dense(false, before, words, width);
        boolean add = random.nextBoolean();

        Kernels.projectMaxBackward(
                gradScores.view(),
                winners.view(),
                tokens.view(),
                codebook.view(),
                gradTokens.view(),
                gradCodebook.view(),
                add);

        double[] expectedTokens = new double[x.length];
        double[] expectedCodebook = new double[z.length];
        for (int i = 0; add && i < before.length; i++) {
            expectedCodebook[i] = before[i];
        }
        for (int b = 0; b < images; b++) {
            for (int v = 0; v < words; v++) {
                int winner = winning[b * words + v];
                for (int k = 0; winner >= 0 && k < width; k++) {
                    int token = (b * count + winner) * width + k;
                    expectedTokens[token] += (double) g[b * words + v] * z[v * width + k];
                    expectedCodebook[v * width + k] += (double) g[b * words + v] * x[token];
                }
            }
        }
        assertClose(gradTokens.floats(), expectedTokens, 1e-4);
        assertClose(gradCodebook.floats(), expectedCodebook, 1e-4);
    }

    @Test
    void winnersOfSmallGradientsAreLeftOut() {
        HostArray gradScores = dense(false, new float[] {1, -8, 0.5f, 3, 0, -0.25f}, 2, 3);
        HostArray winners = keep(HostArray.ints(allocator, new int[] {4, 5, 6, 7, 8, -1}, 2, 3));
        HostArray filtered = out(ElementType.INT32, 2, 3);
        Kernels.filterWinners(gradScores.view(), winners.view(), 0.125, filtered.view());
        assertThat(filtered.ints()).containsExactly(4, 5, -1, 7, -1, -1);
        refuses("share is 2", () -> Kernels.filterWinners(gradScores.view(), winners.view(), 2, filtered.view()));
        refuses(
                "shares memory",
                () -> Kernels.filterWinners(
                        gradScores.view(),
                        winners.view(),
                        0.1,
                        DenseView.of(gradScores.view().address(), ElementType.INT32, CPU, 2, 3)));
    }

    @Test
    void float16HasNoKernelsOnTheCpu() {
        HostArray tokens = out(ElementType.FLOAT16, 1, 2, 4);
        HostArray codebook = out(ElementType.FLOAT16, 3, 4);
        HostArray scores = out(ElementType.FLOAT32, 1, 3);
        assertThatThrownBy(() -> Kernels.projectMaxForward(tokens.view(), null, codebook.view(), scores.view(), null))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("LEXVLA_FLOAT16 (2), which the CPU has no kernels for");
    }

    @RepeatedTest(10)
    void activationAgreesWithLoops(RandomSource random) {
        int rows = random.nextInt(4);
        int words = 1 + random.nextInt(100);
        float[] s = random.gaussians(rows * words);
        for (int i = 0; i < s.length; i++) {
            s[i] *= 5;
        }
        HostArray scores = dense(false, s, rows, words);
        HostArray activations = out(ElementType.FLOAT32, rows, words);
        HostArray norms = out(ElementType.FLOAT32, rows);

        Kernels.activateNormalizeForward(scores.view(), activations.view(), norms.view());

        float[] gradient = random.gaussians(rows * words);
        HostArray gradActivations = dense(false, gradient, rows, words);
        HostArray gradScores = out(ElementType.FLOAT32, rows, words);
        Kernels.activateNormalizeBackward(gradActivations.view(), scores.view(), norms.view(), gradScores.view());

        double[] expected = new double[s.length];
        double[] expectedGradient = new double[s.length];
        for (int b = 0; b < rows; b++) {
            double squares = 0;
            for (int v = 0; v < words; v++) {
                squares += Math.pow(elu1p(s[b * words + v]), 2);
            }
            double norm = Math.sqrt(squares);
            assertThat((double) norms.floats()[b]).isCloseTo(norm, within(1e-5 * norm));
            double along = 0;
            for (int i = b * words; i < (b + 1) * words; i++) {
                expected[i] = elu1p(s[i]) / norm;
                along += gradient[i] * expected[i];
            }
            for (int i = b * words; i < (b + 1) * words; i++) {
                expectedGradient[i] = (gradient[i] - expected[i] * along) / norm * (s[i] >= 0 ? 1 : Math.exp(s[i]));
            }
        }
        assertClose(activations.floats(), expected, 1e-6);
        assertClose(gradScores.floats(), expectedGradient, 1e-5);
    }

    @Test
    void activationMayBeInPlace(RandomSource random) {
        float[] s = random.gaussians(3 * 17);
        HostArray scores = dense(false, s, 3, 17);
        HostArray activations = out(ElementType.FLOAT32, 3, 17);
        HostArray norms = out(ElementType.FLOAT32, 3);
        Kernels.activateNormalizeForward(scores.view(), activations.view(), norms.view());
        Kernels.activateNormalizeForward(scores.view(), scores.view(), norms.view());
        assertThat(scores.floats()).containsExactly(activations.floats());
    }

    @RepeatedTest(5)
    void tokenActivationIsProjectionOfOneToken(RandomSource random) {
        int count = 1 + random.nextInt(5);
        int width = 1 + random.nextInt(30);
        int words = 1 + random.nextInt(60);
        float[] x = random.gaussians(count * width);
        HostArray tokens = dense(false, x, count, width);
        HostArray single = dense(false, x, count, 1, width);
        HostArray codebook = dense(false, random.gaussians(words * width), words, width);
        HostArray activations = out(ElementType.FLOAT32, count, words);
        HostArray norms = out(ElementType.FLOAT32, count);
        HostArray scores = out(ElementType.FLOAT32, count, words);
        HostArray expected = out(ElementType.FLOAT32, count, words);
        HostArray expectedNorms = out(ElementType.FLOAT32, count);

        Kernels.tokenActivations(tokens.view(), codebook.view(), activations.view(), norms.view());
        Kernels.projectMaxForward(single.view(), null, codebook.view(), scores.view(), null);
        Kernels.activateNormalizeForward(scores.view(), expected.view(), expectedNorms.view());

        assertThat(activations.floats()).containsExactly(expected.floats(), within(1e-6f));
        assertThat(norms.floats()).containsExactly(expectedNorms.floats(), within(1e-3f));
    }

    @Test
    void anyNumberOfThreadsGivesTheSameBits(RandomSource random) {
        HostArray tokens = dense(false, random.gaussians(3 * 9 * 33), 3, 9, 33);
        HostArray codebook = dense(false, random.gaussians(257 * 33), 257, 33);
        HostArray scores = out(ElementType.FLOAT32, 3, 257);
        Kernels.setThreads(1);
        assertThat(Kernels.threads()).isEqualTo(1);
        Kernels.projectMaxForward(tokens.view(), null, codebook.view(), scores.view(), null);
        float[] alone = scores.floats();
        for (int threads : new int[] {2, 3, 7, 0}) {
            Kernels.setThreads(threads);
            Kernels.projectMaxForward(tokens.view(), null, codebook.view(), scores.view(), null);
            assertThat(scores.floats()).containsExactly(alone);
        }
        assertThat(Kernels.threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThatThrownBy(() -> Kernels.setThreads(-1)).isInstanceOf(IllegalArgumentException.class);
    }

    /** An interrupt is for the thread, not for the arithmetic: the call ends with its result, and the flag is still set. */
    @Test
    void threadsThatAreInterruptedInTheMiddleOfACallGetTheirResults(RandomSource random) throws Exception {
        HostArray tokens = dense(false, random.gaussians(4 * 64 * 256), 4, 64, 256);
        HostArray codebook = dense(false, random.gaussians(4000 * 256), 4000, 256);
        HostArray expected = out(ElementType.FLOAT32, 4, 4000);
        Kernels.projectMaxForward(tokens.view(), null, codebook.view(), expected.view(), null);
        AtomicBoolean enough = new AtomicBoolean();
        List<Interrupted> callers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            HostArray scores = out(ElementType.FLOAT32, 4, 4000);
            callers.add(new Interrupted(
                    enough,
                    () -> Kernels.projectMaxForward(tokens.view(), null, codebook.view(), scores.view(), null),
                    () -> assertThat(scores.floats()).containsExactly(expected.floats())));
        }
        callers.forEach(Thread::start);
        while (callers.stream().anyMatch(caller -> caller.isAlive() && caller.hits < 5)) {
            callers.forEach(Interrupted::interruptInTheMiddle);
            Thread.sleep(1);
        }
        enough.set(true);
        for (Interrupted caller : callers) {
            caller.join();
            assertThat(caller.failure).isNull();
            assertThat(caller.hits).as("interrupts in the middle of a call").isGreaterThanOrEqualTo(5);
            assertThat(caller.noticed)
                    .as("calls after which the thread is still interrupted")
                    .isPositive();
        }
        HostArray after = out(ElementType.FLOAT32, 4, 4000);
        Kernels.projectMaxForward(tokens.view(), null, codebook.view(), after.view(), null);
        assertThat(after.floats()).containsExactly(expected.floats());
    }

    /** Calls again and again, until it is enough; the thread that interrupts it counts how often that was in the middle. */
    private static final class Interrupted extends Thread {
        private final AtomicBoolean enough;
        private final Runnable call;
        private final Runnable check;
        /** Odd during a call. */
        private final AtomicInteger turns = new AtomicInteger();

        private int hits;
        private int noticed;
        private Throwable failure;

        Interrupted(AtomicBoolean enough, Runnable call, Runnable check) {
            this.enough = enough;
            this.call = call;
            this.check = check;
        }

        @Override
        public void run() {
            try {
                while (!enough.get()) {
                    turns.incrementAndGet();
                    call.run();
                    turns.incrementAndGet();
                    noticed += Thread.interrupted() ? 1 : 0;
                    check.run();
                }
            } catch (Throwable e) { // for the test to look at
                failure = e;
            }
        }

        void interruptInTheMiddle() {
            int before = turns.get();
            interrupt();
            hits += before % 2 == 1 && turns.get() == before ? 1 : 0;
        }
    }

    @Test
    void threadsFollowOpenMp() {
        assertThat(Kernels.threadsOf(null)).isZero();
        assertThat(Kernels.threadsOf("3")).isEqualTo(3);
        assertThat(Kernels.threadsOf(" 4 , 2")).isEqualTo(4);
        assertThat(Kernels.threadsOf("")).isZero();
        assertThat(Kernels.threadsOf("many")).isZero();
        assertThat(Kernels.threadsOf("-2")).isZero();
    }

    @Test
    void refusesArraysThatDoNotFit() {
        HostArray tokens = out(ElementType.FLOAT32, 2, 3, 4);
        HostArray codebook = out(ElementType.FLOAT32, 5, 4);
        HostArray scores = out(ElementType.FLOAT32, 2, 5);
        HostArray other = out(ElementType.FLOAT32, 2, 6);
        HostArray ints = out(ElementType.INT32, 2, 5);
        HostArray mask = out(ElementType.UINT8, 2, 4);
        HostArray bfloat = out(ElementType.BFLOAT16, 5, 4);
        HostArray wide = out(ElementType.FLOAT32, 5, 3);

        refuses("tokens is null", () -> Kernels.projectMaxForward(null, null, codebook.view(), scores.view(), null));
        refuses("codebook is null", () -> Kernels.projectMaxForward(tokens.view(), null, null, scores.view(), null));
        refuses("scores is null", () -> Kernels.projectMaxForward(tokens.view(), null, codebook.view(), null, null));
        refuses(
                "tokens is FLOAT32[5, 4] on cpu, expected 3 dimensions",
                () -> Kernels.projectMaxForward(codebook.view(), null, codebook.view(), scores.view(), null));
        refuses(
                "scores is FLOAT32[2, 6] on cpu, expected FLOAT32[2, 5] on cpu as tokens is FLOAT32[2, 3, 4] on cpu",
                () -> Kernels.projectMaxForward(tokens.view(), null, codebook.view(), other.view(), null));
        refuses(
                "scores is INT32[2, 5]",
                () -> Kernels.projectMaxForward(tokens.view(), null, codebook.view(), ints.view(), null));
        refuses(
                "mask is UINT8[2, 4] on cpu, expected UINT8[2, 3]",
                () -> Kernels.projectMaxForward(tokens.view(), mask.view(), codebook.view(), scores.view(), null));
        refuses(
                "codebook is BFLOAT16[5, 4] on cpu, expected FLOAT32[words, 4]",
                () -> Kernels.projectMaxForward(tokens.view(), null, bfloat.view(), scores.view(), null));
        refuses(
                "codebook is FLOAT32[5, 3]",
                () -> Kernels.projectMaxForward(tokens.view(), null, wide.view(), scores.view(), null));
        refuses(
                "expected FLOAT32, BFLOAT16 or, on CUDA, FLOAT16",
                () -> Kernels.tokenActivations(ints.view(), codebook.view(), scores.view(), scores.view()));
        refuses(
                "norms is FLOAT32[2, 6]",
                () -> Kernels.activateNormalizeForward(scores.view(), scores.view(), other.view()));
    }

    @Test
    void refusesWhatIsNoPackedCodebook() {
        HostArray tokens = out(ElementType.FLOAT32, 2, 3, 4);
        HostArray codebook = dense(false, new float[20], 5, 4);
        HostArray scores = out(ElementType.FLOAT32, 2, 5);
        HostArray packed = out(ElementType.UINT8, Kernels.packedCodebookBytes(ElementType.FLOAT32, 5, 4));
        HostArray small = out(ElementType.UINT8, 3);
        refuses(
                "no packed codebook",
                () -> Kernels.projectMaxForwardPacked(tokens.view(), null, packed.view(), scores.view(), null));
        refuses("capacity is 3 bytes", () -> Kernels.packCodebook(codebook.view(), small.view()));
        Kernels.packCodebook(codebook.view(), packed.view());
        HostArray wide = out(ElementType.FLOAT32, 2, 3, 6);
        HostArray other = out(ElementType.FLOAT32, 2, 6);
        refuses(
                "5 words of width 4; asked for is type 0, 5 words of width 6",
                () -> Kernels.projectMaxForwardPacked(wide.view(), null, packed.view(), scores.view(), null));
        refuses(
                "asked for is type 0, 6 words",
                () -> Kernels.projectMaxForwardPacked(tokens.view(), null, packed.view(), other.view(), null));
        refuses(
                "packed is FLOAT32[5, 4] on cpu, expected UINT8[20]",
                () -> Kernels.projectMaxForwardPacked(tokens.view(), null, codebook.view(), scores.view(), null));
        refuses(
                "packed is null",
                () -> Kernels.projectMaxForwardPacked(tokens.view(), null, null, scores.view(), null));
        refuses(
                "expected FLOAT32, BFLOAT16 or, on CUDA, FLOAT16",
                () -> Kernels.packedCodebookBytes(ElementType.INT32, 5, 4));
        refuses("words is -1", () -> Kernels.packedCodebookBytes(ElementType.FLOAT32, -1, 4));
    }

    @Test
    void refusesArraysOfTwoDevices() {
        HostArray tokens = out(ElementType.FLOAT32, 2, 3, 4);
        HostArray scores = out(ElementType.FLOAT32, 2, 5);
        DenseView elsewhere = DenseView.of(64, ElementType.FLOAT32, Device.cuda(0), 5, 4);
        refuses(
                "codebook is FLOAT32[5, 4] on cuda:0, expected FLOAT32[words, 4] on cpu",
                () -> Kernels.projectMaxForward(tokens.view(), null, elsewhere, scores.view(), null));
    }

    @Test
    void refusesOutputsThatShareMemory() {
        HostArray memory = out(ElementType.FLOAT32, 4, 5);
        long address = memory.view().address();
        DenseView scores = DenseView.of(address, ElementType.FLOAT32, CPU, 2, 5);
        DenseView shifted = DenseView.of(address + 4, ElementType.FLOAT32, CPU, 2, 5);
        DenseView within = DenseView.of(address + 36, ElementType.FLOAT32, CPU, 2);
        HostArray norms = out(ElementType.FLOAT32, 2);
        refuses("shares memory", () -> Kernels.activateNormalizeForward(scores, shifted, norms.view()));
        refuses("shares memory", () -> Kernels.activateNormalizeForward(scores, scores, within));
    }

    @Test
    void carriesTheMessageOfTheKernel() {
        HostArray tokens = dense(false, new float[6], 1, 2, 3);
        HostArray codebook = dense(false, new float[12], 4, 3);
        HostArray gradScores = dense(false, new float[4], 1, 4);
        HostArray winners = keep(HostArray.ints(allocator, new int[] {0, 1, 2, 0}, 1, 4));
        HostArray gradTokens = out(ElementType.FLOAT32, 1, 2, 3);
        assertThatThrownBy(() -> Kernels.projectMaxBackward(
                        gradScores.view(),
                        winners.view(),
                        tokens.view(),
                        codebook.view(),
                        gradTokens.view(),
                        null,
                        false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("project_max_backward: (?!.*project).*winner.*");
    }

    @Test
    void saysWhatThisBuildHas() {
        assertThat(Kernels.activeIsa()).isIn("portable", "avx2", "avx512", "avx512vnni", "avx512bf16");
        assertThat(Kernels.version()).isPositive();
        if (!Kernels.hasCuda()) {
            DenseView tokens = DenseView.of(64, ElementType.FLOAT32, Device.cuda(0), 0, 3, 4);
            DenseView codebook = DenseView.of(64, ElementType.FLOAT32, Device.cuda(0), 5, 4);
            DenseView scores = DenseView.of(0, ElementType.FLOAT32, Device.cuda(0), 0, 5);
            assertThatThrownBy(() -> Kernels.projectMaxForward(tokens, null, codebook, scores, null))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageMatching("project_max_forward: (?!.*project).*");
        }
    }

    @Test
    void leavesNothingBehind() {
        HostArray scores = dense(false, new float[12], 3, 4);
        HostArray activations = out(ElementType.FLOAT32, 3, 4);
        HostArray norms = out(ElementType.FLOAT32, 3);
        Kernels.activateNormalizeForward(scores.view(), activations.view(), norms.view());
        long count = Pointer.totalCount();
        long bytes = Pointer.totalBytes();
        for (int i = 0; i < 1000; i++) {
            Kernels.activateNormalizeForward(scores.view(), activations.view(), norms.view());
        }
        assertThat(Pointer.totalCount()).isEqualTo(count);
        assertThat(Pointer.totalBytes()).isEqualTo(bytes);
        // A scope that the caller has open frees what is attached to it: that must not be freed twice.
        try (PointerScope scope = new PointerScope()) {
            Kernels.activateNormalizeForward(scores.view(), activations.view(), norms.view());
            assertThat(scope).isNotNull();
        }
        assertThat(Pointer.totalCount()).isEqualTo(count);
    }

    private HostArray dense(boolean bfloat, float[] values, long... shape) {
        return keep(bfloat ? HostArray.bfloats(allocator, values, shape) : HostArray.floats(allocator, values, shape));
    }

    private HostArray out(ElementType type, long... shape) {
        return keep(HostArray.empty(allocator, type, shape));
    }

    private static void refuses(String message, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(message);
    }

    private static void truncate(boolean bfloat, float[] values) {
        for (int i = 0; bfloat && i < values.length; i++) {
            values[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xffff0000);
        }
    }

    private static double product(float[] a, int aAt, float[] b, int bAt, int width) {
        double sum = 0;
        for (int k = 0; k < width; k++) {
            sum += (double) a[aAt + k] * b[bAt + k];
        }
        return sum;
    }

    private static double elu1p(double x) {
        return x >= 0 ? x + 1 : Math.exp(x);
    }
}
