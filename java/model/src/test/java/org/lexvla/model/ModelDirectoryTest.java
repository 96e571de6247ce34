package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

/** What lies in a model directory, and what is said of one that is not as it should be. */
class ModelDirectoryTest {
    @TempDir
    Path directory;

    private Path vision;
    private Path text;
    private Path saved;
    private PointerScope scope;

    @BeforeEach
    void backbones() throws IOException {
        vision = TinyModel.vision(directory.resolve("vision"), 11);
        text = TinyModel.text(directory.resolve("text"), 12);
        saved = directory.resolve("model");
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private LexVla init() throws IOException {
        return LexVla.init(vision, text, InitOptions.standard().withSeed(5));
    }

    private static float[] floats(Tensor tensor) {
        float[] values = new float[(int) tensor.numel()];
        tensor.detach().contiguous().data_ptr_float().get(values);
        return values;
    }

    @Test
    void backbonesNearAModelAreNamedRelatively() {
        Path models = directory.resolve("models");
        assertThat(LexVlaConfig.reference(models, models.resolve("vision"))).isEqualTo("vision");
        assertThat(LexVlaConfig.reference(models.resolve("a"), models.resolve("text")))
                .isEqualTo("../text");
        assertThat(LexVlaConfig.reference(models.resolve("a/b"), models.resolve("x/text")))
                .isEqualTo("../../x/text");
        assertThat(LexVlaConfig.reference(models.resolve("a/b/c"), models.resolve("text")))
                .isEqualTo(models.resolve("text").toAbsolutePath().toString());
    }

    @Test
    void aConfigurationThatMakesNoSenseIsRefused() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
        }
        Path file = saved.resolve("config.json");
        String good = Files.readString(file);
        for (String[] change : new String[][] {
            {"\"version\" : 1", "\"version\" : 2", "version 2"},
            {"\"kind\" : \"threshold\"", "\"kind\" : \"some\"", "sparsification 'some'"},
            {"\"prompt\"", "\"prompts\"", "has no prompt"},
            {"[TEXT]", "[TEX]", "must hold [TEXT]"},
            {"\"heads\" : 1", "\"heads\" : 5", "not a multiple of its 5 heads"}
        }) {
            assertThat(good).contains(change[0]);
            Files.writeString(file, good.replace(change[0], change[1]));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining("config.json")
                    .withMessageContaining(change[2]);
        }
        Files.writeString(file, good.substring(0, 20));
        assertThatIOException()
                .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                .withMessageContaining(file + " is not proper JSON");
    }

    @Test
    void savingAgainReplacesTheModelAndNothingElse() throws IOException {
        Files.createDirectories(saved.resolve("checkpoints"));
        Files.writeString(saved.resolve("checkpoints/kept.txt"), "kept");
        try (LexVla model = init()) {
            model.save(saved);
            Tensor row = model.imageCodebook().detach().narrow(0, 0, 1);
            row.zero_();
            model.save(saved);
        }
        assertThat(saved.resolve("checkpoints/kept.txt")).hasContent("kept");
        try (LexVla model = LexVla.load(saved, Device.cpu())) {
            assertThat(floats(model.imageCodebook().narrow(0, 0, 1))).containsOnly(0f);
        }
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .containsExactlyInAnyOrder("vision", "text", "model");
        }
        Path file = Files.writeString(directory.resolve("file"), "");
        try (LexVla model = init()) {
            assertThatIOException().isThrownBy(() -> model.save(file)).withMessageContaining("it is a file");
        }
    }

    @Test
    void theTextCodebookOutlivesATrainedOutputMatrix() throws IOException {
        Path trained = directory.resolve("trained");
        float[] before;
        try (LexVla model = init()) {
            before = floats(model.textCodebook());
            model.save(saved);
            assertThat(names()).doesNotContain("text_codebook");
            // As where input and output matrix are one, and the language model is trained.
            model.text().outputMatrix().mul_(LibTorch.of(new float[] {2}));
            model.text().save(trained);
            TinyTokenizer.install(trained, TinyTokenizer.JSON, TinyTokenizer.CONFIG);
            model.save(saved, vision, trained);
            assertThat(names()).contains("text_codebook");
        }
        try (LexVla model = LexVla.load(saved, Device.cpu())) {
            assertThat(floats(model.textCodebook())).isEqualTo(before);
            assertThat(model.config().text()).isEqualTo(trained.toAbsolutePath());
        }
    }

    private Set<String> names() {
        try (Safetensors weights = Safetensors.open(saved.resolve("model.safetensors"))) {
            return Set.copyOf(weights.names());
        }
    }

    @Test
    void filesThatAreMissingOrDoNotFitAreNamed() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
        }
        assertThatIOException()
                .isThrownBy(() -> LexVla.load(directory.resolve("nowhere"), Device.cpu()))
                .withMessageContaining("nowhere is no LexVLA model");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexVla.load(vision, Device.cpu()))
                .withMessageContaining("model_type dinov2");
        for (String name : List.of("vocabulary.json", "model.safetensors", "preprocessor_config.json", "lora")) {
            Path file = saved.resolve(name);
            Path away = directory.resolve("away");
            Files.move(file, away);
            assertThatIOException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining(name);
            Files.move(away, file);
        }
        assertThatIOException()
                .isThrownBy(() -> LexVla.init(directory.resolve("nothing"), text, InitOptions.standard()))
                .withMessageContaining("vision directory");
        assertThatIOException()
                .isThrownBy(() -> LexVla.init(vision, directory.resolve("nothing"), InitOptions.standard()))
                .withMessageContaining("text directory");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        LexVla.init(vision, text, InitOptions.standard().withTransform(ImageTransform.imageNet(60))))
                .withMessageContaining("no multiple of the patch size 14");
        Path away = directory.resolve("away");
        Files.move(vision, away);
        assertThatIOException()
                .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                .withMessageContaining(vision.toString())
                .withMessageContaining("config.json");
    }

    @Test
    void aVocabularyThatDoesNotFitIsRefused() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
            // One word less.
            Vocabulary shorter = Vocabulary.select(
                    model.tokenizer()
                            .tokens()
                            .subList(
                                    0,
                                    model.vocabulary()
                                            .tokenId(model.vocabulary().size() - 1)),
                    Vocabulary.Rule.standard(),
                    null);
            shorter.save(saved.resolve("vocabulary.json"));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining("the vocabulary does not fit the codebook")
                    .withMessageContaining("expected [" + shorter.size() + " words");
            // As many, but other words.
            List<Token> others = new ArrayList<>();
            for (int id = 0; id < model.vocabulary().size(); id++) {
                others.add(new Token(model.vocabulary().tokenId(id), "other", true));
            }
            Vocabulary.select(others, Vocabulary.Rule.standard(), null).save(saved.resolve("vocabulary.json"));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining("the vocabulary does not fit the tokenizer: word 0 is token");
            // The model's own words, but weights of another.
            model.vocabulary().save(saved.resolve("vocabulary.json"));
            Safetensors.write(
                    saved.resolve("model.safetensors"),
                    Map.of("image_codebook", model.imageCodebook(), "logit_scale", model.logitScale()),
                    Map.of("vocabulary", "0123456789abcdef"));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining("0123456789ab…");
            Safetensors.write(saved.resolve("model.safetensors"), Map.of("logit_scale", model.logitScale()), Map.of());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining("image_codebook");
            Safetensors.write(
                    saved.resolve("model.safetensors"),
                    Map.of("image_codebook", model.imageCodebook(), "logit_scale", model.logitScale()),
                    Map.of());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                    .withMessageContaining("adapter lacks the parameter");
        }
    }

    @Test
    void creatingWritesWhatMakingAndSavingWrite() throws IOException {
        InitOptions options = InitOptions.standard().withSeed(5).withPoolCls(false);
        try (LexVla model = LexVla.init(vision, text, options)) {
            model.save(saved);
        }
        Path created = directory.resolve("created");
        LexVla.create(vision, text, options, created);
        try (Stream<Path> files = Files.walk(saved)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertThat(created.resolve(saved.relativize(file))).hasSameBinaryContentAs(file);
            }
        }
        try (Stream<Path> files = Files.walk(created);
                Stream<Path> others = Files.walk(saved)) {
            assertThat(files.count()).isEqualTo(others.count());
        }
        LexVla.load(created, Device.cpu()).close();
    }

    /** Weights that are not finite are seen when they are read, and creating a model does not read them. */
    @Test
    void creatingReadsTheRowsOfTheWordsAlone() throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (Safetensors file = Safetensors.open(text)) {
            file.names()
                    .forEach(name ->
                            tensors.put(name, file.tensor(name, Device.cpu()).clone()));
        }
        Path spoilt = Files.createDirectories(directory.resolve("spoilt"));
        for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json")) {
            Files.copy(text.resolve(name), spoilt.resolve(name));
        }
        tensors.get("model.layers.0.mlp.up_proj.weight").fill_(new Scalar(Double.NaN));
        tensors.get("model.embed_tokens.weight").fill_(new Scalar(Double.NaN));
        // Token 0 is special, so no word.
        tensors.get(Llama.OUTPUT).narrow(0, 0, 1).fill_(new Scalar(Double.NaN));
        Safetensors.write(spoilt.resolve("model.safetensors"), tensors, Map.of());
        Path created = directory.resolve("created");
        try (Warnings warnings = new Warnings(Parameters.class)) {
            LexVla.create(vision, spoilt, InitOptions.standard(), created);
            assertThat(warnings.messages()).isEmpty();
            LexVla.load(created, Device.cpu()).close();
            assertThat(warnings.messages()).singleElement().asString().contains("in 3 tensors");
        }
        int word = Vocabulary.load(created.resolve("vocabulary.json")).tokenId(0);
        tensors.get(Llama.OUTPUT).narrow(0, word, 1).fill_(new Scalar(Double.NaN));
        Safetensors.write(spoilt.resolve("model.safetensors"), tensors, Map.of());
        try (Warnings warnings = new Warnings(Parameters.class)) {
            LexVla.create(vision, spoilt, InitOptions.standard(), directory.resolve("again"));
            assertThat(warnings.messages()).singleElement().asString().contains("the words' rows of lm_head.weight");
        }
        tensors.remove("model.layers.0.mlp.up_proj.weight");
        Safetensors.write(spoilt.resolve("model.safetensors"), tensors, Map.of());
        Path never = directory.resolve("never");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexVla.create(vision, spoilt, InitOptions.standard(), never))
                .withMessageContaining("model.layers.0.mlp.up_proj.weight");
        assertThat(never).doesNotExist();
    }

    @Test
    void backbonesThatDoNotFitAreRefused() throws IOException {
        // A language model with fewer rows than its tokenizer has words.
        Path small = TinyModel.text(directory.resolve("small"), 1, 300);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexVla.init(vision, small, InitOptions.standard()))
                .withMessageContaining("the output matrix in " + small + " has 300 rows");
        Path wide = directory.resolve("wide");
        try (Llama other = Llama.random(LlamaConfig.of(571, 32, 48, 1, 2, 256), 1, Device.cpu())) {
            other.save(wide);
        }
        TinyTokenizer.install(wide, TinyTokenizer.JSON, TinyTokenizer.CONFIG);
        try (LexVla model = init()) {
            model.save(saved, vision, wide);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexVla.load(saved, Device.cpu()))
                .withMessageContaining("these are not the backbones it was made for");
    }
}
