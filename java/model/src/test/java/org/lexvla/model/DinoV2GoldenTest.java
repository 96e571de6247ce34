package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.lexvla.lexical.Device;
import org.lexvla.testing.Golden;

/**
 * Every {@code golden/dinov2/hf-*} as transformers computes it and every {@code native-*} as the original code does: position
 * embeddings, hidden states of all blocks, outputs, attentions, gradients.
 */
@SuppressWarnings("try")
class DinoV2GoldenTest {
    /** The recommended bound for hidden states, whose values go up to 7.5. */
    private static final double BOUND = 5e-5;
    /** The recommended bound for gradients. */
    private static final double GRADIENT_BOUND = 2e-6;

    @TempDir
    Path temporary;

    private static Stream<Path> files(String directories, String name) {
        try (Stream<Path> all = Files.walk(Golden.directory().resolve("dinov2"), 2)) {
            List<Path> found = all.filter(
                            file -> file.getParent().getFileName().toString().startsWith(directories))
                    .filter(file -> file.getFileName().toString().matches(name))
                    .sorted()
                    .toList();
            assertThat(found).isNotEmpty();
            return found.stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Stream<Path> huggingFace() {
        return files("hf-", "expected.*\\.safetensors");
    }

    static Stream<Path> original() {
        return files("native-", "expected\\.safetensors");
    }

    static Stream<Path> gradients() {
        return files("native-", "gradients\\.safetensors");
    }

    private static Safetensors inputs() {
        return Safetensors.open(Golden.directory().resolve("dinov2/inputs.safetensors"));
    }

    @ParameterizedTest
    @MethodSource("huggingFace")
    void computesWhatTransformersComputes(Path expectation) throws IOException {
        Path directory = withWeights(expectation.getParent());
        DinoV2Config config = DinoV2Config.load(directory);
        String name = expectation.getFileName().toString();
        if (name.contains("offset0.1")) {
            config = config.with(DinoV2Config.Interpolation.OFFSET);
        } else if (name.contains("size")) {
            config = config.with(DinoV2Config.Interpolation.SIZE);
        }
        int compared = 0;
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.load(directory, config, Device.cpu(), null, UnknownTensors.REFUSE);
                Safetensors inputs = inputs();
                Safetensors expected = Safetensors.open(expectation)) {
            for (String input : inputs.names()) {
                Tensor pixels = inputs.tensor(input, Device.cpu());
                List<Tensor> states = model.hiddenStates(pixels);
                for (int i = 0; i < states.size(); i++) {
                    compare(expected, input + "/hidden_states." + i, states.get(i));
                }
                Tensor all = model.allTokens(pixels);
                compare(expected, input + "/last_hidden_state", all);
                compare(expected, input + "/pooler_output", all.select(1, 0));
                compareTokens(input, model, pixels, all);
                if (expected.names().contains(input + "/attentions.0")) {
                    List<Tensor> attentions = model.attentions(pixels);
                    for (int i = 0; i < attentions.size(); i++) {
                        String key = input + "/attentions." + i;
                        Tensor first = attentions.get(i).narrow(0, 0, 1);
                        compare(expected, key, first.view(expected.shape(key)));
                        compared++;
                    }
                }
                compared += states.size();
            }
            assertThat(compared).isGreaterThanOrEqualTo(5 * config.layers() + 4);
        }
    }

    @ParameterizedTest
    @MethodSource("original")
    void computesWhatTheOriginalComputes(Path expectation) {
        int compared = 0;
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.load(expectation.getParent(), Device.cpu(), null);
                Safetensors inputs = inputs();
                Safetensors expected = Safetensors.open(expectation)) {
            int registers = model.config().registers();
            assertThat(expected.names().contains("square_56x56/x_norm_regtokens"))
                    .isEqualTo(registers > 0);
            for (String input : inputs.names()) {
                Tensor pixels = inputs.tensor(input, Device.cpu());
                compare(expected, input + "/pos_embed_used", model.positions(pixels.size(2), pixels.size(3)));
                List<Tensor> states = model.hiddenStates(pixels);
                compare(expected, input + "/tokens_in", states.get(0));
                long patches = states.get(0).size(1) - 1 - registers;
                for (int i = 1; i < states.size(); i++) {
                    String block = input + "/block" + (i - 1);
                    compare(expected, block + "_cls", states.get(i).select(1, 0));
                    compare(expected, block + "_patch", states.get(i).narrow(1, 1 + registers, patches));
                    compared++;
                }
                compare(expected, input + "/x_prenorm", states.get(states.size() - 1));
                Tensor all = model.allTokens(pixels);
                compare(expected, input + "/x_norm_clstoken", all.select(1, 0));
                compare(expected, input + "/x_norm_patchtokens", all.narrow(1, 1 + registers, patches));
                if (registers > 0) {
                    compare(expected, input + "/x_norm_regtokens", all.narrow(1, 1, registers));
                }
                compareTokens(input, model, pixels, all);
            }
            assertThat(compared).isGreaterThanOrEqualTo(4 * model.config().layers());
        }
    }

    /** What the model gives to others is CLS and patches, without the registers. */
    private static void compareTokens(String input, DinoV2 model, Tensor pixels, Tensor all) {
        int registers = model.config().registers();
        Tensor patches = all.narrow(1, 1 + registers, all.size(1) - 1 - registers);
        Numbers.assertClose(
                input + "/tokens",
                model.forward(pixels),
                torch.cat(new TensorVector(all.narrow(1, 0, 1), patches), 1),
                0);
    }

