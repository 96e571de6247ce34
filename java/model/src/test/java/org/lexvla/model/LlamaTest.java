package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@SuppressWarnings("try")
class LlamaTest {
    static final LlamaConfig CONFIG = LlamaConfig.of(40, 16, 24, 2, 2, 12);

    @TempDir
    Path directory;

    private static Tensor ids(RandomSource random, int batch, int tokens) {
        return LibTorch.of(random.longs((long) batch * tokens, 0, 40).toArray(), batch, tokens);
    }

    @Test
    void whatIsSavedIsLoaded(RandomSource random) throws IOException {
        for (boolean tied : new boolean[] {false, true}) {
            LlamaConfig config = new LlamaConfig(40, 16, 24, 2, 4, 2, 1e-5, 500, 12, tied);
            Path a = directory.resolve("a" + tied);
            Path b = directory.resolve("b" + tied);
            try (PointerScope scope = new PointerScope();
                    Llama model = Llama.random(config, random.nextLong(), Device.cpu())) {
                model.save(a);
                try (Llama loaded = Llama.load(a, Device.cpu(), null)) {
                    assertThat(loaded.config()).isEqualTo(config);
                    Tensor ids = ids(random, 2, 5);
                    assertThat(Numbers.floats(loaded.logits(loaded.forward(ids, null))))
                            .isEqualTo(Numbers.floats(model.logits(model.forward(ids, null))));
                    assertThat(Numbers.floats(loaded.outputMatrix())).isEqualTo(Numbers.floats(model.outputMatrix()));
                    loaded.save(b);
                }
            }
            for (String file : new String[] {"config.json", "model.safetensors"}) {
                assertThat(Files.mismatch(a.resolve(file), b.resolve(file))).isEqualTo(-1);
            }
        }
    }

    @Test
    void sizeOfLlama2() {
        LlamaConfig config = LlamaConfig.of(32000, 4096, 11008, 32, 32, 4096);
        assertThat(config.parameterCount()).isEqualTo(6_738_415_616L);
        assertThat(Lora.parameterCount(LoraConfig.standard(), config)).isEqualTo(19_988_480L);
    }

    @Test
    void configurationsOfMeta() throws IOException {
        Path file = directory.resolve("params.json");
        Files.writeString(
                file,
                "{\"dim\": 4096, \"multiple_of\": 256, \"n_heads\": 32, \"n_layers\": 32, \"norm_eps\": 1e-05,"
                        + " \"vocab_size\": 32000}");
        assertThat(LlamaConfig.load(directory)).isEqualTo(LlamaConfig.of(32000, 4096, 11008, 32, 32, 4096));
        Files.writeString(
                file,
                "{\"dim\": 8192, \"multiple_of\": 4096, \"ffn_dim_multiplier\": 1.3, \"n_heads\": 64, \"n_kv_heads\": 8,"
                        + " \"n_layers\": 80, \"norm_eps\": 1e-05, \"vocab_size\": 32000}");
        assertThat(LlamaConfig.load(directory))
                .isEqualTo(new LlamaConfig(32000, 8192, 28672, 80, 64, 8, 1e-5, 10000, 4096, false));
        Files.writeString(file, "{\"dim\": 16, \"n_heads\": 2, \"n_layers\": 1, \"vocab_size\": -1}");
        assertThatThrownBy(() -> LlamaConfig.load(directory)).hasMessageContaining("no weights at");
        saveChanged(tensors -> {});
        Files.delete(directory.resolve("config.json"));
        assertThatThrownBy(() -> LlamaConfig.load(directory)).hasMessageContaining("no tensor tok_embeddings.weight");
        Files.delete(directory.resolve("model.safetensors"));
        Files.writeString(directory.resolve("consolidated.00.pth"), "");
        assertThatThrownBy(() -> LlamaConfig.load(directory))
                .hasMessageContaining("pickled weights are not read")
                .hasMessageContaining("convert_llama_weights_to_hf.py");
        Files.writeString(directory.resolve("consolidated.01.safetensors"), "");
        assertThatThrownBy(() -> LlamaConfig.load(directory))
                .hasMessageContaining("merge them into one")
                .hasMessageContaining("convert_llama_weights_to_hf.py");
    }

