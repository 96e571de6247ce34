package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class InfoNceTest {
    @Test
    @SuppressWarnings("try")
    void sideBySideUnitVectorsGiveTheLogarithmOfThePairs() {
        try (PointerScope scope = new PointerScope()) {
            // All pictures and texts alike: every text is as likely as any other.
            Tensor same = HostTensor.of(new double[] {1, 0, 1, 0, 1, 0, 1, 0}, 4, 2);
            InfoNce.Directions directions = InfoNce.directions(same, same, HostTensor.of(new double[] {2.6}));
            assertThat(directions.imageToText().item_double()).isCloseTo(Math.log(4), within(1e-12));
            assertThat(directions.sum().item_double()).isCloseTo(2 * Math.log(4), within(1e-12));
        }
    }

    /**
     * More pairs than a table of all with all is kept of, in float32, against the graph in float64: values, all gradients, nearest pairs. Rows
     * that several pairs share are ties.
     */
    @Test
    @SuppressWarnings("try")
    void tilesGiveWhatTheGraphGives(RandomSource random) throws IOException {
        TrainingConfig.Loss settings =
                ToyData.config("loss.lambda.image=0.3", "loss.lambda.text=0.2").loss();
        int pairs = Losses.IN_GRAPH + 77;
        int words = 9;
        double[] images = unitRows(pairs, words, random);
        double[] texts = unitRows(pairs, words, random);
        for (int i = 0; i < pairs; i += 3) {
            // Some find each other, and some have equals.
            System.arraycopy(images, i * words, texts, (i % 2 == 0 ? i : (i + 9) % pairs) * words, words);
            System.arraycopy(images, i * words, images, (i + 6) % pairs * words, words);
        }
        for (double scale : new double[] {1 / 0.07, 100}) {
            for (boolean readsTexts : new boolean[] {true, false}) {
                try (PointerScope scope = new PointerScope()) {
                    Tensor s = HostTensor.of(images, pairs, words).requires_grad_(true);
                    Tensor t = HostTensor.of(texts, pairs, words).requires_grad_(true);
                    Tensor log = HostTensor.of(new double[] {Math.log(scale)}).requires_grad_(true);
                    InfoNce.Directions directions = InfoNce.directions(s, t, log);
                    Tensor penalty = settings.penalty().of(s);
                    directions
                            .sum()
                            .add(penalty.mul(new Scalar(settings.lambda().image())))
                            .add(settings.penalty()
                                    .of(t)
                                    .mul(new Scalar(settings.lambda().text())))
                            .backward();

                    Tensor narrowS = single(s).requires_grad_(true);
                    Tensor narrowT = single(t).requires_grad_(readsTexts);
                    Tensor narrowLog = single(log).requires_grad_(true);
                    // A gradient that is there already stays in the sum.
                    narrowLog.mutable_grad().put(HostTensor.of(new float[] {2}, 1));
                    Losses losses = Losses.of(narrowS, narrowT, narrowLog, settings, 1);
                    losses.backward().run();

                    assertThat(losses.imageToText())
                            .isCloseTo(directions.imageToText().item_double(), within(1e-5));
                    assertThat(losses.textToImage())
                            .isCloseTo(directions.textToImage().item_double(), within(1e-5));
                    assertThat(losses.imagePenalty()).isCloseTo(penalty.item_double(), within(1e-6));
                    assertThat(losses.imageToTextR1()).isEqualTo(nearest(narrowS, narrowT, 1));
                    assertThat(losses.textToImageR1()).isEqualTo(nearest(narrowS, narrowT, 0));
                    assertThat(worst(narrowS.grad(), s.grad())).isLessThan(1e-5);
                    assertThat(narrowLog.grad().item_double() - 2)
                            .isCloseTo(
                                    log.grad().item_double(),
                                    within(1e-5 * (1 + Math.abs(log.grad().item_double()))));
                    assertThat(narrowT.grad().defined()).isEqualTo(readsTexts);
                    if (readsTexts) {
                        assertThat(worst(narrowT.grad(), t.grad())).isLessThan(1e-5);
                    }
                }
            }
        }
    }

    private static double[] unitRows(int rows, int width, RandomSource random) {
        double[] numbers = new double[rows * width];
        for (int row = 0; row < rows; row++) {
            double square = 0;
            for (int i = row * width; i < (row + 1) * width; i++) {
                numbers[i] = random.nextDouble();
                square += numbers[i] * numbers[i];
            }
            for (int i = row * width; i < (row + 1) * width; i++) {
                // As float32 has it: both sides begin with the same numbers.
                numbers[i] = (float) (numbers[i] / Math.sqrt(square));
            }
        }
        return numbers;
    }

    private static Tensor single(Tensor tensor) {
        return tensor.detach().to(torch.ScalarType.Float);
    }

    /** Share of rows (1) or columns (0) whose first largest product is their own. */
    private static double nearest(Tensor images, Tensor texts, long over) {
        int pairs = (int) images.size(0);
        float[] products =
                HostTensor.floats(images.detach().matmul(texts.detach().t()));
        int own = 0;
        for (int i = 0; i < pairs; i++) {
            int best = 0;
            for (int j = 1; j < pairs; j++) {
                float better = over == 1 ? products[i * pairs + j] : products[j * pairs + i];
                float than = over == 1 ? products[i * pairs + best] : products[best * pairs + i];
                best = better > than ? j : best;
            }
            own += best == i ? 1 : 0;
        }
        return own / (double) pairs;
    }

    /** The largest difference over the largest entry. */
    private static double worst(Tensor actual, Tensor truth) {
        Tensor exact = truth.to(torch.ScalarType.Double);
        return actual.to(torch.ScalarType.Double).sub(exact).abs().max().item_double()
                / exact.abs().max().item_double();
    }

    @Test
    @SuppressWarnings("try")
    void scaleIsClampedAtAHundred() {
        try (PointerScope scope = new PointerScope()) {
            Tensor high = HostTensor.of(new double[] {7});
            Tensor low = HostTensor.of(new double[] {-3});
            InfoNce.clamp(high);
            InfoNce.clamp(low);
            assertThat(Math.exp(high.item_double())).isCloseTo(100, within(1e-9));
            assertThat(low.item_double()).isEqualTo(-3);
        }
    }

    @Test
    @SuppressWarnings("try")
    void unequalBatchesAreRefused() {
        try (PointerScope scope = new PointerScope()) {
            Tensor three = HostTensor.of(new double[6], 3, 2);
            Tensor two = HostTensor.of(new double[4], 2, 2);
            assertThatThrownBy(() -> InfoNce.directions(three, two, HostTensor.of(new double[] {0})))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("[3,2]")
                    .hasMessageContaining("[2,2]");
        }
    }
}
