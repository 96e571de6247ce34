package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@SuppressWarnings("try")
class DinoV2Test {
    private static final DinoV2Config CONFIG = DinoV2Config.of(16, 2, 2, 4, 16);

    @TempDir
    Path directory;

    private static Tensor pixels(RandomSource random, int batch, int height, int width) {
        return LibTorch.of(random.gaussians(batch * 3 * height * width), batch, 3, height, width);
    }

    @ParameterizedTest
    @CsvSource({"false, 0", "true, 0", "false, 2"})
    void whatIsSavedIsLoaded(boolean swiGlu, int registers, RandomSource random) throws IOException {
        DinoV2Config config =
                new DinoV2Config(16, 2, 2, 4, 4, 16, 3, 1e-6, true, swiGlu, registers, DinoV2Config.Interpolation.SIZE);
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(config, random.nextLong(), Device.cpu())) {
            model.save(directory.resolve("a"));
            try (DinoV2 loaded = DinoV2.load(directory.resolve("a"), Device.cpu(), null)) {
                assertThat(loaded.config()).isEqualTo(config);
                Tensor pixels = pixels(random, 2, 16, 24);
                assertThat(Numbers.floats(loaded.forward(pixels))).isEqualTo(Numbers.floats(model.forward(pixels)));
                loaded.save(directory.resolve("b"));
            }
        }
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            assertThat(Files.mismatch(
                            directory.resolve("a").resolve(file),
                            directory.resolve("b").resolve(file)))
                    .isEqualTo(-1);
        }
    }

    @Test
    void theSeedDecides() {
        try (PointerScope scope = new PointerScope();
                DinoV2 a = DinoV2.random(CONFIG, 1, Device.cpu());
                DinoV2 b = DinoV2.random(CONFIG, 1, Device.cpu());
                DinoV2 c = DinoV2.random(CONFIG, 2, Device.cpu())) {
            String name = "encoder.layer.1.mlp.fc1.weight";
            float[] numbers = Numbers.floats(a.parameters().get(name));
            assertThat(Numbers.floats(b.parameters().get(name))).isEqualTo(numbers);
            assertThat(Numbers.floats(c.parameters().get(name))).isNotEqualTo(numbers);
        }
    }

    /** By configuration alone: nothing is allocated. */
    @ParameterizedTest
    @CsvSource({
        "384, 12, 6, false, 0, 22056576",
        "768, 12, 12, false, 0, 86580480",
        "768, 12, 12, false, 4, 86583552",
        "1024, 24, 16, false, 0, 304368640",
        "1536, 40, 24, true, 0, 1136480768"
    })
    void sizesOfThePublishedModels(int width, int layers, int heads, boolean swiGlu, int registers, long parameters) {
        DinoV2Config config = new DinoV2Config(
                width, layers, heads, 4, 14, 518, 3, 1e-6, true, swiGlu, registers, DinoV2Config.Interpolation.OFFSET);
        assertThat(config.parameterCount()).isEqualTo(parameters);
    }

    @Test
    void registersAreDropped(RandomSource random) {
        DinoV2Config config =
                new DinoV2Config(16, 1, 2, 4, 4, 16, 3, 1e-6, true, false, 3, DinoV2Config.Interpolation.ANTIALIAS);
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(config, 1, Device.cpu())) {
            Tensor pixels = pixels(random, 1, 8, 12);
            assertThat(LibTorch.shape(model.forward(pixels))).isEqualTo(new long[] {1, 1 + 6, 16});
            assertThat(LibTorch.shape(model.hiddenStates(pixels).get(1))).isEqualTo(new long[] {1, 1 + 3 + 6, 16});
        }
    }

    @Test
    void onlyATrainableModelHasGradients(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu())) {
            Tensor pixels = pixels(random, 1, 16, 16);
            assertThat(model.forward(pixels).requires_grad()).isFalse();
            model.setTrainable(true);
            model.forward(pixels).pow(new org.bytedeco.pytorch.Scalar(2)).sum().backward();
            model.parameters().forEach((name, parameter) -> {
                boolean used = !name.equals(DinoV2.MASK_TOKEN);
                assertThat(parameter.grad().defined()).as(name).isEqualTo(used);
            });
            model.setTrainable(false);
            assertThat(model.forward(pixels).requires_grad()).isFalse();
        }
    }

    @Test
    void bfloat16IsCloseToFloat32(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu())) {
            model.save(directory);
            try (DinoV2 half = DinoV2.load(directory, Device.cpu(), ScalarType.BFloat16)) {
                Tensor pixels = pixels(random, 2, 16, 16);
                Tensor tokens = half.forward(pixels);
                assertThat(tokens.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
                // A few roundings at 2^-8 of values of about 4.
                Numbers.assertClose("tokens", tokens, model.forward(pixels), 0.15);
            }
        }
    }

    @Test
    void picturesThatDoNotFitAreRefused() {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu())) {
            assertThatThrownBy(() -> model.forward(LibTorch.empty(ScalarType.Float, Device.cpu(), 1, 3, 16, 18)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("16 high and 18 wide")
                    .hasMessageContaining("patch size 4");
            for (int height : new int[] {0, 3}) {
                assertThatThrownBy(
                                () -> model.forward(LibTorch.empty(ScalarType.Float, Device.cpu(), 1, 3, height, 16)))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining(height + " high")
                        .hasMessageContaining("at least one patch");
            }
            assertThatThrownBy(() -> model.forward(LibTorch.empty(ScalarType.Float, Device.cpu(), 1, 1, 16, 16)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("[1, 1, 16, 16]");
        }
    }

    @Test
    void tensorOnAnotherDeviceIsRefused() {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu())) {
            // LibTorch's device without memory stands for any other one.
            DeviceOptional meta = new DeviceOptional(new org.bytedeco.pytorch.Device("meta"));
            Tensor pixels = torch.empty(new long[] {1, 3, 16, 16}, new TensorOptions().device(meta), null);
            assertThatThrownBy(() -> model.forward(pixels))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("picture batch is on meta, the model on cpu");
        }
    }

    @Test
    void deviceThatIsNotThereIsNamed() {
        saveChanged(tensors -> {});
        assertThatThrownBy(() -> DinoV2.load(directory, Device.cuda(99), null).close())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("cuda:99");
    }

    @Test
    void closedModelSaysSo() {
        try (PointerScope scope = new PointerScope()) {
            DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu());
            model.close();
            model.close();
            Tensor pixels = LibTorch.empty(ScalarType.Float, Device.cpu(), 1, 3, 16, 16);
            assertThatThrownBy(() -> model.forward(pixels))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("DINOv2 has been closed");
        }
    }

    private void saveChanged(Consumer<Map<String, Tensor>> change) {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu())) {
            model.save(directory);
            Map<String, Tensor> tensors = new LinkedHashMap<>(model.parameters());
            change.accept(tensors);
            Safetensors.write(directory.resolve("model.safetensors"), tensors, Map.of());
        }
    }

    private void assertRefused(Class<? extends Exception> type, String... parts) {
        assertThatThrownBy(() -> DinoV2.load(directory, Device.cpu(), null).close())
                .isInstanceOf(type)
                .hasMessageContaining(directory.toString())
                .message()
                .contains(parts);
    }

    @Test
    void missingTensorIsNamed() {
        saveChanged(tensors -> tensors.remove("encoder.layer.1.norm1.bias"));
        assertRefused(IllegalArgumentException.class, "lack 1 of", "encoder.layer.1.norm1.bias");
    }

    @Test
    void theMaskTokenMayBeMissing() {
        saveChanged(tensors -> tensors.remove(DinoV2.MASK_TOKEN));
        DinoV2.load(directory, Device.cpu(), null).close();
    }

    @Test
    void unknownTensorIsNamed() {
        saveChanged(tensors -> tensors.put("encoder.layer.2.norm1.bias", tensors.get("layernorm.bias")));
        assertRefused(IllegalArgumentException.class, "1 unknown", "encoder.layer.2.norm1.bias");
    }

    @Test
    void unknownTensorsMayBeLeftOut(RandomSource random) {
        saveChanged(tensors -> tensors.put("head.weight", tensors.get("layernorm.bias")));
        try (Warnings warnings = new Warnings(Parameters.class);
                PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu());
                DinoV2 loaded = DinoV2.load(directory, CONFIG, Device.cpu(), null, UnknownTensors.LEAVE_OUT)) {
            assertThat(warnings.messages()).singleElement().asString().contains("head.weight");
            Tensor pixels = pixels(random, 1, 16, 16);
            assertThat(Numbers.floats(loaded.forward(pixels))).isEqualTo(Numbers.floats(model.forward(pixels)));
        }
    }

    @Test
    void weightsThatAreNotFiniteAreWarnedOf() {
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            float[] spoilt = new float[16];
            spoilt[7] = value;
            saveChanged(tensors -> tensors.put("layernorm.bias", LibTorch.of(spoilt, 16)));
            try (Warnings warnings = new Warnings(Parameters.class)) {
                DinoV2.load(directory, Device.cpu(), null).close();
                assertThat(warnings.messages())
                        .singleElement()
                        .asString()
                        .contains(directory.toString())
                        .contains("NaN or infinite values in 1 tensors: layernorm.bias");
            }
        }
        // A sum that overflows is no such value.
        float[] large = new float[16];
        Arrays.fill(large, Float.MAX_VALUE);
        saveChanged(tensors -> tensors.put("layernorm.bias", LibTorch.of(large, 16)));
        try (Warnings warnings = new Warnings(Parameters.class)) {
            DinoV2.load(directory, Device.cpu(), null).close();
            assertThat(warnings.messages()).isEmpty();
        }
    }

    @Test
    void shapeThatIsNotThatOfTheConfigurationIsNamed() {
        saveChanged(tensors -> tensors.put("layernorm.bias", LibTorch.of(new float[12], 12)));
        assertRefused(IllegalArgumentException.class, "layernorm.bias has shape [12], expected [16]");
    }

    @Test
    void quantisedWeightsAreRefused() {
        saveChanged(tensors -> tensors.put("layernorm.bias", LibTorch.of(new long[16], 16)));
        assertRefused(IllegalArgumentException.class, "layernorm.bias has element type I64");
    }

    @Test
    void truncatedWeightsAreRefused() throws IOException {
        saveChanged(tensors -> {});
        Path file = directory.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        for (int length : new int[] {0, 7, 100, bytes.length / 2, bytes.length - 1}) {
            Files.write(file, Arrays.copyOf(bytes, length));
            assertRefused(IllegalArgumentException.class, "truncated");
        }
    }

    @Test
    void missingFilesAreNamed() throws IOException {
        assertRefused(UncheckedIOException.class, "config.json");
        saveChanged(tensors -> {});
        Files.delete(directory.resolve("model.safetensors"));
        assertRefused(UncheckedIOException.class, "model.safetensors");
    }

    @Test
    void theOriginalConfigurationSaysHowToInterpolate() throws IOException {
        Path file = directory.resolve("config.json");
        String shape = "\"embed_dim\": 16, \"depth\": 2, \"num_heads\": 2, \"patch_size\": 4, \"img_size\": 16";
        Files.writeString(file, "{" + shape + "}");
        assertThat(DinoV2Config.load(directory)).isEqualTo(CONFIG);
        Files.writeString(file, "{" + shape + ", \"interpolate_offset\": 0.0}");
        assertThat(DinoV2Config.load(directory)).isEqualTo(CONFIG.with(DinoV2Config.Interpolation.SIZE));
        Files.writeString(file, "{" + shape + ", \"interpolate_offset\": 0, \"interpolate_antialias\": true}");
        assertThat(DinoV2Config.load(directory)).isEqualTo(CONFIG.with(DinoV2Config.Interpolation.ANTIALIAS));
        for (String wrong : new String[] {
            "\"interpolate_offset\": 0.3",
            "\"interpolate_antialias\": true",
            "\"ffn_layer\": \"identity\"",
            "\"ffn_bias\": false",
            "\"block_chunks\": 4"
        }) {
            Files.writeString(file, "{" + shape + ", " + wrong + "}");
            assertThatThrownBy(() -> DinoV2Config.load(directory))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("config.json has ")
                    .hasMessageContaining("expected");
        }
    }

    /** A DINOv2 whose layer scale is ones, written by the names of a plain vision transformer, must give the same to the bit. */
    @ParameterizedTest
    @CsvSource({"'', pooler.dense.weight", "vit., classifier.weight"})
    void aPlainVisionTransformerIsRead(String prefix, String after, RandomSource random) throws IOException {
        DinoV2Config config =
                new DinoV2Config(16, 2, 2, 3, 4, 16, 3, 1e-12, true, false, 0, DinoV2Config.Interpolation.OFFSET);
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(config, random.nextLong(), Device.cpu())) {
            Map<String, Tensor> plain = new LinkedHashMap<>();
            model.parameters().forEach((name, tensor) -> {
                if (!name.endsWith("lambda1") && !name.equals(DinoV2.MASK_TOKEN)) {
                    plain.put(
                            prefix
                                    + name.replace("norm1", "layernorm_before")
                                            .replace("norm2", "layernorm_after")
                                            .replace("mlp.fc1", "intermediate.dense")
                                            .replace("mlp.fc2", "output.dense"),
                            tensor);
                }
            });
            plain.put(after, LibTorch.of(new float[16], 1, 16));
            Safetensors.write(directory.resolve("model.safetensors"), plain, Map.of());
            Files.writeString(
                    directory.resolve("config.json"),
                    "{\"model_type\": \"vit\", \"hidden_size\": 16, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
                            + " \"intermediate_size\": 48, \"patch_size\": 4, \"image_size\": 16}");
            try (DinoV2 loaded = DinoV2.load(directory, Device.cpu(), null)) {
                assertThat(loaded.config()).isEqualTo(config);
                Tensor pixels = pixels(random, 2, 16, 24);
                float[] expected = Numbers.floats(model.forward(pixels));
                assertThat(Numbers.floats(loaded.forward(pixels))).isEqualTo(expected);
                // It is saved, as after training, as the DINOv2 that it now is.
                loaded.save(directory.resolve("saved"));
                try (DinoV2 saved = DinoV2.load(directory.resolve("saved"), Device.cpu(), null)) {
                    assertThat(Numbers.floats(saved.forward(pixels))).isEqualTo(expected);
                }
            }
            plain.remove(prefix + "encoder.layer.1.layernorm_after.bias");
            Safetensors.write(directory.resolve("model.safetensors"), plain, Map.of());
            assertRefused(IllegalArgumentException.class, "lack 1 of", "encoder.layer.1.norm2.bias");
        }
    }

    @Test
    void aMatrixOfTheOriginalThatDoesNotFitIsNamed() throws IOException {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.random(CONFIG, 1, Device.cpu())) {
            Map<String, Tensor> original = new LinkedHashMap<>();
            DinoV2OriginalNames.parts(model.parameters().keySet())
                    .forEach((name, part) ->
                            original.put(part.in(), model.parameters().get(name)));
            CONFIG.save(directory);
            Safetensors.write(directory.resolve("model.safetensors"), original, Map.of());
        }
        // Of query, key and value only one was written.
        assertRefused(
                IllegalArgumentException.class,
                "blocks.0.attn.qkv.weight",
                "has shape [16, 16], expected 3 matrices of as many rows, stacked");
    }

    @Test
    void wrongConfigurationsAreNamed() throws IOException {
        String[][] cases = {
            {"{\"hidden_size\": 16", "not proper JSON"},
            {"{\"model_type\": \"swin\"}", "model_type"},
            {"{\"hidden_size\": \"x\"}", "hidden_size = \"x\""},
            {"{\"hidden_size\": -3}", "hidden_size = -3"},
            {"{}", "hidden_size = nothing"},
            {"{\"hidden_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 3}", "not a multiple"},
            {"{\"hidden_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 0}", "num_attention_heads = 0"},
        };
        for (String[] wrong : cases) {
            Files.writeString(directory.resolve("config.json"), wrong[0]);
            assertThatThrownBy(() -> DinoV2Config.load(directory))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(wrong[1]);
        }
    }
}
