package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.lexvla.lexical.Device;
import org.lexvla.testing.Golden;

/** Every {@code golden/llama} model, with and without LoRA, as transformers and PEFT compute them. */
@SuppressWarnings("try")
class LlamaGoldenTest {
    @TempDir
    Path temporary;

    private static final double BOUND = 1e-4;
    private static final double MERGED_BOUND = 5e-5;
    private static final double GRADIENT_BOUND = 5e-5;
    private static final double LM_GRADIENT_BOUND = 5e-6;
    private static final List<String> CASES = List.of("right", "left", "nopad", "single");

    private static List<Path> directories(boolean lora) {
        try (Stream<Path> all = Files.list(Golden.directory().resolve("llama"))) {
            List<Path> found = all.filter(Files::isDirectory)
                    .filter(directory -> Files.exists(directory.resolve("adapter_config.json")) == lora)
                    .sorted()
                    .toList();
            assertThat(found).isNotEmpty();
            return found;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Stream<Path> models() {
        return directories(false).stream();
    }

    static Stream<Path> adapters() {
        return directories(true).stream();
    }

    private static Safetensors inputs() {
        return Safetensors.open(Golden.directory().resolve("llama/inputs.safetensors"));
    }

    private static Path baseOf(Path adapter) {
        return adapter.resolveSibling(adapter.getFileName().toString().replaceAll("-lora$", ""));
    }

    /**
     * The committed copy leaves out the shards of a model whose weights it holds in one file. They are made here, as the index
     * says.
     */
    private Path withWeights(Path directory) throws IOException {
        Path index = directory.resolve("model.safetensors.index.json");
        if (!Files.exists(index)) {
            return directory;
        }
        Map<String, Map<String, Tensor>> shards = new LinkedHashMap<>();
        Path whole = directory.resolveSibling(directory.getFileName().toString().replaceAll("-sharded$", ""));
        try (PointerScope scope = new PointerScope();
                Safetensors weights = Safetensors.open(whole)) {
            for (Map.Entry<String, JsonNode> entry :
                    ConfigJson.read(index).node("weight_map").properties()) {
                String shard = entry.getValue().textValue();
                if (Files.exists(directory.resolve(shard))) {
                    return directory;
                }
                shards.computeIfAbsent(shard, name -> new LinkedHashMap<>())
                        .put(entry.getKey(), weights.tensor(entry.getKey(), Device.cpu()));
            }
            assertThat(shards).hasSizeGreaterThan(1);
            shards.forEach((shard, tensors) -> Safetensors.write(temporary.resolve(shard), tensors, Map.of()));
        }
        Files.copy(index, temporary.resolve(index.getFileName()));
        Files.copy(directory.resolve("config.json"), temporary.resolve("config.json"));
        return temporary;
    }

    /** A sharded copy of a model has no expectations of its own. */
    private static Path expected(Path model) {
        Path own = model.resolve("expected.safetensors");
        return Files.exists(own)
                ? own
                : model.resolveSibling(model.getFileName().toString().replaceAll("-sharded$", ""))
                        .resolve("expected.safetensors");
    }

    private static Tensor mask(Safetensors inputs, String name) {
        String key = name + "/attention_mask";
        return inputs.names().contains(key) ? inputs.tensor(key, Device.cpu()) : null;
    }

    private static void compare(Llama model, Safetensors expected) {
        int compared = 0;
        try (Safetensors inputs = inputs()) {
            for (String name : CASES) {
                if (!expected.names().contains(name + "/hidden_states.0")) {
                    continue;
                }
                Tensor ids = inputs.tensor(name + "/input_ids", Device.cpu());
                Tensor mask = mask(inputs, name);
                List<Tensor> states = model.hiddenStates(ids, mask);
                for (int i = 0; i < states.size(); i++) {
                    String key = name + "/hidden_states." + i;
                    compareReal(key, states.get(i), expected.tensor(key, Device.cpu()), mask);
                }
                List<Tensor> outputs = model.blockOutputs(ids, mask);
                String last = name + "/last_layer_before_norm";
                if (expected.names().contains(last)) {
                    compareReal(last, outputs.get(outputs.size() - 1), expected.tensor(last, Device.cpu()), mask);
                }
                Tensor hidden = model.forward(ids, mask);
                compareReal(name + "/forward", hidden, states.get(states.size() - 1), mask);
                if (expected.names().contains(name + "/logits")) {
                    compareReal(
                            name + "/logits",
                            model.logits(hidden),
                            expected.tensor(name + "/logits", Device.cpu()),
                            mask);
                }
                for (float value : Numbers.floats(hidden)) {
                    assertThat(value).as("padding rows are finite, too").isFinite();
                }
                compared++;
            }
        }
        assertThat(compared).isGreaterThanOrEqualTo(3);
    }

    private static void compareReal(String what, Tensor actual, Tensor expected, Tensor mask) {
        if (mask == null) {
            Numbers.assertClose(what, actual, expected, BOUND);
        } else {
            Tensor real = mask.to(ScalarType.Float).unsqueeze(2);
            Numbers.assertClose(what, actual.mul(real), expected.mul(real), BOUND);
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void hiddenStatesAndLogitsAgree(Path directory) throws IOException {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(withWeights(directory), Device.cpu(), null);
                Safetensors expected = Safetensors.open(expected(directory))) {
            compare(model, expected);
        }
    }

    /** The same weights as Meta gives them out: by its names, with interleaved rotary positions. */
    @ParameterizedTest
    @MethodSource("models")
    void metaCheckpointsAgree(Path directory) throws IOException {
        LlamaConfig config = LlamaConfig.load(directory);
        Path source = withWeights(directory);
        Path meta = Files.createDirectory(temporary.resolve("meta"));
        writeMeta(source, config, meta);
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(meta, Device.cpu(), null);
                Safetensors expected = Safetensors.open(expected(directory))) {
            assertThat(model.config().keyValueHeads()).isEqualTo(config.keyValueHeads());
            assertThat(model.config().shapes().keySet())
                    .isEqualTo(config.shapes().keySet());
            compare(model, expected);
        }
    }

    private static final Map<String, String> META = Map.of(
            "input_layernorm", "attention_norm",
            "post_attention_layernorm", "ffn_norm",
            "self_attn.q_proj", "attention.wq",
            "self_attn.k_proj", "attention.wk",
            "self_attn.v_proj", "attention.wv",
            "self_attn.o_proj", "attention.wo",
            "mlp.gate_proj", "feed_forward.w1",
            "mlp.down_proj", "feed_forward.w2",
            "mlp.up_proj", "feed_forward.w3");

    private static void writeMeta(Path source, LlamaConfig config, Path directory) throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (PointerScope scope = new PointerScope();
                Safetensors weights = Safetensors.open(source)) {
            for (String name : weights.names()) {
                Tensor tensor = weights.tensor(name, Device.cpu());
                String[] parts = name.split("\\.", 4);
                if (!parts[1].equals("layers")) {
                    String meta = Map.of(
                                    "model.embed_tokens.weight", "tok_embeddings.weight",
                                    "model.norm.weight", "norm.weight",
                                    "lm_head.weight", "output.weight")
                            .get(name);
                    tensors.put(meta, tensor);
                    continue;
                }
                String matrix = parts[3].replace(".weight", "");
                if (matrix.endsWith("q_proj") || matrix.endsWith("k_proj")) {
                    tensor = interleaved(tensor, matrix.endsWith("q_proj") ? config.heads() : config.keyValueHeads());
                }
                tensors.put("layers." + parts[2] + "." + META.get(matrix) + ".weight", tensor);
            }
            tensors.put("rope.freqs", torch.ones(config.headSize() / 2));
            Safetensors.write(directory.resolve("consolidated.00.safetensors"), tensors, Map.of());
        }
        Files.writeString(
                directory.resolve("params.json"),
                String.format(
                        Locale.ROOT,
                        "{\"dim\": %d, \"multiple_of\": %d, \"ffn_dim_multiplier\": %s, \"n_heads\": %d, \"n_layers\": %d,"
                                + " \"norm_eps\": %s, %s \"vocab_size\": -1}",
                        config.hiddenSize(),
                        // The width of the MLP is a little less than this, rounded up to a multiple of it.
                        config.intermediateSize(),
                        0.9 * config.intermediateSize() / (8 * config.hiddenSize() / 3),
                        config.heads(),
                        config.layers(),
                        config.rmsNormEps(),
                        config.keyValueHeads() == config.heads()
                                ? ""
                                : "\"n_kv_heads\": " + config.keyValueHeads() + ","));
    }

    /** Row i of the first half of a head becomes row 2i, row i of the second half row 2i + 1. */
    private static Tensor interleaved(Tensor matrix, int heads) {
        int rows = (int) matrix.size(0);
        int head = rows / heads;
        long[] order = new long[rows];
        for (int row = 0; row < rows; row++) {
            int within = row % head;
            order[row] = row - within + (within % 2 == 0 ? within / 2 : head / 2 + within / 2);
        }
        return matrix.index_select(0, LibTorch.of(order, rows));
    }

    @ParameterizedTest
    @MethodSource("adapters")
    void hiddenStatesAndLogitsWithLoraAgree(Path directory) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(baseOf(directory), Device.cpu(), null);
                Lora lora = Lora.load(directory, model.config(), Device.cpu());
                Safetensors expected = Safetensors.open(directory.resolve("expected.safetensors"))) {
            model.attach(lora);
            compare(model, expected);
            model.merge();
            int merged = 0;
            for (String key : expected.names()) {
                if (key.startsWith("merged/")) {
                    Tensor weight = model.parameters().get("model." + key.substring("merged/".length()));
                    Numbers.assertClose(key, weight, expected.tensor(key, Device.cpu()), MERGED_BOUND);
                    merged++;
                }
            }
            assertThat(merged).isPositive();
            compare(model, expected);
            model.unmerge();
            compare(model, expected);
        }
    }

    @ParameterizedTest
    @MethodSource("adapters")
    void gradientsAgree(Path directory) {
        gradientsAgree(directory, false);
        gradientsAgree(directory, true);
    }

    private static void gradientsAgree(Path directory, boolean checkpointing) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(baseOf(directory), Device.cpu(), null);
                Lora lora = Lora.load(directory, model.config(), Device.cpu());
                Safetensors inputs = inputs();
                Safetensors expected = Safetensors.open(directory.resolve("gradients.safetensors"))) {
            model.attach(lora);
            model.setCheckpointing(checkpointing);
            Tensor ids = inputs.tensor("right/input_ids", Device.cpu());
            Tensor mask = inputs.tensor("right/attention_mask", Device.cpu());
            Tensor hidden = model.forward(ids, mask);
            Tensor weight = expected.tensor("loss_weight", Device.cpu());
            Tensor real = mask.to(ScalarType.Float).unsqueeze(2);
            Tensor loss = hidden.mul(weight).mul(real).sum().div(real.sum());
            Numbers.assertClose("hidden_loss", loss.view(1), expected.tensor("hidden_loss", Device.cpu()), BOUND);
            compareGradients(lora, loss, expected, "hidden_loss_grad/", GRADIENT_BOUND);
            for (Tensor parameter : model.parameters().values()) {
                assertThat(parameter.grad().defined()).isFalse();
            }
            if (expected.names().contains("lm_loss")) {
                Tensor again = nextTokenLoss(model, ids, mask);
                Numbers.assertClose("lm_loss", again.view(1), expected.tensor("lm_loss", Device.cpu()), BOUND);
                compareGradients(lora, again, expected, "lm_loss_grad/", LM_GRADIENT_BOUND);
            }
        }
    }

    private static void compareGradients(Lora lora, Tensor loss, Safetensors expected, String prefix, double bound) {
        for (Tensor parameter : lora.parameters().values()) {
            parameter.mutable_grad().reset();
        }
        loss.backward();
        for (Map.Entry<String, Tensor> parameter : lora.parameters().entrySet()) {
            String key = prefix + parameter.getKey();
            Numbers.assertClose(key, parameter.getValue().grad(), expected.tensor(key, Device.cpu()), bound);
        }
    }

    /** Mean cross entropy of every real token that follows another. */
    private static Tensor nextTokenLoss(Llama model, Tensor ids, Tensor mask) {
        long[] tokens = LibTorch.longs(ids);
        long[] real = LibTorch.longs(mask);
        int width = (int) ids.size(1);
        List<Long> rows = new ArrayList<>();
        List<Long> targets = new ArrayList<>();
        for (int i = 0; i < tokens.length; i++) {
            if (i % width != 0 && real[i] != 0) {
                rows.add(i - 1L);
                targets.add(tokens[i]);
            }
        }
        Tensor logits =
                model.logits(model.forward(ids, mask)).view(-1, model.config().vocabularySize());
        Tensor chosen = logits.index_select(0, longs(rows)).log_softmax(1);
        return chosen.gather(1, longs(targets).unsqueeze(1)).mean().neg();
    }

    private static Tensor longs(List<Long> values) {
        return LibTorch.of(values.stream().mapToLong(Long::longValue).toArray(), values.size());
    }
}
