package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.lexvla.lexical.Device;
import org.lexvla.testing.Golden;

/** Every {@code golden/llama} model, with and without LoRA, as transformers and PEFT compute them. */
class LlamaGoldenTest {
    private static final double BOUND = 1e-4;
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
            throw new java.io.UncheckedIOException(e);
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
    @SuppressWarnings("try")
    void hiddenStatesAndLogitsAgree(Path directory) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(directory, Device.cpu(), null);
                Safetensors expected = Safetensors.open(expected(directory))) {
            compare(model, expected);
        }
    }

    @ParameterizedTest
    @MethodSource("adapters")
    @SuppressWarnings("try")
    void hiddenStatesAndLogitsWithLoraAgree(Path directory) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(baseOf(directory), Device.cpu(), null);
                Lora lora = Lora.load(directory, model.config(), Device.cpu());
                Safetensors expected = Safetensors.open(directory.resolve("expected.safetensors"))) {
            model.attach(lora);
            compare(model, expected);
        }
    }

    @ParameterizedTest
    @MethodSource("adapters")
    @SuppressWarnings("try")
    void gradientsAgree(Path directory) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(baseOf(directory), Device.cpu(), null);
                Lora lora = Lora.load(directory, model.config(), Device.cpu());
                Safetensors inputs = inputs();
                Safetensors expected = Safetensors.open(directory.resolve("gradients.safetensors"))) {
            model.attach(lora);
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
