package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.Arrays;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lexvla.lexical.Kernels;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class LexicalHeadTest {
    private PointerScope scope;

    @BeforeEach
    void open() {
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private static Tensor gaussians(RandomSource random, double deviation, long... shape) {
        float[] values = random.gaussians((int) Arrays.stream(shape).reduce(1, (a, b) -> a * b));
        for (int i = 0; i < values.length; i++) {
            values[i] *= (float) deviation;
        }
        return LibTorch.of(values, shape);
    }

    /** The head as LibTorch's own operations, in the type of the inputs: gradients by autograd. */
    private static Tensor composed(Tensor tokens, Tensor codebook) {
        Tensor scores = torch.matmul(tokens, codebook.t()).amax(new long[] {1}, false);
        Tensor activated = torch.where(scores.ge(new Scalar(0)), scores.add(new Scalar(1)), scores.exp());
        Tensor norm = activated.mul(activated).sum(1).sqrt().unsqueeze(1);
        return activated.div(norm);
    }

    private static double[] doubles(Tensor tensor) {
        Tensor wide = tensor.detach().cpu().to(ScalarType.Double).contiguous();
        double[] values = new double[(int) wide.numel()];
        wide.data_ptr_double().get(values);
        return values;
    }

    private static double worst(double[] a, double[] b) {
        assertThat(a).hasSameSizeAs(b);
        double worst = 0;
        for (int i = 0; i < a.length; i++) {
            double difference = Math.abs(a[i] - b[i]);
            worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
        }
        return worst;
    }

    /** Values and both gradients of one way to compute the head. */
    private record Result(double[] activations, double[] gradTokens, double[] gradCodebook) {}

    private static Result composed(Tensor tokens, Tensor codebook, Tensor weight, ScalarType type) {
        Tensor x = tokens.detach().to(type, false, true, null).set_requires_grad(true);
        Tensor z = codebook.detach().to(type, false, true, null).set_requires_grad(true);
        Tensor s = composed(x, z);
        s.mul(weight.to(type)).sum().backward();
        return new Result(doubles(s), doubles(x.grad()), doubles(z.grad()));
    }

    private static Result fused(Tensor tokens, Tensor codebook, Tensor weight) {
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            LexicalHead.Gradients gradients = head.backward(weight, true, true);
            assertThat(gradients.tokens().scalar_type().intern())
                    .isEqualTo(tokens.scalar_type().intern());
            assertThat(gradients.codebook().scalar_type().intern()).isEqualTo(ScalarType.Float);
            return new Result(doubles(head.activations()), doubles(gradients.tokens()), doubles(gradients.codebook()));
        }
    }

    /** SPEC §9: no further from the truth than LibTorch in the same type, but for a few roundings of the result. */
    private static void judge(Result ours, Result same, Result truth, double tolerance) {
        assertThat(worst(ours.activations, truth.activations))
                .as("activations")
                .isLessThanOrEqualTo(worst(same.activations, truth.activations) + tolerance);
        assertThat(worst(ours.gradTokens, truth.gradTokens))
                .as("gradient of the tokens")
                .isLessThanOrEqualTo(worst(same.gradTokens, truth.gradTokens) + tolerance);
        assertThat(worst(ours.gradCodebook, truth.gradCodebook))
                .as("gradient of the codebook")
                .isLessThanOrEqualTo(worst(same.gradCodebook, truth.gradCodebook) + tolerance);
    }

    @Test
    void tokensCanBeReleasedAndTakenAgain(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 3, 9, 16);
        Tensor codebook = gaussians(random, 0.5, 70, 16);
        Tensor weight = gaussians(random, 1, 3, 70);
        Result expected = fused(tokens, codebook, weight);
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            double[] activations = doubles(head.activations());
            assertThatIllegalStateException()
                    .isThrownBy(() -> head.retakeTokens(tokens))
                    .withMessageContaining("not released");
            head.releaseTokens();
            assertThatIllegalStateException()
                    .isThrownBy(() -> head.backward(weight, true, true))
                    .withMessageContaining("take them again");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> head.retakeTokens(tokens.narrow(0, 0, 2)))
                    .withMessageContaining("[2, 9, 16]");
            head.retakeTokens(tokens.clone());
            LexicalHead.Gradients gradients = head.backward(weight, true, true);
            assertThat(activations).isEqualTo(expected.activations);
            assertThat(doubles(gradients.tokens())).isEqualTo(expected.gradTokens);
            assertThat(doubles(gradients.codebook())).isEqualTo(expected.gradCodebook);
        }
    }

    @Test
    void agreesWithAutogradInFloat32(RandomSource random) {
        for (long[] size : new long[][] {{3, 17, 32, 257}, {4, 1, 24, 129}, {1, 5, 7, 3}}) {
            Tensor tokens = gaussians(random, 0.5, size[0], size[1], size[2]);
            Tensor codebook = gaussians(random, 0.5, size[3], size[2]);
            Tensor weight = gaussians(random, 1, size[0], size[3]);
            Result truth = composed(tokens, codebook, weight, ScalarType.Double);
            judge(fused(tokens, codebook, weight), composed(tokens, codebook, weight, ScalarType.Float), truth, 1e-6);
        }
    }

    @Test
    void agreesWithAutogradInBfloat16(RandomSource random) {
        for (long[] size : new long[][] {{3, 17, 32, 257}, {4, 1, 24, 129}}) {
            Tensor tokens = gaussians(random, 0.5, size[0], size[1], size[2]).to(ScalarType.BFloat16);
            Tensor codebook = gaussians(random, 0.5, size[3], size[2]).to(ScalarType.BFloat16);
            Tensor weight = gaussians(random, 1, size[0], size[3]);
            // The truth about these very inputs, which bfloat16 has already rounded.
            Result truth = composed(tokens, codebook, weight, ScalarType.Double);
            judge(
                    fused(tokens, codebook, weight),
                    composed(tokens, codebook, weight, ScalarType.BFloat16),
                    truth,
                    1e-6);
        }
    }

    @Test
    void gradientsGoOnThroughTheTower(RandomSource random) {
        Tensor inputs = gaussians(random, 1, 2, 6, 5);
        Tensor codebook = gaussians(random, 0.5, 31, 8);
        Tensor weight = gaussians(random, 1, 2, 31);
        Tensor tower = gaussians(random, 0.5, 8, 5).set_requires_grad(true);
        composed(torch.linear(inputs, tower), codebook).mul(weight).sum().backward();
        double[] expected = doubles(tower.grad());

        Tensor again = tower.detach().clone().set_requires_grad(true);
        Tensor tokens = torch.linear(inputs, again);
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            Tensor leaf = head.activations().set_requires_grad(true);
            leaf.mul(weight).sum().backward();
            LexicalHead.Gradients gradients = head.backward(leaf.grad(), true, false);
            assertThat(gradients.codebook()).isNull();
            tokens.backward(gradients.tokens(), new BoolOptional(false), false, new TensorArrayRefOptional());
        }
        assertThat(worst(doubles(again.grad()), expected)).isLessThan(1e-6);
    }

    @Test
    void maskedTokensTakeNoPart(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 2, 5, 8);
        Tensor codebook = gaussians(random, 0.5, 40, 8);
        Tensor mask = LibTorch.of(new long[] {1, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 2, 5);
        Tensor chosen = torch.index_select(tokens, 1, LibTorch.of(new long[] {0, 2}, 2));
        try (LexicalHead.Forward masked = LexicalHead.forward(tokens, codebook, mask);
                LexicalHead.Forward alone = LexicalHead.forward(chosen, codebook, null)) {
            assertThat(worst(
                            doubles(masked.activations().narrow(0, 0, 1)),
                            doubles(alone.activations().narrow(0, 0, 1))))
                    .isZero();
            assertThat(doubles(masked.activations().narrow(0, 1, 1)))
                    .as("a picture without tokens")
                    .containsOnly(0.0);
            assertThat(LibTorch.longs(masked.winners().narrow(0, 1, 1))).containsOnly(-1);
            double[] gradient = doubles(masked.backward(torch.ones_like(masked.activations()), true, false)
                    .tokens());
            for (int i = 0; i < gradient.length; i++) {
                if (i >= 5 * 8 || i / 8 == 1 || i / 8 >= 3) {
                    assertThat(gradient[i]).isZero();
                }
            }
        }
    }

    /** Inference takes the scores alone, from whatever form of the codebook; no picture and no token are cases like others. */
    @ParameterizedTest
    @CsvSource({"Float, 3, 11", "BFloat16, 3, 11", "Float, 1, 1", "Float, 3, 0", "BFloat16, 0, 11"})
    void scoresAloneAreThoseOfTheForward(ScalarType type, int pictures, int count, RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, pictures, count, 70).to(type);
        Tensor codebook = gaussians(random, 0.5, 97, 70).to(type);
        Tensor mask = gaussians(random, 1, pictures, count).gt(new Scalar(0));
        try (PackedCodebook packed = PackedCodebook.of(codebook)) {
            for (Tensor taken : new Tensor[] {null, mask}) {
                try (LexicalHead.Forward forward = LexicalHead.forward(tokens, codebook, taken)) {
                    assertThat(LexicalHead.scores(tokens, codebook, taken).equal(forward.scores()))
                            .isTrue();
                    assertThat(LexicalHead.scores(tokens, packed, taken).equal(forward.scores()))
                            .isTrue();
                    assertThat(LibTorch.shape(forward.scores())).containsExactly(pictures, 97);
                    if (count == 0) {
                        assertThat(doubles(forward.scores())).containsOnly(Double.NEGATIVE_INFINITY);
                        assertThat(doubles(forward.activations())).containsOnly(0.0);
                        assertThat(LibTorch.longs(forward.winners())).containsOnly(-1);
                    }
                }
            }
        }
    }

    /** NaN is seen, and only where it belongs (SPEC §9): at every word of its picture, from a codebook at its word. */
    @Test
    void nanPropagates(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 3, 4, 8);
        Tensor codebook = gaussians(random, 0.5, 40, 8);
        double[] plain = doubles(LexicalHead.scores(tokens, codebook, null));
        Tensor broken = tokens.clone();
        broken.narrow(0, 1, 1).narrow(1, 2, 1).narrow(2, 3, 1).fill_(new Scalar(Double.NaN));
        double[] picture = plain.clone();
        Arrays.fill(picture, 40, 80, Double.NaN);
        assertThat(doubles(LexicalHead.scores(broken, codebook, null))).isEqualTo(picture);
        Tensor word = codebook.clone();
        word.narrow(0, 7, 1).narrow(1, 0, 1).fill_(new Scalar(Double.NaN));
        double[] words = plain.clone();
        for (int at = 7; at < words.length; at += 40) {
            words[at] = Double.NaN;
        }
        assertThat(doubles(LexicalHead.scores(tokens, word, null))).isEqualTo(words);
    }

    @Test
    void stridedTensorsAreCopied(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 5, 3, 8).transpose(0, 1);
        Tensor codebook = gaussians(random, 0.5, 8, 40).t();
        Tensor weight = gaussians(random, 1, 40, 3).t();
        assertThat(tokens.is_contiguous() || codebook.is_contiguous() || weight.is_contiguous())
                .isFalse();
        Result strided = fused(tokens, codebook, weight);
        Result plain = fused(tokens.contiguous(), codebook.contiguous(), weight.contiguous());
        assertThat(strided.activations).isEqualTo(plain.activations);
        assertThat(strided.gradTokens).isEqualTo(plain.gradTokens);
        assertThat(strided.gradCodebook).isEqualTo(plain.gradCodebook);
        assertThat(LexicalHead.scores(tokens, codebook, null)
                        .equal(LexicalHead.scores(tokens.contiguous(), codebook.contiguous(), null)))
                .isTrue();
    }

    @Test
    void codebookGradientsOfMicroBatchesAddUp(RandomSource random) {
        Tensor codebook = gaussians(random, 0.5, 40, 8);
        Tensor sum = torch.zeros_like(codebook);
        double[] expected = new double[40 * 8];
        for (int batch = 0; batch < 3; batch++) {
            Tensor weight = gaussians(random, 1, 2, 40);
            try (LexicalHead.Forward head = LexicalHead.forward(gaussians(random, 0.5, 2, 5, 8), codebook, null)) {
                double[] one = doubles(head.backward(weight, false, true).codebook());
                Arrays.setAll(expected, i -> expected[i] + one[i]);
                LexicalHead.Gradients added = head.backward(weight, false, sum);
                assertThat(added.tokens()).isNull();
            }
        }
        assertThat(worst(doubles(sum), expected)).isLessThan(1e-6);
    }

    @Test
    void everyTokenByItselfEqualsPicturesOfOneToken(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 2, 5, 8);
        Tensor codebook = gaussians(random, 0.5, 40, 8);
        Tensor each = LexicalHead.perToken(tokens, codebook);
        assertThat(LibTorch.shape(each)).containsExactly(2, 5, 40);
        try (LexicalHead.Forward alone = LexicalHead.forward(tokens.view(10, 1, 8), codebook, null)) {
            assertThat(worst(doubles(each), doubles(alone.activations()))).isLessThan(1e-6);
        }
    }

    @Test
    void aResultOutlivesTheScopeItWasMadeIn(RandomSource random) {
        PointerScope inner = new PointerScope();
        LexicalHead.Forward head =
                LexicalHead.forward(gaussians(random, 0.5, 2, 5, 8), gaussians(random, 0.5, 40, 8), null);
        double[] before = doubles(head.activations());
        inner.close();
        assertThat(doubles(head.activations())).isEqualTo(before);
        assertThat(head.backward(torch.ones_like(head.activations()), true, true)
                        .tokens()
                        .numel())
                .isEqualTo(80);
        head.close();
        head.close();
        assertThatIllegalStateException().isThrownBy(head::activations).withMessageContaining("closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> head.backward(torch.ones(2, 40), true, true))
                .withMessageContaining("closed");
    }

    @Test
    void whatDoesNotFitIsRefused(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 2, 5, 8);
        Tensor codebook = gaussians(random, 0.5, 40, 8);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(tokens.to(ScalarType.Double), codebook, null))
                .withMessageContaining("tokens has type Double");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(tokens.to(ScalarType.BFloat16), codebook, null))
                .withMessageContaining("codebook");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(tokens.view(10, 8), codebook, null))
                .withMessageContaining("[10, 8], expected 3 dimensions");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(tokens, codebook.narrow(1, 0, 7), null))
                .withMessageContaining("codebook");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(tokens, codebook, torch.ones(2, 4)))
                .withMessageContaining("mask");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(
                        tokens.to(new org.bytedeco.pytorch.Device("meta"), ScalarType.Float), codebook, null))
                .withMessageContaining("meta");
        Tensor closed = torch.ones(40, 8);
        closed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> LexicalHead.forward(tokens, closed, null))
                .withMessageContaining("codebook is closed");
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> head.backward(torch.ones(2, 39), true, true))
                    .withMessageContaining("gradActivations");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> head.backward(
                            torch.ones(2, 40), true, torch.ones(8, 40).t()))
                    .withMessageContaining("contiguous");
        }
    }

    @Test
    void holdsNoMemoryWhenClosed(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 4, 2, 4);
        Tensor codebook = gaussians(random, 0.5, 8000, 4);
        long before = 0;
        for (int step = 0; step < 600; step++) {
            if (step == 100) {
                before = Pointer.physicalBytes();
            }
            PointerScope one = new PointerScope();
            try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
                head.backward(head.activations(), true, true);
            } finally {
                one.close();
            }
        }
        // A leak of one [4, 8000] table per step would come to 64 MB.
        assertThat(Pointer.physicalBytes() - before).isLessThan(48L << 20);
    }

    @Test
    void theBackwardMayLeaveOutWhatIsSmall(RandomSource random) {
        Tensor tokens = gaussians(random, 0.5, 3, 17, 32);
        Tensor codebook = gaussians(random, 0.5, 257, 32);
        Tensor weight = gaussians(random, 1, 3, 257);
        double share = 0.2;
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            // What is left out might as well be a gradient of 0: adding 0 changes no sum.
            Tensor gradScores = torch.empty_like(head.scores());
            Kernels.activateNormalizeBackward(
                    LexicalHead.view(weight),
                    LexicalHead.view(head.scores()),
                    LexicalHead.view(head.norms()),
                    LexicalHead.view(gradScores));
            Tensor least = gradScores.abs().amax(new long[] {1}, true).mul(new Scalar((float) share));
            Tensor kept = gradScores.mul(gradScores.abs().ge(least));
            Tensor forTokens = torch.empty_like(tokens);
            Tensor forCodebook = torch.empty_like(codebook);
            Kernels.projectMaxBackward(
                    LexicalHead.view(kept),
                    LexicalHead.view(head.winners()),
                    LexicalHead.view(tokens),
                    LexicalHead.view(codebook),
                    LexicalHead.view(forTokens),
                    LexicalHead.view(forCodebook),
                    false);
            LexicalHead.Gradients exact = head.backward(weight, true, true);
            LexicalHead.Gradients near = head.leavingOutBelow(share).backward(weight, true, true);
            assertThat(near.tokens().equal(forTokens)).isTrue();
            assertThat(near.codebook().equal(forCodebook)).isTrue();
            assertThat(near.codebook().equal(exact.codebook())).isFalse();
            assertThat(head.leavingOutBelow(0)
                            .backward(weight, true, true)
                            .codebook()
                            .equal(exact.codebook()))
                    .isTrue();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> head.leavingOutBelow(1.5))
                    .withMessage("share is 1.5, must be from 0 (all are kept) to 1");
        }
    }

    @Test
    void float16IsForCuda() {
        Tensor tokens = torch.ones(2, 3, 4).to(ScalarType.Half);
        Tensor codebook = torch.ones(5, 4).to(ScalarType.Half);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(tokens, codebook, null))
                .withMessage(
                        "codebook has type Half, the head takes float32 and bfloat16, and on CUDA float16: convert it with to(…)");
    }
}
