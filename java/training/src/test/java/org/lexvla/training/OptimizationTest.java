package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
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

/** Whose memory an optimizer takes. */
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
