package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** The facts of SPEC §6 about the penalties. */
@Seeded
class PenaltyTest {
    private static final int N = 7;
    private static final int V = 23;

    @Test
    void evenUseMakesBothPenaltiesAlike(RandomSource random) {
        double c = random.nextDouble() + 0.01;
        double[] even = new double[N * V];
        Arrays.fill(even, c);
        assertThat(overuse(even, N, V)).isCloseTo(V * c * c, within(1e-12));
        assertThat(flops(even, N, V)).isCloseTo(V * c * c, within(1e-12));
    }

    @Test
    void theSameKWordsEverywhere(RandomSource random) {
        int k = 1 + random.nextInt(V - 1);
        double[] same = new double[N * V];
        for (int i = 0; i < N; i++) {
            Arrays.fill(same, i * V, i * V + k, 1 / Math.sqrt(k));
        }
        assertThat(overuse(same, N, V)).isCloseTo(V / (double) k, within(1e-10));
        assertThat(flops(same, N, V)).isCloseTo(1, within(1e-12));
    }

    @Test
    void overuseIsNeverLessThanFlops(RandomSource random) {
        for (int round = 0; round < 50; round++) {
            double[] any = activations(random);
            assertThat(overuse(any, N, V)).isGreaterThanOrEqualTo(flops(any, N, V) * (1 - 1e-12));
        }
    }

    @Test
    @SuppressWarnings("try")
    void gradientOfOveruseIsTheClosedForm(RandomSource random) {
        double[] values = activations(random);
        double[] mean = new double[V];
        for (int i = 0; i < N * V; i++) {
            mean[i % V] += values[i] / N;
        }
        double a = Arrays.stream(mean).sum();
        double b = Arrays.stream(mean).map(m -> m * m * m).sum();
        try (PointerScope scope = new PointerScope()) {
            Tensor activations = HostTensor.of(values, N, V).requires_grad_(true);
            OverusePenalty.of(activations).backward();
            double[] gradient = new double[N * V];
            activations.grad().contiguous().data_ptr_double().get(gradient);
            for (int i = 0; i < gradient.length; i++) {
                double m = mean[i % V];
                double expected = (double) V / N * (3 * m * m / a - b / (a * a));
                assertThat(gradient[i]).isCloseTo(expected, within(1e-10 * Math.max(1, Math.abs(expected))));
            }
        }
    }

    @Test
    @SuppressWarnings("try")
    void nothingActiveCostsNothing() {
        try (PointerScope scope = new PointerScope()) {
            Tensor zeros = HostTensor.of(new double[N * V], N, V).requires_grad_(true);
            Tensor penalty = OverusePenalty.of(zeros);
            penalty.backward();
            assertThat(penalty.item_double()).isZero();
            assertThat(HostTensor.floats(zeros.grad())).containsOnly(0f);
        }
    }

    @Test
    @SuppressWarnings("try")
    void namesOfSettings() {
        try (PointerScope scope = new PointerScope()) {
            double[] values = new double[N * V];
            Arrays.fill(values, 0.5);
            Tensor tensor = HostTensor.of(values, N, V);
            assertThat(Penalty.NONE.of(tensor).item_double()).isZero();
            assertThat(Penalty.FLOPS.of(tensor).item_double()).isCloseTo(V / 4.0, within(1e-12));
            assertThat(Penalty.OVERUSE).hasToString("overuse");
        }
    }

    private static double[] activations(RandomSource random) {
        double[] values = new double[N * V];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextInt(3) == 0 ? 0 : random.nextDouble();
        }
        return values;
    }

    @SuppressWarnings("try")
    private static double overuse(double[] values, int rows, int columns) {
        try (PointerScope scope = new PointerScope()) {
            return OverusePenalty.of(HostTensor.of(values, rows, columns)).item_double();
        }
    }

    @SuppressWarnings("try")
    private static double flops(double[] values, int rows, int columns) {
        try (PointerScope scope = new PointerScope()) {
            return FlopsPenalty.of(HostTensor.of(values, rows, columns)).item_double();
        }
    }
}
