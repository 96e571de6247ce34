package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;
import org.lexvla.model.Llama;
import org.lexvla.model.LlamaConfig;
import org.lexvla.model.Lora;
import org.lexvla.model.LoraConfig;

/** How an optimizer moves what it is given, and whose memory it takes. */
@SuppressWarnings("try")
class OptimizationTest {
    /**
     * A language model of 140 MB with LoRA of 1 MB: steps take memory for LoRA's gradients and two moments, not for the
     * model's. Tensors of 32 MiB and more show in the memory of the process, see CheckpointingTest.
     */
    @Test
    void onlyLoraTakesMemory() {
        LlamaConfig config = LlamaConfig.of(64, 1024, 10240, 1, 8, 16);
        TrainingConfig.Optimizer settings = TrainingConfig.standard().optimizer();
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(config, 1, Device.cpu());
                Lora lora = Lora.create(new LoraConfig(4, 8, 0, LoraConfig.ALL_TARGETS), config, 1, Device.cpu())) {
            model.attach(lora);
            List<Tensor> matrices = new ArrayList<>(model.parameters().values());
            long bytes = matrices.stream().mapToLong(Tensor::nbytes).sum();
            assertThat(bytes).isGreaterThan(140_000_000);
            long frozen;
            try (Optimization optimization =
                    new Optimization(List.of(new Optimization.Group(lora.parameters(), 1)), settings, flat())) {
                step(model, optimization);
                long before = Pointer.physicalBytes();
                step(model, optimization);
                frozen = Pointer.physicalBytes() - before;
            }
            assertThat(matrices).noneMatch(matrix -> matrix.grad().defined());
            // The same with the matrices shows that the measure sees what it is to see.
            model.setTrainable(true);
            long trained;
            try (Optimization optimization =
                    new Optimization(List.of(Optimization.Group.of(matrices, 1)), settings, flat())) {
                long before = Pointer.physicalBytes();
                step(model, optimization);
                trained = Pointer.physicalBytes() - before;
            }
            assertThat(trained).isGreaterThan(bytes * 19 / 10);
            assertThat(frozen).isLessThan(bytes / 4);
        }
    }

    /** With ε = 1 the first step of Adam is rate · g / (|g| + 1), which shows how large the gradient was. */
    private static TrainingConfig.Optimizer settings(double clipNorm) {
        return new TrainingConfig.Optimizer(0.1, 0, 0.9, 0.98, 1, 0, clipNorm, 1, 1, 1, "all");
    }

    private static Tensor parameter(double gradient) {
        Tensor parameter = torch.zeros(1).set_requires_grad(true);
        parameter.mutable_grad().put(torch.ones(1).mul(new Scalar(gradient)));
        return parameter;
    }

    @Test
    void gradientsAreClippedTogether() {
        try (PointerScope scope = new PointerScope()) {
            for (double clip : new double[] {1, 0, 7}) {
                Tensor one = parameter(3);
                Tensor other = parameter(-4);
                try (Optimization optimization = new Optimization(
                        List.of(
                                new Optimization.Group(Map.of("one", one), 1),
                                new Optimization.Group(Map.of("other", other), 1)),
                        settings(clip),
                        flat())) {
                    assertThat(optimization.step(0)).isCloseTo(5, within(1e-6));
                }
                double factor = clip == 1 ? 0.2 : 1;
                assertThat(one.item_double())
                        .as("clipped at %s", clip)
                        .isCloseTo(-0.1 * 3 * factor / (3 * factor + 1), within(1e-6));
                assertThat(other.item_double())
                        .as("clipped at %s", clip)
                        .isCloseTo(0.1 * 4 * factor / (4 * factor + 1), within(1e-6));
                assertThat(one.grad().defined()).isFalse();
            }
        }
    }

    @Test
    void everyGroupHasItsRate() {
        try (PointerScope scope = new PointerScope()) {
            Tensor whole = parameter(1);
            Tensor half = parameter(1);
            Tensor resting = parameter(1);
            try (Optimization optimization = new Optimization(
                    List.of(
                            new Optimization.Group(Map.of("whole", whole), 1),
                            new Optimization.Group(Map.of("half", half), 0.5),
                            new Optimization.Group(Map.of("resting", resting), 0)),
                    settings(0),
                    flat())) {
                optimization.step(0);
            }
            assertThat(whole.item_double()).isCloseTo(-0.05, within(1e-7));
            assertThat(half.item_double()).isCloseTo(-0.025, within(1e-7));
            assertThat(resting.item_double()).isZero();
        }
    }

    @Test
    void gradientsThatAreNotFiniteMoveNothing() {
        try (PointerScope scope = new PointerScope()) {
            for (double wrong : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
                Tensor good = parameter(1);
                Tensor bad = parameter(wrong);
                try (Optimization optimization =
                        new Optimization(List.of(Optimization.Group.of(List.of(good, bad), 1)), settings(1), flat())) {
                    assertThat(optimization.step(0)).isNotFinite();
                    assertThat(optimization.adam().steps()).isZero();
                    assertThat(good.item_double()).isZero();
                    assertThat(bad.item_double()).isZero();
                    assertThat(good.grad().defined()).isFalse();
                    // The next step knows nothing of it.
                    good.mutable_grad().put(torch.ones(1));
                    assertThat(optimization.step(0)).isCloseTo(1, within(1e-6));
                    assertThat(good.item_double()).isCloseTo(-0.05, within(1e-6));
                }
            }
        }
    }

    private static Schedule flat() {
        return new Schedule(10, 0, 0);
    }

    private static void step(Llama model, Optimization optimization) {
        try (PointerScope scope = new PointerScope()) {
            Tensor ids = torch.ones(new long[] {1, 4}).to(torch.ScalarType.Long);
            model.forward(ids, null).pow(new Scalar(2)).sum().backward();
            optimization.step(0);
        }
    }
}