    @Test
    void headsThatDoNotFitAreRefused() {
        assertThatThrownBy(() -> LlamaConfig.of(40, 16, 24, 2, 3, 12)).hasMessageContaining("hidden_size 16 over 3");
        assertThatThrownBy(() -> new LlamaConfig(40, 16, 24, 2, 4, 3, 1e-5, 500, 12, false))
                .hasMessageContaining("4 is not a multiple of its 3 num_key_value_heads");
        assertThatThrownBy(() -> LlamaConfig.of(40, 16, 24, 2, 0, 12)).hasMessageContaining("heads 0");
        // Fewer key/value heads than the weights have.
        saveChanged(tensors -> {});
        new LlamaConfig(40, 16, 24, 2, 2, 1, 1e-5, 10000, 12, false).save(directory);
        assertThatThrownBy(() -> Llama.load(directory, Device.cpu(), null).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("self_attn.k_proj.weight has shape [16, 16], expected [8, 16]")
                .hasMessageContaining("config and weights must come from the same model");
    }

    @Test
    void aMissingShardIsNamed() throws IOException {
        saveChanged(tensors -> {});
        Files.move(directory.resolve("model.safetensors"), directory.resolve("model-00001-of-00002.safetensors"));
        Files.writeString(
                directory.resolve("model.safetensors.index.json"),
                "{\"weight_map\": {\"model.norm.weight\": \"model-00001-of-00002.safetensors\","
                        + " \"lm_head.weight\": \"model-00002-of-00002.safetensors\"}}");
        assertThatThrownBy(() -> Llama.load(directory, Device.cpu(), null).close())
                .hasMessageContaining("model-00002-of-00002.safetensors is missing")
                .hasMessageContaining("lm_head.weight");
    }

    /** The same sentence alone, with padding on the right, on the left and on both sides. */
    @Test
    void paddingDoesNotMatter(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(CONFIG, random.nextLong(), Device.cpu())) {
            int length = 4;
            long[] sentence = random.longs(length, 1, 40).toArray();
            Tensor alone = model.forward(LibTorch.of(sentence, 1, length), null);
            int width = 9;
            long[] ids = new long[4 * width];
            long[] mask = new long[4 * width];
            int[] starts = {0, 5, 2};
            for (int row = 0; row < starts.length; row++) {
                for (int i = 0; i < length; i++) {
                    ids[row * width + starts[row] + i] = sentence[i];
                    mask[row * width + starts[row] + i] = 1;
                }
            }
            // The fourth row is padding throughout, which must not spoil the others.
            Tensor padded = model.forward(LibTorch.of(ids, 4, width), LibTorch.of(mask, 4, width));
            for (int row = 0; row < starts.length; row++) {
                Numbers.assertClose("row " + row, padded.narrow(0, row, 1).narrow(1, starts[row], length), alone, 1e-5);
            }
            for (float value : Numbers.floats(padded)) {
                assertThat(value).isFinite();
            }
        }
    }

