package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.lexvla.lexical.Device;
import org.lexvla.testing.Golden;

/** Every {@code golden/dinov2/hf-*}, hidden state by hidden state, as transformers computes them. */
class DinoV2GoldenTest {
    /** The recommended bound for hidden states, whose values go up to 7.5. */
    private static final double BOUND = 5e-5;

    static Stream<Path> expectations() throws IOException {
        try (Stream<Path> all = Files.walk(Golden.directory().resolve("dinov2"), 2)) {
            List<Path> found = all.filter(
                            file -> file.getParent().getFileName().toString().startsWith("hf-"))
                    .filter(file -> file.getFileName().toString().matches("expected.*\\.safetensors"))
                    .sorted()
                    .toList();
            return found.stream();
        }
    }

    @ParameterizedTest
    @MethodSource("expectations")
    @SuppressWarnings("try")
    void hiddenStatesAgree(Path expectation) {
        Path directory = expectation.getParent();
        DinoV2Config config = DinoV2Config.load(directory);
        String name = expectation.getFileName().toString();
        if (name.contains("offset0.1")) {
            config = config.with(DinoV2Config.Interpolation.OFFSET);
        } else if (name.contains("size")) {
            config = config.with(DinoV2Config.Interpolation.SIZE);
        }
        try (PointerScope scope = new PointerScope();
                DinoV2 model = DinoV2.load(directory, config, Device.cpu(), null);
                Safetensors inputs = Safetensors.open(Golden.directory().resolve("dinov2/inputs.safetensors"));
                Safetensors expected = Safetensors.open(expectation)) {
            int compared = 0;
            for (String input : inputs.names()) {
                Tensor pixels = inputs.tensor(input, Device.cpu());
                List<Tensor> states = model.hiddenStates(pixels);
                for (int i = 0; i < states.size(); i++) {
                    Numbers.assertClose(
                            input + "/hidden_states." + i,
                            states.get(i),
                            expected.tensor(input + "/hidden_states." + i, Device.cpu()),
                            BOUND);
                    compared++;
                }
                Tensor last = expected.tensor(input + "/last_hidden_state", Device.cpu());
                Tensor tokens = model.forward(pixels);
                Numbers.assertClose(input + "/cls", tokens.narrow(1, 0, 1), last.narrow(1, 0, 1), BOUND);
                long patches = tokens.size(1) - 1;
                Numbers.assertClose(
                        input + "/patches",
                        tokens.narrow(1, 1, patches),
                        last.narrow(1, 1 + config.registers(), patches),
                        BOUND);
                assertThat(last.size(1)).isEqualTo(1 + config.registers() + patches);
            }
            assertThat(compared).isGreaterThanOrEqualTo(4 * (config.layers() + 1));
        }
    }
}
