package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Adam against LibTorch's own, to the bit. */
@SuppressWarnings("try")
class AdamTest {
    private static TrainingConfig.Optimizer settings(double weightDecay) {
        return new TrainingConfig.Optimizer(3e-3, 0, 0.9, 0.98, 1e-6, weightDecay, 0, 1, 1, 1, "all");
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.1})
    void isLibTorchsToTheBit(double weightDecay) {
        torch.manual_seed(5);
        try (PointerScope scope = new PointerScope();
                Adam ours = new Adam(settings(weightDecay))) {
            Map<String, Tensor> mine = parameters();
            List<Tensor> theirs = mine.values().stream()
                    .map(tensor -> tensor.detach().clone().requires_grad_(true))
                    .toList();
            AdamOptions options = new AdamOptions(3e-3);
            // A C++ tuple, which lies in memory with its last element first.
            options.betas().put(0, 0.98);
            options.betas().put(1, 0.9);
            options.eps().put(1e-6);
            options.weight_decay().put(weightDecay);
            try (org.bytedeco.pytorch.Adam reference =
                    new org.bytedeco.pytorch.Adam(new TensorVector(theirs.toArray(new Tensor[0])), options)) {
                for (int step = 0; step < 20; step++) {
                    Map<String, Tensor> gradients = gradients(mine, step);
                    step(ours, mine, gradients);
                    int i = 0;
                    for (Tensor gradient : gradients.values()) {
                        theirs.get(i++).mutable_grad().put(gradient.clone());
                    }
                    reference.step();
                }
            }
            int i = 0;
            for (Tensor tensor : mine.values()) {
                assertThat(HostTensor.floats(tensor)).isEqualTo(HostTensor.floats(theirs.get(i++)));
            }
        }
    }

    @Test
    void goesOnFromItsState() {
        torch.manual_seed(6);
        try (PointerScope scope = new PointerScope();
                Adam whole = new Adam(settings(0));
                Adam before = new Adam(settings(0));
                Adam after = new Adam(settings(0))) {
            Map<String, Tensor> one = parameters();
            Map<String, Tensor> two = new LinkedHashMap<>();
            one.forEach((name, tensor) -> two.put(name, tensor.detach().clone()));
            for (int step = 0; step < 6; step++) {
                Map<String, Tensor> gradients = gradients(one, step);
                step(whole, one, gradients);
                if (step == 3) {
                    after.restore(before.steps(), two, new HashMap<>(before.state()));
                }
                step(step < 3 ? before : after, two, gradients);
            }
            one.forEach((name, tensor) ->
                    assertThat(HostTensor.floats(two.get(name))).isEqualTo(HostTensor.floats(tensor)));
            assertThatThrownBy(() -> after.restore(1, Map.of("matrix", two.get("vector")), before.state()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("does not fit what is trained");
        }
    }

    @Test
    void touchedRowsAreMovedAlone() {
        torch.manual_seed(7);
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard();
                Adam all = new Adam(settings(0));
                Adam touched = new Adam(settings(0))) {
            Tensor one = torch.randn(5, 3);
            Tensor other = one.clone();
            for (int step = 0; step < 4; step++) {
                Tensor gradient = torch.randn(5, 3);
                gradient.narrow(0, 1, 2).zero_();
                all.next();
                touched.next();
                all.update("z", one, gradient, 0.1);
                float[] before = HostTensor.floats(other);
                touched.updateTouched("z", other, gradient, 0.1);
                float[] after = HostTensor.floats(other);
                for (int i = 0; i < after.length; i++) {
                    boolean row = i / 3 == 1 || i / 3 == 2;
                    assertThat(after[i] == before[i]).as("element %d", i).isEqualTo(row);
                }
            }
            // Rows that always have a gradient go the same way; rows that never had one stay in both.
            assertThat(HostTensor.floats(other)).isEqualTo(HostTensor.floats(one));
            Tensor last = torch.randn(5, 3);
            last.narrow(0, 0, 1).zero_();
            all.next();
            touched.next();
            all.update("z", one, last, 0.1);
            touched.updateTouched("z", other, last, 0.1);
            // A row that had gradients and has none goes on with Adam and rests without.
            float[] moved = HostTensor.floats(one);
            float[] rested = HostTensor.floats(other);
            assertThat(rested[0]).isNotEqualTo(moved[0]);
            assertThat(rested[14]).isEqualTo(moved[14]);
        }
    }

    private static Map<String, Tensor> parameters() {
        Map<String, Tensor> parameters = new LinkedHashMap<>();
        parameters.put("matrix", torch.randn(33, 17));
        parameters.put("vector", torch.randn(70));
        parameters.put("scalar", torch.randn(new long[0]));
        return parameters;
    }

    /** Of very different sizes, as those of a run are. */
    private static Map<String, Tensor> gradients(Map<String, Tensor> parameters, int step) {
        Map<String, Tensor> gradients = new LinkedHashMap<>();
        parameters.forEach((name, tensor) -> gradients.put(
                name,
                torch.randn_like(tensor.detach()).mul(new org.bytedeco.pytorch.Scalar(Math.pow(10, step % 7 - 5)))));
        return gradients;
    }

    private static void step(Adam adam, Map<String, Tensor> parameters, Map<String, Tensor> gradients) {
        try (NoGradGuard noGraph = new NoGradGuard()) {
            adam.next();
            parameters.forEach((name, tensor) -> adam.update(name, tensor, gradients.get(name), 3e-3));
        }
    }
}