    private static void compare(Safetensors expected, String key, Tensor actual) {
        Numbers.assertClose(key, actual, expected.tensor(key, Device.cpu()), BOUND);
    }

    @ParameterizedTest
    @MethodSource("gradients")
    void gradientsAgree(Path expectation) {
        gradientsAgree(expectation, false);
        gradientsAgree(expectation, true);
    }

    private static void gradientsAgree(Path expectation, boolean checkpointing) {
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.load(expectation.getParent(), Device.cpu(), null);
                Safetensors inputs = inputs();
                Safetensors expected = Safetensors.open(expectation)) {
            model.setTrainable(true);
            model.setCheckpointing(checkpointing);
            Tensor pixels = inputs.tensor("rect_84x70", Device.cpu()).requires_grad_(true);
            Tensor tokens = model.forward(pixels);
            Tensor patches = tokens.narrow(1, 1, tokens.size(1) - 1);
            Tensor loss = patches.mul(expected.tensor("loss_weight_patch", Device.cpu()))
                    .mean()
                    .add(tokens.select(1, 0)
                            .mul(expected.tensor("loss_weight_cls", Device.cpu()))
                            .mean());
            Numbers.assertClose("loss", loss.view(1), expected.tensor("loss", Device.cpu()), BOUND);
            loss.backward();
            Numbers.assertClose(
                    "grad_pixels", pixels.grad(), expected.tensor("grad_pixels", Device.cpu()), GRADIENT_BOUND);
            Map<String, Tensor> found = new LinkedHashMap<>();
            model.parameters().forEach((name, parameter) -> {
                if (!name.equals(DinoV2.MASK_TOKEN)) {
                    found.put(name, parameter.grad());
                }
            });
            Map<String, Tensor> original = originalNames(found);
            assertThat(expected.names())
                    .filteredOn(name -> name.startsWith("grad/"))
                    .hasSize(original.size())
                    .allSatisfy(key -> Numbers.assertClose(
                            key,
                            original.get(key.substring("grad/".length())),
                            expected.tensor(key, Device.cpu()),
                            GRADIENT_BOUND));
        }
    }

    /** Gradients of query, key and value stacked, and everything by the original's names. */
    private static Map<String, Tensor> originalNames(Map<String, Tensor> huggingFace) {
        Map<String, Tensor> original = new LinkedHashMap<>();
        DinoV2OriginalNames.parts(huggingFace.keySet()).forEach((name, part) -> {
            Tensor gradient = huggingFace.get(name);
            original.merge(part.in(), gradient, (above, below) -> torch.cat(new TensorVector(above, below), 0));
        });
        return original;
    }

    /**
     * The committed copy leaves out weights that {@code native-*} holds under other names. They are given Hugging Face's here, by
     * a table of the test's own.
     */
    private Path withWeights(Path directory) throws IOException {
        if (Files.exists(directory.resolve("model.safetensors"))) {
            return directory;
        }
        String variant = directory.getFileName().toString().substring("hf-".length());
        Map<String, Tensor> renamed = new LinkedHashMap<>();
        try (PointerScope scope = new PointerScope();
                Safetensors weights = Safetensors.open(directory.resolveSibling("native-" + variant))) {
            for (String name : weights.names()) {
                Tensor tensor = weights.tensor(name, Device.cpu());
                if (!name.startsWith("blocks.")) {
                    renamed.put(OUTSIDE.get(name), tensor);
                    continue;
                }
                String[] parts = name.split("\\.", 3);
                String block = "encoder.layer." + parts[1] + ".";
                if (!parts[2].startsWith("attn.qkv.")) {
                    int end = parts[2].lastIndexOf('.');
                    String kind = INSIDE.get(parts[2].substring(0, end));
                    renamed.put(block + (kind.endsWith("lambda1") ? kind : kind + parts[2].substring(end)), tensor);
                    continue;
                }
                for (int i = 0; i < 3; i++) {
                    renamed.put(
                            block + "attention.attention."
                                    + List.of("query", "key", "value").get(i) + parts[2].substring("attn.qkv".length()),
                            tensor.chunk(3, 0).get(i));
                }
            }
            Safetensors.write(temporary.resolve("model.safetensors"), renamed, Map.of());
        }
        Files.copy(directory.resolve("config.json"), temporary.resolve("config.json"));
        return temporary;
    }

    private static final Map<String, String> OUTSIDE = Map.of(
            "cls_token", "embeddings.cls_token",
            "mask_token", "embeddings.mask_token",
            "register_tokens", "embeddings.register_tokens",
            "pos_embed", "embeddings.position_embeddings",
            "patch_embed.proj.weight", "embeddings.patch_embeddings.projection.weight",
            "patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias",
            "norm.weight", "layernorm.weight",
            "norm.bias", "layernorm.bias");

    private static final Map<String, String> INSIDE = Map.of(
            "norm1", "norm1",
            "norm2", "norm2",
            "attn.proj", "attention.output.dense",
            "ls1", "layer_scale1.lambda1",
            "ls2", "layer_scale2.lambda1",
            "mlp.fc1", "mlp.fc1",
            "mlp.fc2", "mlp.fc2",
            "mlp.w12", "mlp.weights_in",
            "mlp.w3", "mlp.weights_out");
}