    @Test
    void aTokenSeesOnlyThoseBeforeIt(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(CONFIG, random.nextLong(), Device.cpu())) {
            Tensor a = model.forward(LibTorch.of(new long[] {1, 2, 3, 4}, 1, 4), null);
            Tensor b = model.forward(LibTorch.of(new long[] {1, 2, 3, 5}, 1, 4), null);
            Numbers.assertClose("tokens before", a.narrow(1, 0, 3), b.narrow(1, 0, 3), 1e-6);
            assertThat(Numbers.distance(a.narrow(1, 3, 1), b.narrow(1, 3, 1))).isGreaterThan(1e-3);
        }
    }

    @Test
    void onlyATrainableModelHasGradients(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(CONFIG, 1, Device.cpu())) {
            Tensor ids = ids(random, 2, 5);
            assertThat(model.forward(ids, null).requires_grad()).isFalse();
            model.setTrainable(true);
            model.logits(model.forward(ids, null)).pow(LibTorch.ONE).sum().backward();
            model.parameters()
                    .forEach((name, parameter) ->
                            assertThat(parameter.grad().defined()).as(name).isTrue());
        }
    }

    @Test
    void bfloat16IsCloseToFloat32(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(CONFIG, 1, Device.cpu())) {
            model.save(directory);
            try (Llama half = Llama.load(directory, Device.cpu(), ScalarType.BFloat16);
                    Lora lora = Lora.create(LoraConfig.standard(), CONFIG, 1, Device.cpu())) {
                Tensor ids = ids(random, 2, 5);
                Tensor hidden = half.forward(ids, null);
                assertThat(hidden.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
                Numbers.assertClose("hidden", hidden, model.forward(ids, null), 0.15);
                half.save(directory.resolve("half"));
                assertThat(directory.resolve("half/config.json")).content().contains("\"torch_dtype\" : \"bfloat16\"");
                // Float32 updates of a bfloat16 model: B = 0 changes nothing.
                half.attach(lora);
                assertThat(Numbers.floats(half.forward(ids, null))).isEqualTo(Numbers.floats(hidden));
            }
        }
    }

    private void saveChanged(Consumer<Map<String, Tensor>> change) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(CONFIG, 1, Device.cpu())) {
            model.save(directory);
            Map<String, Tensor> tensors = new LinkedHashMap<>(model.parameters());
            change.accept(tensors);
            Safetensors.write(directory.resolve("model.safetensors"), tensors, Map.of());
        }
    }

    @Test
    void frequenciesOfOldCheckpointsAreIgnored() {
        saveChanged(
                tensors -> tensors.put("model.layers.0.self_attn.rotary_emb.inv_freq", LibTorch.of(new float[4], 4)));
        Llama.load(directory, Device.cpu(), null).close();
    }

    @Test
    void missingUnknownAndMisshapenTensorsAreNamed() {
        saveChanged(tensors -> tensors.remove("lm_head.weight"));
        assertThatThrownBy(() -> Llama.load(directory, Device.cpu(), null).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("lack 1 of 21 tensors: lm_head.weight");
        saveChanged(tensors -> tensors.put("model.layers.0.self_attn.q_proj.bias", LibTorch.of(new float[16], 16)));
        assertThatThrownBy(() -> Llama.load(directory, Device.cpu(), null).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("unknown tensors: model.layers.0.self_attn.q_proj.bias");
        try (Warnings warnings = new Warnings(Parameters.class)) {
            Llama.load(directory, Device.cpu(), null, UnknownTensors.LEAVE_OUT).close();
            assertThat(warnings.messages())
                    .singleElement()
                    .asString()
                    .contains("1 tensors that the model leaves out: model.layers.0.self_attn.q_proj.bias");
        }
        saveChanged(tensors -> tensors.put("model.norm.weight", LibTorch.of(new float[8], 8)));
        assertThatThrownBy(() -> Llama.load(directory, Device.cpu(), null).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("model.norm.weight has shape [8], expected [16]");
    }

    @Test
    void wrongInputsAreRefused() {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.random(CONFIG, 1, Device.cpu())) {
            Tensor ids = LibTorch.of(new long[] {1, 40}, 1, 2);
            assertThatThrownBy(() -> model.forward(ids, null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("token id 40 is not one of the model's 40");
            assertThatThrownBy(() -> model.forward(LibTorch.of(new long[] {-1}, 1, 1), null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("token id -1");
            assertThatThrownBy(() -> model.forward(LibTorch.of(new long[13], 1, 13), null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("13 tokens, the context is 12");
            assertThatThrownBy(() -> model.forward(LibTorch.of(new long[3], 3), null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("[batch, tokens]");
            assertThatThrownBy(() -> model.forward(LibTorch.of(new long[0], 1, 0), null))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> model.forward(LibTorch.of(new float[2], 1, 2), null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("int64");
            assertThatThrownBy(() -> model.forward(LibTorch.of(new long[2], 1, 2), LibTorch.of(new long[3], 1, 3)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("attention mask");
        }
    }

    @Test
    void closedModelSaysSo() {
        try (PointerScope scope = new PointerScope()) {
            Llama model = Llama.random(CONFIG, 1, Device.cpu());
            model.close();
            model.close();
            assertThatThrownBy(() -> model.forward(LibTorch.of(new long[1], 1, 1), null))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("Llama has been closed");
        }
    }
}
