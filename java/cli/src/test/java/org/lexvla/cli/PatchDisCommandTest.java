package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.cli.demo.DemoEvaluation;
import org.lexvla.cli.demo.Scene;
import org.lexvla.cli.demo.SceneFiles;
import org.lexvla.cli.demo.SceneGenerator;
import org.lexvla.cli.demo.TinyDemo;
import org.lexvla.model.LexVla;
import picocli.CommandLine;

class PatchDisCommandTest {
    @TempDir
    static Path directory;

    private static double expected;

    @BeforeAll
    static void make() throws Exception {
        List<Scene> scenes = new SceneGenerator(5, 112).generate(SceneGenerator.Split.HELD_OUT, 6, 1);
        SceneFiles.write(directory.resolve("held-out"), scenes);
        try (LexVla model = TinyDemo.model(directory)) {
            model.save(directory.resolve("model"));
            expected = DemoEvaluation.of(model, scenes, 0).figures().patches().miou();
        }
    }

    @Test
    void filesGiveTheSameAsTheScenesThemselves() throws Exception {
        for (String data : List.of("held-out", "held-out/captions.tsv")) {
            JsonNode result = new ObjectMapper().readTree(run(0, data));
            assertThat(result.get("miou").asDouble()).isCloseTo(expected, within(1e-9));
            assertThat(result.get("pictures").asInt()).isEqualTo(6);
            assertThat(result.get("random").asDouble()).isBetween(0.001, 0.1);
            assertThat(result.get("skipped")).isEmpty();
        }
    }

    @Test
    void aPictureWithoutAMaskIsSkippedAndNamed() throws Exception {
        Path broken = directory.resolve("broken");
        SceneFiles.write(broken, new SceneGenerator(5, 112).generate(SceneGenerator.Split.HELD_OUT, 3, 1));
        Files.delete(broken.resolve("masks/00001.png"));
        Files.writeString(broken.resolve("images/00002.png"), "no picture");
        JsonNode result = new ObjectMapper().readTree(run(0, "broken"));
        assertThat(result.get("pictures").asInt()).isEqualTo(1);
        assertThat(result.get("skipped").toString()).contains("00001.png", "00002.png");
        Files.delete(broken.resolve("masks/00000.png"));
        assertThat(run(1, "broken")).isEmpty();
        Files.delete(broken.resolve("scenes.json"));
        assertThat(run(1, "broken")).isEmpty();
    }

    private static String run(int exitCode, String data) {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        try {
            StringWriter errors = new StringWriter();
            int code = new CommandLine(new EvaluateCommand())
                    .setErr(new PrintWriter(errors))
                    .execute(
                            "patchdis",
                            "--json",
                            "--model",
                            directory.resolve("model").toString(),
                            "--data",
                            directory.resolve(data).toString());
            assertThat(code).as("%s", errors).isEqualTo(exitCode);
            return out.toString(StandardCharsets.UTF_8);
        } finally {
            System.setOut(before);
        }
    }
}
