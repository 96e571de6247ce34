package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** Checkpointed passes against plain ones: the same numbers to the bit, less memory, nothing left behind. */
@Seeded
@SuppressWarnings("try")
class CheckpointingTest {
    private static final LlamaConfig TEXT = new LlamaConfig(40, 16, 24, 3, 4, 2, 1e-5, 10000, 12, false);

    private static Tensor ids(RandomSource random, int batch, int tokens) {
        return LibTorch.of(random.longs((long) batch * tokens, 0, 40).toArray(), batch, tokens);
    }

    private static Map<String, float[]> gradients(Map<String, Tensor> parameters) {
        Map<String, float[]> gradients = new LinkedHashMap<>();
        parameters.forEach((name, parameter) -> {
            gradients.put(name, parameter.grad().defined() ? Numbers.floats(parameter.grad()) : null);
            parameter.mutable_grad().reset();
        });
        return gradients;
    }

    /** A loss in which every number counts differently. */
    private static Tensor loss(Tensor tokens, Tensor weights) {
        return tokens.mul(weights).pow(new Scalar(2)).sum();
    }

    private static Lora disturbed(double dropout, RandomSource random) {
        Lora lora = Lora.create(
                new LoraConfig(2, 4, dropout, LoraConfig.ALL_TARGETS), TEXT, random.nextLong(), Device.cpu());
        try (NoGradGuard guard = new NoGradGuard()) {
            lora.parameters().values().forEach(parameter -> parameter.normal_(0, 0.5, null));
        }
        return lora;
    }

