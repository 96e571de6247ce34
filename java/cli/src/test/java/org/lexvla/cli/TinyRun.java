package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.lexvla.cli.demo.SceneFiles;
import org.lexvla.cli.demo.SceneGenerator;

/**
 * A model that was trained for a few steps by the command line, and what it was trained on: 24 scenes of 112 pixels with a caption each,
 * in {@code data/}, and a picture that cannot be read.
 *
 * @param table    captions.tsv
 * @param config   settings
 * @param run      directory of the model
 * @param training what the training said
 */
record TinyRun(String table, String config, String run, Said training) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** What a command left behind. */
    record Said(int code, String out, String err) {
        JsonNode json() throws Exception {
            assertThat(out.strip().lines())
                    .as("standard output is one JSON object")
                    .hasSize(1);
            return JSON.readTree(out);
        }
    }

    /** Trains it. */
    static TinyRun train(Path directory) throws Exception {
        Path data = directory.resolve("data");
        SceneFiles.write(data, new SceneGenerator(3, 112).generate(SceneGenerator.Split.TRAIN, 24, 1));
        Path captions = data.resolve("captions.tsv");
        Files.writeString(data.resolve("images/broken.png"), "this is no picture");
        Files.writeString(captions, Files.readString(captions) + "images/broken.png\ta broken picture\n");
        Path settings = directory.resolve("tiny.yaml");
        Files.writeString(settings, """
                steps: 3
                batch: 8
                poolCls: false
                adapter: {heads: 2}
                prompt: '"[TEXT]" is about:'
                fresh:
                  vision: {hidden: 16, layers: 1, heads: 2, image: 112, standIn: {steps: 2, batch: 2, learningRate: 1.0e-3}}
                  text: {hidden: 16, intermediate: 32, layers: 1, heads: 2, tokens: 400, standIn: {steps: 2, batch: 4, learningRate: 1.0e-3}}
                """);
        String run = directory.resolve("run").toString();
        Said training =
                lexvla("train", "--data", captions.toString(), "--config", settings.toString(), "--out", run, "--json");
        return new TinyRun(captions.toString(), settings.toString(), run, training);
    }

    /** Runs a command as a user would. */
    static Said lexvla(String... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
        try {
            int code = Lexvla.run(arguments);
            return new Said(code, said.toString(StandardCharsets.UTF_8), complained.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** Runs a command that is to fail with one line, before it has printed anything. */
    static void assertFails(String message, String... arguments) {
        Said said = lexvla(arguments);
        assertThat(said.code()).as(said.err()).isEqualTo(1);
        assertThat(said.err()).contains(message).doesNotContain("\tat ");
        assertThat(said.out()).isEmpty();
    }
}
