package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;

/** Sizes of the published models, from the values of their config.json. */
class ModelSummaryTest {
    @TempDir
    Path directory;

    private Path vision;
    private Path text;

    @BeforeEach
    void publishedConfigurations() throws IOException {
        vision = Files.createDirectories(directory.resolve("dinov2-base"));
        Files.writeString(vision.resolve("config.json"), """
                {"architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_act": "gelu", "hidden_size": 768,
                 "image_size": 518, "layer_norm_eps": 1e-06, "layerscale_value": 1.0, "mlp_ratio": 4,
                 "num_attention_heads": 12, "num_channels": 3, "num_hidden_layers": 12, "patch_size": 14,
                 "qkv_bias": true, "torch_dtype": "float32", "use_swiglu_ffn": false}
                """);
        text = Files.createDirectories(directory.resolve("llama-2-7b"));
        Files.writeString(text.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
                 "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
                 "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32,
                 "num_hidden_layers": 32, "num_key_value_heads": 32, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
                 "rope_scaling": null, "tie_word_embeddings": false, "torch_dtype": "float16", "use_cache": true,
                 "vocab_size": 32000}
                """);
        tokenizer(17_149, 32_000);
    }

    /** A tokenizer of so many lower-case words among so many tokens. */
    private void tokenizer(int words, int tokens) throws IOException {
        ObjectNode root = ConfigJson.object();
        root.put("version", "1.0");
        ObjectNode added =
                root.putArray("added_tokens").addObject().put("id", 0).put("content", "<s>");
        for (String flag : new String[] {"single_word", "lstrip", "rstrip", "normalized"}) {
            added.put(flag, false);
        }
        added.put("special", true);
        ObjectNode model = root.putObject("model").put("type", "BPE");
        ObjectNode vocabulary = model.putObject("vocab");
        model.putArray("merges");
        vocabulary.put("<s>", 0);
        for (int id = 1; id < tokens; id++) {
            String letters = "";
            for (int rest = id; rest > 0; rest /= 26) {
                letters += (char) ('a' + rest % 26);
            }
            vocabulary.put(id <= words ? letters : letters.toUpperCase(Locale.ROOT) + id, id);
        }
        Files.writeString(text.resolve("tokenizer.json"), root.toString());
    }

    @Test
    void partsOfThePaperWithoutAWeight() throws IOException {
        ModelSummary summary = ModelSummary.ofNew(vision, text, InitOptions.standard());
        assertThat(summary.vision().parameterCount()).as("DINOv2 base").isEqualTo(86_580_480);
        assertThat(summary.text().parameterCount()).as("Llama 2 7B").isEqualTo(6_738_415_616L);
        assertThat(summary.adapter().parameterCount()).as("17 M").isEqualTo(17_111_040);
        assertThat(summary.loraParameters()).as("20.0 M").isEqualTo(19_988_480);
        assertThat(summary.codebookParameters()).as("70 M").isEqualTo(17_149L * 4096);
        assertThat(summary.trainedParameters()).isEqualTo(17_111_040 + 19_988_480 + 17_149L * 4096 + 1);
        double share =
                100.0 * summary.adapter().parameterCount() / summary.vision().parameterCount();
        assertThat(share).as("percent, paper section 4").isBetween(19.755, 19.765);
    }

    @Test
    void whatDoesNotFitIsNamed() throws IOException {
        tokenizer(32_500, 33_000);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ModelSummary.ofNew(vision, text, InitOptions.standard()))
                .withMessageContaining("the output matrix in " + text + " has 32000 rows");
        Files.delete(text.resolve("tokenizer.json"));
        assertThatIOException()
                .isThrownBy(() -> ModelSummary.ofNew(vision, text, InitOptions.standard()))
                .withMessageContaining("no tokenizer in " + text);
        assertThatIOException()
                .isThrownBy(() -> ModelSummary.ofNew(directory.resolve("nowhere"), text, InitOptions.standard()))
                .withMessageContaining("vision directory");
    }

    @Test
    void aModelIsCountedAsItsTensorsAre() throws IOException {
        Path model = directory.resolve("model");
        Path tinyVision = TinyModel.vision(directory.resolve("vision"), 1);
        Path tinyText = TinyModel.text(directory.resolve("text"), 2);
        ModelSummary planned = ModelSummary.ofNew(tinyVision, tinyText, InitOptions.standard());
        try (LexVla made = LexVla.init(tinyVision, tinyText, InitOptions.standard())) {
            made.save(model);
            assertThat(planned.trainedParameters())
                    .isEqualTo(made.trained().values().stream()
                            .mapToLong(Tensor::numel)
                            .sum());
        }
        ModelSummary summary = ModelSummary.of(model);
        assertThat(summary).isEqualTo(planned);
        try (LexVla loaded = LexVla.load(model, Device.cpu())) {
            assertThat(summary.vision().parameterCount())
                    .isEqualTo(loaded.vision().parameters().values().stream()
                            .mapToLong(Tensor::numel)
                            .sum());
            assertThat(summary.text().parameterCount())
                    .isEqualTo(loaded.text().parameters().values().stream()
                            .mapToLong(Tensor::numel)
                            .sum());
        }
    }
}
