package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

/** Runs of several processes, real ones that talk through Gloo. */
class ProcessesTest {
    /** Of the largest weight of a tensor: sums of a few thousand float32 numbers in another order, three steps long. */
    private static final double TOLERANCE = 1e-5;

    private static final double RATE = 0.05;

    /** With a large eps a step is proportional to its gradient; else Adam would blow up what is only rounding. */
    private static final String[] SETTINGS = {"steps=3", "batch=8", "optimizer.eps=1e-2", "optimizer.learningRate=0.05"
    };

    @TempDir
    static Path shared;

    @TempDir
    Path out;

    private static CaptionDataset data;

    @BeforeAll
    static void draw() throws IOException {
        data = ToyData.write(shared.resolve("data"));
        // Pictures of noise: in those of one colour patches are alike, and a near tie goes one way or the other.
        SplittableRandom random = new SplittableRandom(4);
        for (Path file : data.files()) {
            BufferedImage noise = new BufferedImage(28, 28, BufferedImage.TYPE_INT_RGB);
            for (int i = 0; i < 28 * 28; i++) {
                noise.setRGB(i % 28, i / 28, random.nextInt());
            }
            ImageIO.write(noise, "png", file.toFile());
        }
        ToyData.model(ToyData.config(), data, shared).close();
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void manyAreAsOne(int processes) throws Exception {
        TrainingConfig config = ToyData.config(SETTINGS);
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            Trainer.run(model, data, config, out.resolve("one"), report -> {});
        }
        finish(RunChild.start(processes, shared, out.resolve("many"), SETTINGS));
        List<String> one = Files.readAllLines(out.resolve("one/metrics.jsonl"));
        List<String> many = Files.readAllLines(out.resolve("many/metrics.jsonl"));
        assertThat(many).hasSameSizeAs(one);
        for (int i = 0; i < one.size(); i++) {
            JsonNode expected = new ObjectMapper().readTree(one.get(i));
            JsonNode found = new ObjectMapper().readTree(many.get(i));
            for (String key : List.of("loss", "imagePenalty", "textPenalty", "gradientNorm", "temperature")) {
                double difference =
                        Math.abs(found.get(key).asDouble() - expected.get(key).asDouble());
                assertThat(difference)
                        .as(key)
                        .isLessThan(TOLERANCE * expected.get(key).asDouble());
            }
            for (String key : List.of("imageToTextR1", "textToImageR1", "activeImage", "activeText")) {
                assertThat(found.get(key)).as(key).isEqualTo(expected.get(key));
            }
        }
        Map<String, float[]> expected = weights(out.resolve("one"));
        Map<String, float[]> begun;
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            begun = weights(model);
        }
        weights(out.resolve("many")).forEach((name, values) -> {
            // Or of the learning rate, the most that a step moves: some have no gradient but rounding, as a bias that
            // the softmax does
            // not see.
            assertThat(worst(values, expected.get(name)))
                    .as(name)
                    .isLessThan(TOLERANCE * Math.max(RATE, largest(expected.get(name))));
            // They were trained, too: far more than they differ.
            if (!name.contains("bias") && !name.contains("norm") && !name.contains("lora_A")) {
                assertThat(worst(begun.get(name), expected.get(name)))
                        .as("change of %s", name)
                        .isGreaterThan(20 * TOLERANCE * largest(expected.get(name)));
            }
        });
    }

    @Test
    void whenOneDiesTheOthersEndAndTheRunGoesOn() throws Exception {
        String[] settings = {"steps=400", "batch=4", "checkpoint.every=10", "lora.dropout=0.2"};
        Path run = out.resolve("run");
        List<Process> processes = RunChild.start(2, shared, run, settings);
        String said;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(processes.get(0).getInputStream()))) {
            assertThat(RunChild.awaitSteps(lines, 25)).isTrue();
            processes.get(1).destroyForcibly();
            long killed = System.nanoTime();
            said = String.join("\n", lines.lines().toList());
            assertThat(processes.get(0).waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(System.nanoTime() - killed).isLessThan(TimeUnit.SECONDS.toNanos(30));
        }
        assertThat(processes.get(0).exitValue()).isNotZero();
        assertThat(said).contains("process 0 of 2 lost another one").contains("resumed from its last checkpoint");
        assertThat(Checkpoint.last(run).orElseThrow().step()).isBetween(20, 399);
        finish(RunChild.start(2, shared, run, settings));
        finish(RunChild.start(2, shared, out.resolve("uncut"), settings));
        assertThat(RunResults.of(run)).isEqualTo(RunResults.of(out.resolve("uncut")));
    }

    @Test
    void whatTheEnvironmentLacksIsNamed() {
        assertThat(Processes.meet(Map.of(), Device.cpu()).size()).isOne();
        assertThat(Processes.meet(Map.of("WORLD_SIZE", "1", "RANK", "0"), Device.cpu())
                        .size())
                .isOne();
        assertThatThrownBy(() -> Processes.meet(Map.of("WORLD_SIZE", "2"), Device.cpu()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("RANK is not");
        assertThatThrownBy(() -> Processes.meet(Map.of("WORLD_SIZE", "two", "RANK", "0"), Device.cpu()))
                .hasMessageContaining("WORLD_SIZE is \"two\"");
        assertThatThrownBy(() -> Processes.meet(Map.of("WORLD_SIZE", "2", "RANK", "2"), Device.cpu()))
                .hasMessageContaining("process 2 of 2");
    }

    private static void finish(List<Process> processes) throws Exception {
        for (Process process : processes) {
            String said = new String(process.getInputStream().readAllBytes());
            assertThat(process.waitFor()).as(said).isZero();
        }
    }

    private static Map<String, float[]> weights(Path run) throws IOException {
        try (LexVla model = LexVla.load(run, Device.cpu())) {
            return weights(model);
        }
    }

    @SuppressWarnings("try")
    private static Map<String, float[]> weights(LexVla model) {
        Map<String, float[]> weights = new HashMap<>();
        try (PointerScope scope = new PointerScope()) {
            model.trained().forEach((name, tensor) -> weights.put(name, HostTensor.floats(tensor)));
        }
        return weights;
    }

    private static double largest(float[] values) {
        return worst(values, new float[values.length]);
    }

    private static double worst(float[] one, float[] other) {
        double worst = 0;
        for (int i = 0; i < one.length; i++) {
            double difference = Math.abs((double) one[i] - other[i]);
            worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
        }
        return worst;
    }
}
