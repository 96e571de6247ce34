package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lexvla.lexical.Sparsification;

class TrainingConfigTest {
    @TempDir
    Path directory;

    @Test
    void defaultsAreThoseOfThePaper() {
        TrainingConfig config = TrainingConfig.standard();
        assertThat(config.batch()).isEqualTo(6144);
        assertThat(config.epochs()).isEqualTo(12);
        assertThat(config.stepsOver(9_200_000)).isEqualTo(17_969);
        assertThat(config.optimizer().learningRate()).isEqualTo(5e-4);
        assertThat(config.optimizer().beta1()).isEqualTo(0.9);
        assertThat(config.optimizer().beta2()).isEqualTo(0.98);
        assertThat(config.optimizer().eps()).isEqualTo(1e-6);
        assertThat(config.optimizer().weightDecay()).isZero();
        assertThat(config.optimizer().warmupSteps()).isEqualTo(2000);
        assertThat(config.optimizer().clipNorm()).isEqualTo(1);
        assertThat(config.loss().penalty()).isEqualTo(Penalty.OVERUSE);
        assertThat(config.loss().lambda()).isEqualTo(new TrainingConfig.Lambda(5e-4, 1e-3, 2000));
        assertThat(config.vision().frozen()).isTrue();
        assertThat(config.text().frozen()).isTrue();
        assertThat(config.poolCls()).isTrue();
        assertThat(config.captionTokens()).isEqualTo(77);
        assertThat(config.data().minScale()).isEqualTo(0.9);
        assertThat(config.lora().rank()).isEqualTo(8);
        assertThat(config.lora().alpha()).isEqualTo(16);
        assertThat(config.lora().dropout()).isZero();
        assertThat(config.lora().targets()).hasSize(7);
        assertThat(config.adapter().heads()).isEqualTo(12);
    }

    @Test
    void theFilesOfTheProject() throws IOException {
        Path configs = Path.of(System.getProperty("lexvla.configs", "../../configs"));
        assertThat(TrainingConfig.load(configs.resolve("paper.yaml"), List.of()))
                .isEqualTo(TrainingConfig.standard());
        TrainingConfig demo = TrainingConfig.load(configs.resolve("demo.yaml"), List.of());
        assertThat(demo.loss().penalty()).isEqualTo(Penalty.OVERUSE);
        assertThat(demo.vision().frozen()).isTrue();
        assertThat(demo.text().frozen()).isTrue();
    }

    @Test
    void fileOverDefaultsAndSettingsOverBoth() throws IOException {
        Path file = write(
                "# a comment\nsteps: 10\nloss:\n  penalty: flops\n  lambda: {image: 0.25}\nprompt: 'x \"[TEXT]\" y:'\n");
        TrainingConfig config = TrainingConfig.load(
                file,
                List.of("steps=20", "loss.lambda.text=1e-2", "vision.frozen=false", "lora.targets=[q_proj, v_proj]"));
        assertThat(config.steps()).isEqualTo(20);
        assertThat(config.loss().penalty()).isEqualTo(Penalty.FLOPS);
        assertThat(config.loss().lambda()).isEqualTo(new TrainingConfig.Lambda(0.25, 0.01, 2000));
        assertThat(config.vision().frozen()).isFalse();
        assertThat(config.lora().targets()).containsExactly("q_proj", "v_proj");
        assertThat(config.prompt()).isEqualTo("x \"[TEXT]\" y:");
        assertThat(config.batch()).isEqualTo(6144);
    }

    @Test
    void aWholeNumberInTheFileMayBecomeAFraction() throws IOException {
        Path file = write("data: {minScale: 1}\nloss: {lambda: {image: 0}}\n");
        TrainingConfig config = TrainingConfig.load(file, List.of("data.minScale=0.5", "loss.lambda.image=0.25"));
        assertThat(config.data().minScale()).isEqualTo(0.5);
        assertThat(config.loss().lambda().image()).isEqualTo(0.25);
    }

    @Test
    void textsOfTheCommandLineAreTakenAsTheyAre() throws IOException {
        TrainingConfig config = TrainingConfig.load(null, List.of("prompt=The focus of \"[TEXT]\" lies on: #1 = "));
        assertThat(config.prompt()).isEqualTo("The focus of \"[TEXT]\" lies on: #1 = ");
    }

    @Test
    void whatIsWrittenReadsAsTheSame() throws IOException {
        TrainingConfig config = TrainingConfig.load(null, List.of("seed=-5", "loss.penalty=none", "prompt=a: [TEXT]"));
        assertThat(TrainingConfig.load(write(config.yaml()), List.of())).isEqualTo(config);
    }

