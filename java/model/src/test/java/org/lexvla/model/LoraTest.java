package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.testing.Golden;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@SuppressWarnings("try")
class LoraTest {
    private static final LlamaConfig BASE = LlamaTest.CONFIG;

    @TempDir
    Path directory;

    private static Tensor ids(RandomSource random) {
        return LibTorch.of(random.longs(14, 0, 40).toArray(), 2, 7);
    }

    /** Gives the B matrices numbers, which {@link Lora#create} leaves at zero. */
    private static void disturb(Lora lora) {
        try (NoGradGuard guard = new NoGradGuard()) {
            lora.parameters().values().forEach(parameter -> parameter.normal_(0, 0.5, null));
        }
    }

    @Test
    void newUpdatesLeaveTheModelExactlyAsItIs(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(BASE, random.nextLong(), Device.cpu());
                Lora lora = Lora.create(LoraConfig.standard(), BASE, random.nextLong(), Device.cpu())) {
            Tensor ids = ids(random);
            float[] base = Numbers.floats(model.forward(ids, null));
            model.attach(lora);
            assertThat(Numbers.floats(model.forward(ids, null))).isEqualTo(base);
            disturb(lora);
            assertThat(Numbers.floats(model.forward(ids, null))).isNotEqualTo(base);
            model.attach(null);
            assertThat(Numbers.floats(model.forward(ids, null))).isEqualTo(base);
        }
    }

    /** W + (α/r) B A in place of W must give the same. */
    @Test
    void anySubsetOfTheProjectionsAddsItsProduct(RandomSource random) {
        List<String> targets = LoraConfig.ALL_TARGETS.stream()
                .filter(target -> random.nextBoolean() || target.equals("v_proj"))
                .toList();
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(BASE, random.nextLong(), Device.cpu());
                Lora lora = Lora.create(new LoraConfig(3, 5, 0, targets), BASE, 1, Device.cpu())) {
            disturb(lora);
            Tensor ids = ids(random);
            model.attach(lora);
            Tensor updated = model.forward(ids, null);
            model.attach(null);
            assertThat(lora.parameters()).hasSize(2 * 2 * targets.size());
            try (NoGradGuard guard = new NoGradGuard()) {
                lora.parameters().forEach((name, a) -> {
                    if (name.endsWith("lora_A.weight")) {
                        Tensor b = lora.parameters().get(name.replace("lora_A", "lora_B"));
                        String matrix = name.replace("base_model.model.", "").replace("lora_A.weight", "weight");
                        model.parameters().get(matrix).add_(b.matmul(a).mul(new org.bytedeco.pytorch.Scalar(5 / 3.0)));
                    }
                });
            }
            Numbers.assertClose("hidden states", updated, model.forward(ids, null), 1e-4);
        }
    }

    @Test
    void mergedItIsTheSameAndUnmergedTheSameToTheBit(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(BASE, random.nextLong(), Device.cpu());
                Lora lora = Lora.create(
                        new LoraConfig(3, 5, 0, List.of("q_proj", "down_proj")),
                        BASE,
                        random.nextLong(),
                        Device.cpu())) {
            assertThatThrownBy(model::merge)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("no LoRA is attached");
            disturb(lora);
            Map<String, float[]> before = new LinkedHashMap<>();
            model.parameters().forEach((name, tensor) -> before.put(name, Numbers.floats(tensor)));
            Tensor ids = ids(random);
            model.attach(lora);
            Tensor beside = model.forward(ids, null);
            model.merge();
            assertThat(model.merged()).isTrue();
            Tensor merged = model.forward(ids, null);
            Numbers.assertClose("hidden states", merged, beside, 1e-4);
            assertThat(merged.requires_grad()).isFalse();
            model.parameters().forEach((name, tensor) -> {
                boolean target = name.contains("q_proj") || name.contains("down_proj");
                assertThat(Arrays.equals(Numbers.floats(tensor), before.get(name)))
                        .as("%s is unchanged", name)
                        .isEqualTo(!target);
            });
            // Written now, it is a plain model.
            model.save(directory);
            try (Llama plain = Llama.load(directory, Device.cpu(), null)) {
                assertThat(Numbers.floats(plain.forward(ids, null))).isEqualTo(Numbers.floats(merged));
            }
            for (ThrowingCallable use :
                    List.<ThrowingCallable>of(model::merge, () -> model.attach(null), () -> model.setTrainable(true))) {
                assertThatThrownBy(use)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("unmerge it");
            }
            model.unmerge();
            model.parameters()
                    .forEach((name, tensor) ->
                            assertThat(Numbers.floats(tensor)).as(name).isEqualTo(before.get(name)));
            assertThat(Numbers.floats(model.forward(ids, null))).isEqualTo(Numbers.floats(beside));
            model.merge();
        }
    }

    /** W + (α/r) B A is computed in float32 and rounded once: at most half a unit of bfloat16 away. */
    @Test
    void mergingIntoBfloat16RoundsOnce(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama exact = Llama.random(BASE, random.nextLong(), Device.cpu());
                Lora lora = Lora.create(LoraConfig.standard(), BASE, random.nextLong(), Device.cpu())) {
            disturb(lora);
            exact.save(directory);
            try (Llama half = Llama.load(directory, Device.cpu(), ScalarType.BFloat16)) {
                Map<String, Tensor> rounded = Map.copyOf(half.parameters());
                half.attach(lora);
                half.merge();
                String name = "model.layers.1.self_attn.v_proj.weight";
                String update = "base_model.model.model.layers.1.self_attn.v_proj.lora_";
                Tensor a = lora.parameters().get(update + "A.weight").detach();
                Tensor b = lora.parameters().get(update + "B.weight").detach();
                float[] sum = Numbers.floats(
                        rounded.get(name).to(ScalarType.Float).add(b.matmul(a), new org.bytedeco.pytorch.Scalar(2)));
                float[] merged = Numbers.floats(half.parameters().get(name));
                assertThat(half.parameters().get(name).scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
                for (int i = 0; i < sum.length; i++) {
                    assertThat((double) merged[i]).isCloseTo(sum[i], within(Math.abs(sum[i]) / 256 + 1e-6));
                }
            }
        }
    }

    @Test
    void onlyTheUpdatesHaveGradients(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(BASE, 1, Device.cpu());
                Lora lora = Lora.create(LoraConfig.standard(), BASE, 1, Device.cpu())) {
            disturb(lora);
            model.attach(lora);
            Tensor hidden = model.forward(ids(random), null);
            hidden.mul(hidden.detach().add(LibTorch.ONE)).sum().backward();
            model.parameters()
                    .values()
                    .forEach(p -> assertThat(p.grad().defined()).isFalse());
            lora.parameters().forEach((name, p) -> {
                assertThat(p.grad().defined()).as(name).isTrue();
                assertThat(Numbers.floats(p.grad())).as(name).isNotEqualTo(new float[(int) p.numel()]);
            });
        }
    }

    @Test
    void dropoutActsInTrainingOnly(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(BASE, 1, Device.cpu());
                Lora lora =
                        Lora.create(new LoraConfig(2, 4, 0.5, List.of("q_proj", "v_proj")), BASE, 1, Device.cpu())) {
            disturb(lora);
            model.attach(lora);
            Tensor ids = ids(random);
            float[] still = Numbers.floats(model.forward(ids, null));
            assertThat(Numbers.floats(model.forward(ids, null))).isEqualTo(still);
            lora.setTraining(true);
            assertThat(Numbers.floats(model.forward(ids, null))).isNotEqualTo(still);
        }
    }

    @Test
    void whatIsSavedIsLoaded(RandomSource random) {
        LoraConfig config = new LoraConfig(3, 4.5, 0.25, List.of("down_proj", "q_proj"));
        try (PointerScope scope = new PointerScope();
                Lora lora = Lora.create(config, BASE, random.nextLong(), Device.cpu())) {
            disturb(lora);
            lora.save(directory);
            try (Lora loaded = Lora.load(directory, BASE, Device.cpu())) {
                assertThat(loaded.config()).isEqualTo(config);
                assertThat(loaded.parameters().keySet())
                        .isEqualTo(lora.parameters().keySet());
                lora.parameters().forEach((name, parameter) -> {
                    Tensor other = loaded.parameters().get(name);
                    assertThat(Numbers.floats(other)).isEqualTo(Numbers.floats(parameter));
                    assertThat(other.requires_grad()).isTrue();
                });
            }
        }
    }

    /** What PEFT wrote and we write again has the same tensors and, where we know the key, the same configuration. */
    @Test
    void writesTheNamesOfPeft() {
        for (String name : List.of("tiny-mha", "tiny-gqa")) {
            writesTheNamesOfPeft(Golden.directory().resolve("llama/" + name + "-lora"), name);
        }
    }

    private void writesTheNamesOfPeft(Path golden, String model) {
        LlamaConfig base = LlamaConfig.load(Golden.directory().resolve("llama/" + model));
        try (Lora lora = Lora.load(golden, base, Device.cpu())) {
            lora.save(directory);
        }
        ConfigJson theirs = ConfigJson.read(golden.resolve("adapter_config.json"));
        ConfigJson ours = ConfigJson.read(directory.resolve("adapter_config.json"));
        for (String key :
                List.of("peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "target_modules")) {
            assertThat(ours.node(key)).as(key).isEqualTo(theirs.node(key));
        }
        try (PointerScope scope = new PointerScope();
                Safetensors a = Safetensors.open(golden.resolve("adapter_model.safetensors"));
                Safetensors b = Safetensors.open(directory.resolve("adapter_model.safetensors"))) {
            assertThat(b.names()).isEqualTo(Set.copyOf(a.names()));
            for (String name : a.names()) {
                assertThat(b.shape(name)).isEqualTo(a.shape(name));
                assertThat(Numbers.floats(b.tensor(name, Device.cpu())))
                        .isEqualTo(Numbers.floats(a.tensor(name, Device.cpu())));
            }
        }
    }

    @Test
    void configurationsThatAskForMoreAreRefused() throws IOException {
        Map<String, String> wrong = Map.of(
                "\"peft_type\": \"LOHA\"", "peft_type",
                "\"use_rslora\": true", "use_rslora",
                "\"use_dora\": true", "use_dora",
                "\"bias\": \"all\"", "bias",
                "\"rank_pattern\": {\"q_proj\": 4}", "rank_pattern",
                "\"modules_to_save\": [\"lm_head\"]", "modules_to_save",
                "\"r\": 0", "r = 0");
        for (Map.Entry<String, String> entry : wrong.entrySet()) {
            String rest = entry.getKey().startsWith("\"r\"") ? "" : ", \"r\": 8";
            Files.writeString(
                    directory.resolve("adapter_config.json"),
                    "{" + entry.getKey() + rest + ", \"target_modules\": [\"q_proj\"]}");
            assertThatThrownBy(() -> LoraConfig.load(directory))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("adapter_config.json has " + entry.getValue());
        }
        Files.writeString(directory.resolve("adapter_config.json"), "{\"r\": 8, \"target_modules\": [\"lm_head\"]}");
        assertThatThrownBy(() -> LoraConfig.load(directory))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("lm_head")
                .hasMessageContaining("q_proj, k_proj");
    }

    @Test
    void updatesOfAnotherModelAreRefused() {
        LlamaConfig other = LlamaConfig.of(40, 32, 24, 2, 2, 12);
        try (Llama model = Llama.random(BASE, 1, Device.cpu());
                Lora lora = Lora.create(LoraConfig.standard(), other, 1, Device.cpu())) {
            assertThatThrownBy(() -> model.attach(lora))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("hiddenSize=32")
                    .hasMessageContaining("hiddenSize=16");
            lora.save(directory);
            assertThatThrownBy(() -> Lora.load(directory, BASE, Device.cpu()).close())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("has shape [8, 32], expected [8, 16]");
        }
    }

    @Test
    void closedUpdatesSaySo(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(BASE, 1, Device.cpu())) {
            Lora lora = Lora.create(LoraConfig.standard(), BASE, 1, Device.cpu());
            model.attach(lora);
            lora.close();
            assertThatThrownBy(() -> model.forward(ids(random), null))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("LoRA has been closed");
        }
    }
}