    private static void compareText(boolean trainable, double dropout, Tensor mask, RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(TEXT, random.nextLong(), Device.cpu());
                Lora lora = disturbed(dropout, random)) {
            model.attach(lora);
            model.setTrainable(trainable);
            lora.setTraining(true);
            Map<String, Tensor> all = new LinkedHashMap<>(model.parameters());
            all.putAll(lora.parameters());
            Tensor ids = ids(random, 2, 7);
            Tensor weights = LibTorch.of(random.gaussians(2 * 7 * 16), 2, 7, 16);
            torch.manual_seed(3);
            Tensor plain = model.forward(ids, mask);
            loss(plain, weights).backward();
            Tensor after = torch.rand(4);
            Map<String, float[]> expected = gradients(all);
            model.setCheckpointing(true);
            torch.manual_seed(3);
            Tensor hidden = model.forward(ids, mask);
            assertThat(Numbers.floats(hidden)).isEqualTo(Numbers.floats(plain));
            loss(hidden, weights).backward();
            assertThat(gradients(all)).usingRecursiveComparison().isEqualTo(expected);
            assertThat(Numbers.floats(torch.rand(4)))
                    .as("random numbers after the step")
                    .isEqualTo(Numbers.floats(after));
            // The output matrix takes no part in hidden states.
            assertThat(expected.values().stream()
                            .filter(gradient -> gradient != null)
                            .count())
                    .isEqualTo(trainable ? all.size() - 1 : lora.parameters().size());
        }
    }

    @Test
    void gradientsOfALanguageModelAreTheSame(RandomSource random) {
        compareText(false, 0, null, random);
        compareText(true, 0, null, random);
        Tensor left = LibTorch.of(new long[] {0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 2, 7);
        compareText(false, 0, left, random);
        // The inputs that LoRA drops are the same the second time.
        compareText(false, 0.5, null, random);
        compareText(true, 0.3, left, random);
    }

    @Test
    void gradientsOfAVisualEncoderAreTheSame(RandomSource random) {
        DinoV2Config config =
                new DinoV2Config(16, 3, 2, 4, 4, 16, 3, 1e-6, true, true, 2, DinoV2Config.Interpolation.OFFSET);
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(config, random.nextLong(), Device.cpu())) {
            Tensor pixels =
                    LibTorch.of(random.gaussians(2 * 3 * 16 * 8), 2, 3, 16, 8).requires_grad_(true);
            Tensor weights = LibTorch.of(random.gaussians(2 * 9 * 16), 2, 9, 16);
            for (boolean trainable : new boolean[] {true, false}) {
                model.setTrainable(trainable);
                Map<String, Tensor> all = new LinkedHashMap<>(model.parameters());
                all.put("pixels", pixels);
                model.setCheckpointing(false);
                loss(model.forward(pixels), weights).backward();
                Map<String, float[]> expected = gradients(all);
                model.setCheckpointing(true);
                loss(model.forward(pixels), weights).backward();
                assertThat(gradients(all)).usingRecursiveComparison().isEqualTo(expected);
                assertThat(expected.get("pixels")).isNotNull();
            }
        }
    }

    @Test
    void withoutAnythingToTrainThereIsNoGraph(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(TEXT, 1, Device.cpu())) {
            model.setCheckpointing(true);
            assertThat(model.forward(ids(random, 1, 3), null).requires_grad()).isFalse();
            model.setTrainable(true);
            try (NoGradGuard guard = new NoGradGuard()) {
                assertThat(model.forward(ids(random, 1, 3), null).requires_grad())
                        .isFalse();
            }
        }
    }

    @Test
    void aPassIsGoneThroughOnce(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(TEXT, 1, Device.cpu())) {
            model.setTrainable(true);
            model.setCheckpointing(true);
            Tensor loss = model.forward(ids(random, 1, 3), null).sum();
            Tensor one = torch.ones(new long[0]);
            loss.backward(one, new BoolOptional(true), false, new TensorArrayRefOptional());
            assertThatThrownBy(() -> loss.backward(one, new BoolOptional(true), false, new TensorArrayRefOptional()))
                    .hasMessageContaining("a second time");
        }
    }

    /** As with a plain pass: what the backward needs outlives the scope of the forward. */
    @Test
    void theBackwardMayComeAfterTheScopeOfTheForward(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(TEXT, 1, Device.cpu())) {
            model.setTrainable(true);
            model.setCheckpointing(true);
            Tensor ids = ids(random, 2, 5);
            Tensor mask = LibTorch.of(new long[] {0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 2, 5);
            Tensor loss;
            try (PointerScope inner = new PointerScope()) {
                loss = LibTorch.keep(model.forward(ids, mask).sum());
            }
            // Passes whose outputs are gone are freed by the next one; this one's is not gone.
            for (int i = 0; i < 3; i++) {
                try (PointerScope inner = new PointerScope()) {
                    model.forward(ids, null);
                }
            }
            loss.backward();
            loss.close();
            assertThat(model.parameters()
                            .get("model.layers.0.mlp.up_proj.weight")
                            .grad()
                            .defined())
                    .isTrue();
        }
    }

    @Test
    void passesLeaveNothingBehind(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(TEXT, 1, Device.cpu());
                Lora lora = disturbed(0.5, random)) {
            model.attach(lora);
            lora.setTraining(true);
            model.setCheckpointing(true);
            Tensor ids = ids(random, 2, 5);
            for (int i = 0; i < 3; i++) {
                step(model, ids, i % 2 == 0);
            }
            long pointers = Pointer.totalCount();
            for (int i = 0; i < 20; i++) {
                step(model, ids, i % 2 == 1);
            }
            step(model, ids, true);
            assertThat(Pointer.totalCount() - pointers)
                    .as("pointers left behind")
                    .isLessThanOrEqualTo(0);
        }
    }

    private static void step(Llama model, Tensor ids, boolean backward) {
        try (PointerScope scope = new PointerScope()) {
            Tensor loss = model.forward(ids, null).sum();
            if (backward) {
                loss.backward();
            }
        }
    }

    /**
     * What a pass holds falls from everything in all blocks to one input for each. Tensors of more than 32 MiB: the C library gives
     * their memory back when they are freed, so that the process shows what is held.
     */
    @Test
    void memoryOfAPassFalls() {
        int blocks = 3;
        int width = 32;
        int batch = 8200;
        int tokens = 32;
        long input = (long) batch * tokens * width * Float.BYTES;
        assertThat(input).isGreaterThan(32 << 20);
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(LlamaConfig.of(40, width, width, blocks, 2, tokens), 1, Device.cpu())) {
            model.setTrainable(true);
            Tensor ids = LibTorch.of(new long[batch * tokens], batch, tokens);
            heldByAPass(model, ids);
            long all = heldByAPass(model, ids);
            model.setCheckpointing(true);
            long checkpointed = heldByAPass(model, ids);
            // Of each block the graph keeps at least the inputs of norms, matrices, attention and SwiGLU.
            assertThat(all).isGreaterThan(10 * blocks * input);
            // Inputs, output, and what the final norm makes of it.
            assertThat(checkpointed).isLessThan((blocks + 4) * input);
        }
    }

    private static long heldByAPass(Llama model, Tensor ids) {
        try (PointerScope scope = new PointerScope()) {
            long before = Pointer.physicalBytes();
            Tensor hidden = model.forward(ids, null);
            long held = Pointer.physicalBytes() - before;
            assertThat(hidden.requires_grad()).isTrue();
            return held;
        }
    }

    @Test
    void errorsInTheBackwardAreReported(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(TEXT, 1, Device.cpu())) {
            Lora lora = disturbed(0, random);
            model.attach(lora);
            model.setCheckpointing(true);
            Tensor loss = model.forward(ids(random, 1, 3), null).sum();
            lora.close();
            assertThatThrownBy(loss::backward).hasMessageContaining("LoRA has been closed");
        }
    }
}
