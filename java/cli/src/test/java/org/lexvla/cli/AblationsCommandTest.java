package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.lexvla.cli.TinyRun.lexvla;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.model.LexVlaConfig;
import org.lexvla.model.TextSide;

/** The variants on a world of a few scenes and models of a few hundred weights: that they differ, are kept and gone on with. */
class AblationsCommandTest {
    @TempDir
    Path directory;

    private TinyRun.Said ablations(String... more) throws IOException {
        Path settings = directory.resolve("tiny.yaml");
        Files.writeString(settings, """
                steps: 2
                batch: 4
                poolCls: false
                loss: {lambda: {image: 0.1, text: 0.1, steps: 0}}
                adapter: {heads: 2}
                prompt: '"[TEXT]" is about:'
                fresh:
                  vision: {hidden: 16, layers: 1, heads: 2, image: 112, standIn: {steps: 2, batch: 2, learningRate: 1.0e-3}}
                  text: {hidden: 16, intermediate: 32, layers: 1, heads: 2, tokens: 400, standIn: {steps: 2, batch: 4, learningRate: 1.0e-3}}
                """);
        List<String> arguments = new ArrayList<>(List.of("evaluate", "ablations", "--config", settings.toString()));
        arguments.addAll(List.of("--out", directory.resolve("out").toString()));
        arguments.addAll(List.of("--scenes", "16", "--held-out", "5", "--json"));
        arguments.addAll(List.of(more));
        return lexvla(arguments.toArray(String[]::new));
    }

    @Test
    void everyVariantIsTrainedOnceAndScored() throws Exception {
        TinyRun.Said said = ablations();
        assertThat(said.code()).as(said.err()).isZero();
        JsonNode variants = said.json().get("variants");
        assertThat(variants.properties())
                .extracting(entry -> entry.getKey())
                .containsExactly("lexvla", "top-k", "flops", "no-penalty", "bag-of-words", "cls", "backbone");
        for (JsonNode variant : variants) {
            assertThat(variant.at("/retrieval/i2t/r10").asDouble()).isEqualTo(1);
            assertThat(variant.at("/patchdis/miou").asDouble()).isBetween(0.0, 1.0);
        }
        int words = variants.at("/lexvla/vocabulary").asInt();
        assertThat(variants.at("/top-k/active_words").asDouble())
                .isEqualTo(variants.at("/top-k/k").asInt())
                .isEqualTo(Math.max(1, Math.round(words * 512 / 17149.0)));
        assertThat(said.err()).contains("another visual backbone", "CLS in the maximum", "LexVLA at other thresholds");
        assertThat(said.json().get("sweep")).isNotEmpty();
        Path out = directory.resolve("out");
        assertThat(Files.readAllLines(out.resolve("ablations.md")))
                .anyMatch(line -> line.startsWith("| LexVLA | "))
                .anyMatch(line -> line.startsWith("| another visual backbone | "));
        assertThat(ImageIO.read(out.resolve("sparsity.png").toFile()).getWidth())
                .isGreaterThan(500);
        assertThat(LexVlaConfig.load(out.resolve("bag-of-words/run")).textSide())
                .isEqualTo(TextSide.BAG_OF_WORDS);
        assertThat(LexVlaConfig.load(out.resolve("cls/run")).poolCls()).isTrue();
        assertThat(LexVlaConfig.load(out.resolve("backbone/run")).vision())
                .isEqualTo(out.resolve("vision-other").toAbsolutePath());
        Path full = out.resolve("lexvla/run/model.safetensors");
        for (String variant : List.of("flops", "no-penalty", "bag-of-words", "cls", "backbone")) {
            assertThat(Files.mismatch(full, out.resolve(variant + "/run/model.safetensors")))
                    .as(variant)
                    .isNotNegative();
        }

        // As if it had been cut off before this one was trained.
        Path config = out.resolve("flops/run/config.json");
        Files.delete(config);
        FileTime kept = Files.getLastModifiedTime(out.resolve("lexvla/run/config.json"));
        TinyRun.Said again = ablations();
        assertThat(again.code()).as(again.err()).isZero();
        assertThat(again.err()).contains("LexVLA is trained").doesNotContain("FLOPs penalty is trained");
        assertThat(config).exists();
        assertThat(Files.getLastModifiedTime(out.resolve("lexvla/run/config.json")))
                .isEqualTo(kept);
        assertThat(again.json().get("variants")).isEqualTo(variants);
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeAnythingIsMade() throws Exception {
        TinyRun.Said wrong = ablations("--variants", "flops,best");
        assertThat(wrong.code()).isEqualTo(1);
        assertThat(wrong.json().get("error").asText()).contains("--variants has best: must be among flops, no-penalty");
        Path out = directory.resolve("out");
        assertThat(out).doesNotExist();
        Files.createDirectories(out);
        Files.writeString(out.resolve("settings.yaml"), "steps: 3\n");
        TinyRun.Said other = ablations();
        assertThat(other.code()).isEqualTo(1);
        assertThat(other.json().get("error").asText()).contains("variants of other settings");
        Files.delete(out.resolve("settings.yaml"));
        Files.writeString(out.resolve("thesis.txt"), "mine");
        assertThat(ablations().json().get("error").asText()).contains("exists already", out.toString());
    }
}
