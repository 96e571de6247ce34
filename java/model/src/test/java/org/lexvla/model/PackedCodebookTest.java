package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@SuppressWarnings("try") // guards are there to be closed, not used
class PackedCodebookTest {
    private PointerScope scope;

    @BeforeEach
    void open() {
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private static Tensor gaussians(RandomSource random, long... shape) {
        int elements = (int) LibTorch.empty(ScalarType.Byte, org.lexvla.lexical.Device.cpu(), shape)
                .numel();
        return LibTorch.of(random.gaussians(elements), shape);
    }

    private static void assertSame(LexicalHead.Forward one, LexicalHead.Forward other) {
        assertThat(one.scores().equal(other.scores())).isTrue();
        assertThat(one.winners().equal(other.winners())).isTrue();
        assertThat(one.activations().equal(other.activations())).isTrue();
    }

    @ParameterizedTest
    @EnumSource(names = {"Float", "BFloat16"})
    void bitwiseAsFromTheCodebook(ScalarType type, RandomSource random) {
        Tensor tokens = gaussians(random, 3, 11, 70).to(type);
        Tensor codebook = gaussians(random, 97, 70).to(type);
        Tensor mask = gaussians(random, 3, 11).gt(new Scalar(0));
        try (PackedCodebook packed = PackedCodebook.of(codebook);
                LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, mask)) {
            for (int use = 0; use < 2; use++) {
                try (LexicalHead.Forward head = LexicalHead.forward(tokens, packed, mask)) {
                    assertSame(head, plain);
                    Tensor gradient = torch.ones(3, 97);
                    assertThat(head.backward(gradient, true, true)
                                    .codebook()
                                    .equal(plain.backward(gradient, true, true).codebook()))
                            .isTrue();
                }
            }
        }
    }

    @Test
    void aCodebookTrainedInBetweenIsPackedAgain(RandomSource random) {
        Tensor tokens = gaussians(random, 2, 3, 8);
        Tensor codebook = gaussians(random, 30, 8).set_requires_grad(true);
        try (PackedCodebook packed = PackedCodebook.of(codebook)) {
            LexicalHead.forward(tokens, packed, null).close();
            try (NoGradGuard noGraph = new NoGradGuard()) {
                codebook.add_(gaussians(random, 30, 8)); // as an optimizer's step does
            }
            try (LexicalHead.Forward head = LexicalHead.forward(tokens, packed, null);
                    LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, null)) {
                assertSame(head, plain);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Float", "BFloat16"})
    void aScreenedCodebookFindsTheSameWinners(ScalarType type, RandomSource random) {
        Tensor tokens = gaussians(random, 2, 40, 300).to(type);
        Tensor codebook = gaussians(random, 130, 300).to(type);
        Tensor mask = gaussians(random, 2, 40).gt(new Scalar(0));
        for (double deviations : new double[] {6, Double.POSITIVE_INFINITY}) {
            try (PackedCodebook screened = PackedCodebook.screened(codebook, deviations, Double.NEGATIVE_INFINITY);
                    LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, mask);
                    LexicalHead.Forward head = LexicalHead.forward(tokens, screened, mask)) {
                assertThat(head.winners().equal(plain.winners())).isTrue();
                // 300 products of order 1, summed in another order.
                assertThat(head.scores().sub(plain.scores()).abs().max().item_float())
                        .isLessThan(1e-4f);
            }
        }
    }

    @Test
    void belowTheFloorAScreenedScoreMayBeOff(RandomSource random) {
        Tensor tokens = gaussians(random, 1, 10, 256);
        Tensor codebook = gaussians(random, 90, 256);
        try (PackedCodebook screened = PackedCodebook.screened(codebook, 6, Double.POSITIVE_INFINITY);
                LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, null);
                LexicalHead.Forward head = LexicalHead.forward(tokens, screened, null)) {
            float worst = head.scores().sub(plain.scores()).abs().max().item_float();
            // Two vectors of 256, each number rounded to a step of about 3 / 127.
            assertThat(worst).isPositive().isLessThan(3);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PackedCodebook.screened(codebook, Double.NaN, 0))
                .withMessageContaining("deviations is NaN");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PackedCodebook.screened(codebook, -1, 0))
                .withMessageContaining("deviations is -1");
    }

    @Test
    void aStridedCodebookIsCopiedFirst(RandomSource random) {
        Tensor tokens = gaussians(random, 1, 4, 9);
        Tensor codebook = gaussians(random, 9, 20).t();
        try (PackedCodebook packed = PackedCodebook.of(codebook);
                LexicalHead.Forward head = LexicalHead.forward(tokens, packed, null);
                LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, null)) {
            assertSame(head, plain);
        }
    }

    @Test
    void severalThreadsUseItFromItsFirstUseOn(RandomSource random) throws Exception {
        Tensor tokens = gaussians(random, 2, 5, 64);
        Tensor codebook = gaussians(random, 500, 64);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (PackedCodebook packed = PackedCodebook.of(codebook);
                LexicalHead.Forward plain = LexicalHead.forward(tokens, codebook, null)) {
            for (Future<?> use : threads.invokeAll(IntStream.range(0, 16)
                    .mapToObj(i -> Executors.callable(() -> {
                        PointerScope own = new PointerScope();
                        try (LexicalHead.Forward head = LexicalHead.forward(tokens, packed, null)) {
                            assertSame(head, plain);
                        } finally {
                            own.close();
                        }
                    }))
                    .toList())) {
                use.get();
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void outlivesTheScopeItWasMadeIn(RandomSource random) {
        PackedCodebook packed;
        PointerScope inner = new PointerScope();
        try {
            packed = PackedCodebook.of(gaussians(random, 12, 8));
            LexicalHead.forward(gaussians(random, 1, 2, 8), packed, null).close();
        } finally {
            inner.close();
        }
        LexicalHead.forward(gaussians(random, 1, 2, 8), packed, null).close();
        packed.close();
    }

    @Test
    void whatDoesNotFitIsRefused(RandomSource random) {
        Tensor codebook = gaussians(random, 12, 8);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PackedCodebook.of(codebook.to(ScalarType.Double)))
                .withMessageContaining("codebook has type Double");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PackedCodebook.of(codebook.view(96)))
                .withMessageContaining("[96], expected 2 dimensions");
        PackedCodebook packed = PackedCodebook.of(codebook);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(gaussians(random, 1, 2, 7), packed, null))
                .withMessageContaining("codebook is FLOAT32[12, 8] on cpu, expected FLOAT32[words, 7]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexicalHead.forward(gaussians(random, 1, 2, 8).to(ScalarType.BFloat16), packed, null))
                .withMessageContaining("expected BFLOAT16[words, 8]");
        packed.close();
        packed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> LexicalHead.forward(gaussians(random, 1, 2, 8), packed, null))
                .withMessageContaining("this packed codebook is closed");
        assertThatIllegalStateException().isThrownBy(packed::codebook);
    }
}
