package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.HashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class AdapterTest {
    private static final AdapterConfig TINY = new AdapterConfig(6, 2, 10, 8);

    private PointerScope scope;

    @BeforeEach
    void open() {
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private static float[] floats(Tensor tensor) {
        float[] values = new float[(int) tensor.numel()];
        tensor.detach().contiguous().data_ptr_float().get(values);
        return values;
    }

    @Test
    void hasThePapersSize() {
        assertThat(AdapterConfig.of(768, 4096)).isEqualTo(new AdapterConfig(768, 12, 2304, 4096));
        assertThat(AdapterConfig.of(768, 4096).parameterCount()).isEqualTo(17_111_040);
        try (Adapter adapter = Adapter.random(AdapterConfig.of(768, 4096), 1, Device.cpu())) {
            assertThat(adapter.parameters().values().stream()
                            .mapToLong(Tensor::numel)
                            .sum())
                    .isEqualTo(17_111_040);
            assertThat(adapter.parameters().values()).allMatch(Tensor::requires_grad);
        }
    }

    /** The formula of SPEC §4 once more, number by number in double. */
    @Test
    void computesItsFormula(RandomSource random) {
        try (Adapter adapter = Adapter.random(TINY, random.seed(), Device.cpu())) {
            Map<String, float[]> p = new HashMap<>();
            adapter.parameters().forEach((name, tensor) -> {
                float[] values = floats(tensor);
                for (int i = 0; i < values.length; i++) {
                    values[i] += (float) (0.1 * random.nextGaussian());
                }
                p.put(name, values);
                tensor.detach().data_ptr_float().put(values);
            });
            int count = 3;
            float[] input = random.gaussians(count * 6);
            double[][] x = new double[count][6];
            for (int t = 0; t < count; t++) {
                for (int i = 0; i < 6; i++) {
                    x[t][i] = input[6 * t + i];
                }
            }
            double[][] n = norm(x, p, "attention.norm");
            double[][] q = linear(n, p, "attention.query", 6);
            double[][] k = linear(n, p, "attention.key", 6);
            double[][] v = linear(n, p, "attention.value", 6);
            double[][] mixed = new double[count][6];
            for (int head = 0; head < 2; head++) {
                for (int t = 0; t < count; t++) {
                    double[] weights = new double[count];
                    double sum = 0;
                    for (int u = 0; u < count; u++) {
                        double dot = 0;
                        for (int i = 3 * head; i < 3 * head + 3; i++) {
                            dot += q[t][i] * k[u][i];
                        }
                        weights[u] = Math.exp(dot / Math.sqrt(3));
                        sum += weights[u];
                    }
                    for (int u = 0; u < count; u++) {
                        for (int i = 3 * head; i < 3 * head + 3; i++) {
                            mixed[t][i] += weights[u] / sum * v[u][i];
                        }
                    }
                }
            }
            add(x, linear(mixed, p, "attention.output", 6));
            add(x, mlp(norm(x, p, "mlp1.norm"), p, "mlp1", 6));
            double[][] expected = mlp(x, p, "mlp2", 8);

            float[] z = floats(adapter.forward(LibTorch.of(input, 1, count, 6)));
            for (int i = 0; i < z.length; i++) {
                assertThat(Math.abs(z[i] - expected[i / 8][i % 8])).isLessThan(1e-5);
            }
        }
    }

    private static void add(double[][] x, double[][] y) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += y[t][i];
            }
        }
    }

    private static double[][] norm(double[][] x, Map<String, float[]> p, String name) {
        double[][] y = new double[x.length][x[0].length];
        for (int t = 0; t < x.length; t++) {
            double mean = 0;
            double square = 0;
            for (double value : x[t]) {
                mean += value / x[t].length;
            }
            for (double value : x[t]) {
                square += (value - mean) * (value - mean) / x[t].length;
            }
            for (int i = 0; i < x[t].length; i++) {
                y[t][i] = (x[t][i] - mean) / Math.sqrt(square + 1e-6) * p.get(name + ".weight")[i]
                        + p.get(name + ".bias")[i];
            }
        }
        return y;
    }

    private static double[][] linear(double[][] x, Map<String, float[]> p, String name, int out) {
        float[] weight = p.get(name + ".weight");
        float[] bias = p.get(name + ".bias");
        double[][] y = new double[x.length][out];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < out; o++) {
                y[t][o] = bias == null ? 0 : bias[o];
                for (int i = 0; i < x[t].length; i++) {
                    y[t][o] += weight[o * x[t].length + i] * x[t][i];
                }
            }
        }
        return y;
    }

    private static double[][] mlp(double[][] x, Map<String, float[]> p, String name, int out) {
        double[][] hidden = linear(x, p, name + ".in", 10);
        for (double[] row : hidden) {
            for (int i = 0; i < row.length; i++) {
                row[i] = row[i] * 0.5 * (1 + erf(row[i] / Math.sqrt(2)));
            }
        }
        return linear(hidden, p, name + ".out", out);
    }

    /** Its series, which is exact enough for the arguments met here. */
    private static double erf(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; n < 200; n++) {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }

    @Test
    void repeatsWithItsSeedAndIsCopied(RandomSource random) {
        Tensor input = LibTorch.of(random.gaussians(2 * 3 * 6), 2, 3, 6);
        try (Adapter first = Adapter.random(TINY, 7, Device.cpu());
                Adapter same = Adapter.random(TINY, 7, Device.cpu());
                Adapter other = Adapter.random(TINY, 8, Device.cpu());
                Adapter copy = Adapter.of(TINY, first.parameters(), Device.cpu())) {
            float[] z = floats(first.forward(input));
            assertThat(floats(same.forward(input))).isEqualTo(z);
            assertThat(floats(other.forward(input))).isNotEqualTo(z);
            assertThat(floats(copy.forward(input))).isEqualTo(z);
            first.parameters().get("mlp2.out.weight").detach().zero_();
            assertThat(floats(copy.forward(input))).isEqualTo(z);
            assertThat(floats(first.forward(input))).containsOnly(0f);
        }
    }

    @Test
    void gradientsReachEveryParameter(RandomSource random) {
        try (Adapter adapter = Adapter.random(TINY, 7, Device.cpu())) {
            Tensor tokens = LibTorch.of(random.gaussians(2 * 3 * 6), 2, 3, 6);
            Tensor z = adapter.forward(tokens.to(ScalarType.BFloat16));
            assertThat(z.scalar_type().intern()).isEqualTo(ScalarType.Float);
            z.mul(z).sum().backward();
            adapter.parameters().forEach((name, tensor) -> {
                if (!name.equals("attention.key.bias")) {
                    // The softmax does not see a bias that all keys share.
                    assertThat(tensor.grad().abs().sum().item_float()).as(name).isPositive();
                }
            });
        }
    }

    @Test
    void wrongUseIsAnError() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new AdapterConfig(10, 3, 8, 8))
                .withMessageContaining("not a multiple of its 3 heads");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new AdapterConfig(10, 1, 0, 8))
                .withMessageContaining("at least 1");
        Adapter adapter = Adapter.random(TINY, 7, Device.cpu());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> adapter.forward(torch.ones(1, 3, 5)))
                .withMessageContaining("[1, 3, 5]");
        Map<String, Tensor> parts = adapter.parameters();
        parts.remove("mlp1.in.weight");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Adapter.of(TINY, parts, Device.cpu()))
                .withMessageContaining("mlp1.in.weight");
        parts.put("mlp1.in.weight", torch.ones(3, 3));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Adapter.of(TINY, parts, Device.cpu()))
                .withMessageContaining("[3, 3]");
        adapter.close();
        assertThatIllegalStateException().isThrownBy(() -> adapter.forward(torch.ones(1, 3, 6)));
    }
}