    @Test
    void emptyFileChangesNothing() throws IOException {
        assertThat(TrainingConfig.load(write("# nothing\n"), List.of())).isEqualTo(TrainingConfig.standard());
        assertThat(TrainingConfig.load(write(""), List.of())).isEqualTo(TrainingConfig.standard());
    }

    @Test
    void whatIsNotThePapersIsTold() throws IOException {
        assertThat(TrainingConfig.standard().changes()).isEmpty();
        assertThat(TrainingConfig.load(null, List.of("loss.penalty=flops", "steps=12", "batch=6144"))
                        .changes())
                .containsExactly("steps=12", "loss.penalty=\"flops\"");
    }

    @ParameterizedTest
    @CsvSource({
        "stepz=3, steps",
        "loss.lamda.image=3, loss.lambda.image",
        "loss.lambda.images=3, loss.lambda.image",
        "optimiser.learningRate=1, optimizer.learningRate",
        "learningrate=1, optimizer.learningRate",
        "vision.frosen=true, vision.frozen",
        "checkpoint.evry=5, checkpoint.every"
    })
    void unknownKeysAreRefusedWithTheNearest(String setting, String nearest) {
        assertThatThrownBy(() -> TrainingConfig.load(null, List.of(setting)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("unknown setting")
                .hasMessageEndingWith("the nearest is " + nearest);
    }

    @ParameterizedTest
    @CsvSource({
        "steps=many, steps, a whole number",
        "steps=1.5, steps, a whole number",
        "steps=-1, steps, at least 0",
        "batch=1, batch, at least 2",
        "optimizer.learningRate=0, optimizer.learningRate, more than 0",
        "optimizer.beta1=1.5, optimizer.beta1, from 0 to 1",
        "data.minScale=0, data.minScale, from 0.01 to 1",
        "vision.frozen=maybe, vision.frozen, true or false",
        "loss.penalty=l1, loss.penalty, 'overuse, flops or none'",
        "lora.targets=q_proj, lora.targets, a list",
        "backbones.interpolation=nearest, backbones.interpolation, 'one of [offset, size, antialias]'",
        "backbones.unknownTensors=maybe, backbones.unknownTensors, 'one of [refuse, leave_out]'",
        "sparsification.threshold=1.5, sparsification.threshold, from 0 to 1",
        "sparsification.topK=-1, sparsification.topK, at least 0",
        "fresh.vision.image=100, fresh.vision.image, a positive multiple of 14",
        "optimizer=3, optimizer, is a group"
    })
    void valuesAreChecked(String setting, String key, String expected) {
        assertThatThrownBy(() -> TrainingConfig.load(null, List.of(setting)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(key)
                .hasMessageContaining(expected);
    }

    @Test
    void wordsAreKeptByThresholdOrByNumber() throws IOException {
        assertThat(TrainingConfig.standard().sparsification().choice()).isNull();
        assertThat(TrainingConfig.load(null, List.of("sparsification.threshold=0.01"))
                        .sparsification()
                        .choice())
                .isEqualTo(Sparsification.threshold(0.01f));
        assertThat(TrainingConfig.load(null, List.of("sparsification.topK=512"))
                        .sparsification()
                        .choice())
                .isEqualTo(Sparsification.topK(512));
        assertThatThrownBy(() ->
                        TrainingConfig.load(null, List.of("sparsification.topK=512", "sparsification.threshold=0.01")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sparsification.topK 512: either decides by itself, set the other to 0");
    }

    @Test
    void settingsNeedAKey() {
        assertThatThrownBy(() -> TrainingConfig.load(null, List.of("steps"))).hasMessageContaining("key=value");
    }

    @Test
    void filesThatAreNoSettings() throws IOException {
        Path list = write("- a\n- b\n");
        assertThatThrownBy(() -> TrainingConfig.load(list, List.of())).isInstanceOf(IOException.class);
        Path broken = write("a: [1\n");
        assertThatThrownBy(() -> TrainingConfig.load(broken, List.of())).hasMessageContaining(broken.toString());
        Path missing = directory.resolve("missing.yaml");
        assertThatThrownBy(() -> TrainingConfig.load(missing, List.of())).hasMessageContaining(missing.toString());
    }

    private Path write(String yaml) throws IOException {
        Path file = directory.resolve("settings.yaml");
        Files.writeString(file, yaml);
        return file;
    }
}
