package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** A run that was interrupted ends as one that was not, to the bit. */
@Seeded
class ResumeTest {
    private static final String[] SETTINGS = {
        "steps=7",
        "lora.dropout=0.1",
        "checkpoint.every=3",
        "checkpoint.keep=2",
        "data.minScale=0.7",
        "microBatch=3",
        "ema.decay=0.9",
        "optimizer.codebookRows=touched"
    };

    @TempDir
    static Path shared;

    @TempDir
    Path out;

    private static CaptionDataset data;
    private static Map<String, String> uncut;

    /** What a test ends a run with. */
    private static final class Cut extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    @BeforeAll
    static void draw() throws IOException {
        data = ToyData.write(shared.resolve("data"));
        ToyData.model(ToyData.config(), data, shared).close();
        TrainingConfig config = ToyData.config(SETTINGS);
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            assertThat(Trainer.run(model, data, config, shared.resolve("uncut"), report -> {}))
                    .isEqualTo(7);
        }
        uncut = RunResults.of(shared.resolve("uncut"));
    }

    @Test
    void cutAtEveryStep() throws IOException {
        TrainingConfig config = ToyData.config(SETTINGS);
        for (int cut = 1; cut <= 7; cut++) {
            Path run = out.resolve("cut" + cut);
            cutAfter(cut, config, run);
            Checkpoint last = Checkpoint.last(run).orElseThrow();
            // The checkpoint of a step is written after its report.
            assertThat(last.step()).isEqualTo((cut - 1) / 3 * 3);
            assertThat(resume(run, config)).isEqualTo(7);
            assertThat(RunResults.of(run)).as("cut after step %d", cut).isEqualTo(uncut);
        }
    }

    @Test
    void aFinishedRunIsWrittenAgain() throws IOException {
        TrainingConfig config = ToyData.config(SETTINGS);
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            Trainer.run(model, data, config, out, report -> {});
        }
        try (Stream<Path> list = Files.list(out.resolve("checkpoints"))) {
            assertThat(list)
                    .extracting(path -> path.getFileName().toString())
                    .containsExactlyInAnyOrder("00000006", "00000007");
        }
        Files.delete(out.resolve("model.safetensors"));
        assertThat(resume(out, config)).isEqualTo(7);
        assertThat(RunResults.of(out)).isEqualTo(uncut);
    }

    @Test
    void trainedBackbonesGoOn() throws IOException {
        TrainingConfig config =
                ToyData.config("steps=3", "checkpoint.every=1", "vision.frozen=false", "text.frozen=false");
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            Trainer.run(model, data, config, out.resolve("whole"), report -> {});
        }
        cutAfter(3, config, out.resolve("cut"));
        resume(out.resolve("cut"), config);
        assertThat(RunResults.of(out.resolve("cut"))).isEqualTo(RunResults.of(out.resolve("whole")));
    }

    @Test
    void damagedCheckpointsAreLeftOut() throws IOException {
        TrainingConfig config = ToyData.config(SETTINGS);
        cutAfter(7, config, out);
        assertThat(Checkpoint.last(out).orElseThrow().step()).isEqualTo(6);
        Path newest = out.resolve("checkpoints/00000006");
        List<Path> files;
        try (Stream<Path> walk = Files.walk(newest)) {
            files = walk.filter(Files::isRegularFile).toList();
        }
        assertThat(files).hasSizeGreaterThan(6);
        for (Path file : files) {
            byte[] whole = Files.readAllBytes(file);
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(whole.length / 2);
            }
            assertThat(Checkpoint.last(out).orElseThrow().step())
                    .as("%s truncated", file)
                    .isEqualTo(3);
            if (!file.endsWith(Checkpoint.MANIFEST)) {
                byte[] flipped = whole.clone();
                flipped[whole.length / 2] ^= 4;
                Files.write(file, flipped);
                assertThat(Checkpoint.last(out).orElseThrow().step())
                        .as("a bit of %s", file)
                        .isEqualTo(3);
            }
            Files.delete(file);
            assertThat(Checkpoint.last(out).orElseThrow().step())
                    .as("without %s", file)
                    .isEqualTo(3);
            Files.write(file, whole);
        }
        assertThat(Checkpoint.last(out).orElseThrow().step()).isEqualTo(6);
        Files.write(newest.resolve("model.safetensors"), new byte[10]);
        assertThat(resume(out, config)).isEqualTo(7);
        assertThat(RunResults.of(out)).isEqualTo(uncut);
    }

    @Test
    void noCheckpointIsWhole() throws IOException {
        assertThat(Checkpoint.last(out)).isEmpty();
        cutAfter(1, ToyData.config(SETTINGS), out);
        Files.delete(out.resolve("checkpoints/00000000/vocabulary.json"));
        assertThatThrownBy(() -> Checkpoint.last(out))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("vocabulary.json is missing")
                .hasMessageContaining("begin it again");
    }

    @Test
    void otherSettingsAreRefused() throws IOException {
        cutAfter(4, ToyData.config(SETTINGS), out);
        Checkpoint last = Checkpoint.last(out).orElseThrow();
        TrainingConfig other = ToyData.config(
                "steps=7",
                "lora.dropout=0.1",
                "batch=6",
                "optimizer.learningRate=1e-3",
                "checkpoint.every=2",
                "logEvery=2");
        try (LexVla model = LexVla.load(last.directory(), Device.cpu())) {
            assertThatThrownBy(() -> Trainer.resume(model, data, other, out, last, report -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("batch was 8 and is 6")
                    .hasMessageContaining("optimizer.learningRate was 0.002 and is 0.001")
                    .hasMessageContaining("data.minScale was 0.7 and is 0.9")
                    .hasMessageNotContaining("checkpoint.every")
                    .hasMessageNotContaining("logEvery");
        }
    }

    @Test
    void aNewRunIsNotWrittenOverAnother() throws IOException {
        TrainingConfig config = ToyData.config(SETTINGS);
        cutAfter(1, config, out);
        assertThatThrownBy(() -> cutAfter(1, config, out))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("go on with that run");
    }

    @Test
    void checkpointsThatCannotBeWrittenDoNotEndTheRun() throws IOException {
        TrainingConfig config = ToyData.config(SETTINGS);
        Path checkpoints = out.resolve("checkpoints");
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            Trainer.run(model, data, config, out, report -> {
                try {
                    if (report.step() == 1) {
                        // Nothing can be made in a directory that is a file.
                        Files.move(checkpoints, out.resolve("moved"));
                        Files.writeString(checkpoints, "");
                    } else if (report.step() == 5) {
                        Files.delete(checkpoints);
                        Files.move(out.resolve("moved"), checkpoints);
                    }
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
        }
        assertThat(RunResults.of(out)).isEqualTo(uncut);
        assertThat(Checkpoint.last(out).orElseThrow().step()).isEqualTo(7);
    }

    /** The system refuses what would make a file longer than a limit, in the middle of a write, as it does where a disk is full. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void writesThatTheSystemRefusesLeaveTheLastCheckpoint() throws Exception {
        String[] settings = {"steps=600", "checkpoint.every=10", "logEvery=300"};
        TrainingConfig config = ToyData.config(settings);
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            Trainer.run(model, data, config, out.resolve("whole"), report -> {});
        }
        Path run = out.resolve("run");
        Process child = RunChild.start(shared, run, settings);
        String said;
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(child.getInputStream()))) {
            assertThat(RunChild.awaitSteps(lines, 25)).isTrue();
            limitFiles(child, "2000");
            // Lines that are here already, and a checkpoint that may have been written meanwhile.
            assertThat(RunChild.awaitSteps(lines, 50)).isTrue();
            int kept = Checkpoint.last(run).orElseThrow().step();
            assertThat(RunChild.awaitSteps(lines, 100)).isTrue();
            assertThat(Checkpoint.last(run).orElseThrow().step())
                    .isEqualTo(kept)
                    .isLessThan(160);
            limitFiles(child, "unlimited");
            said = String.join("\n", lines.lines().toList());
            assertThat(child.waitFor()).as(said).isZero();
        }
        assertThat(RunResults.of(run)).isEqualTo(RunResults.of(out.resolve("whole")));
        assertThat(Checkpoint.last(run).orElseThrow().step()).isEqualTo(600);
    }

    /** Bytes, for what the process writes from now on. */
    private static void limitFiles(Process process, String bytes) throws Exception {
        Process limit = new ProcessBuilder("prlimit", "--pid", String.valueOf(process.pid()), "--fsize=" + bytes + ":")
                .redirectErrorStream(true)
                .start();
        assertThat(limit.waitFor())
                .as(new String(limit.getInputStream().readAllBytes()))
                .isZero();
    }

    /**
     * A child that is killed again and again, at any moment, the writing of checkpoints and the start among them; with everything that
     * has a state of its own: shards, crops, dropout, micro-batches, a mean of the weights, words that rest, bfloat16.
     */
    @Test
    void killedAtAnyMoment(RandomSource random) throws Exception {
        String[] settings = {
            "steps=150",
            "lora.dropout=0.1",
            "checkpoint.every=5",
            "data.minScale=0.7",
            "data.shuffle=5",
            "data.interleave=2",
            "data.cache=0",
            "microBatch=3",
            "ema.decay=0.9",
            "optimizer.codebookRows=touched",
            "precision=bfloat16"
        };
        TrainingConfig config = ToyData.config(settings);
        ShardWriter.write(data, shared.resolve("shards"), 3);
        CaptionSource shards = CaptionSource.open(shared.resolve("shards").toString(), config.data());
        Path whole = out.resolve("whole");
        try (LexVla model = ToyData.fresh(config, shards, shared)) {
            Trainer.run(model, shards, config, whole, report -> {});
        }
        Path run = out.resolve("run");
        int kills = 0;
        for (int i = 0; i < 3; i++) {
            Process child = RunChild.startOver("shards", shared, run, settings);
            try (BufferedReader lines = new BufferedReader(new InputStreamReader(child.getInputStream()))) {
                if (RunChild.awaitSteps(lines, random.nextInt(60))) {
                    Thread.sleep(random.nextInt(30));
                    kills++;
                }
                child.destroyForcibly().waitFor();
            }
        }
        Process last = RunChild.startOver("shards", shared, run, settings);
        String said = new String(last.getInputStream().readAllBytes());
        assertThat(last.waitFor()).as(said).isZero();
        assertThat(kills).isPositive();
        assertThat(RunResults.of(run)).isEqualTo(RunResults.of(whole)).containsKey("ema/model.safetensors");
    }

    @Test
    void toldToEndItWritesACheckpoint() throws Exception {
        String[] settings = {"steps=100000", "checkpoint.every=0"};
        Process child = RunChild.start(shared, out, settings);
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(child.getInputStream()))) {
            assertThat(RunChild.awaitSteps(lines, 3)).isTrue();
            child.destroy();
            assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
        }
        Checkpoint last = Checkpoint.last(out).orElseThrow();
        assertThat(last.step()).isGreaterThanOrEqualTo(3);
        List<String> lines = Files.readAllLines(out.resolve("metrics.jsonl"));
        assertThat(lines).hasSize(last.step());
        assertThat(out.resolve("config.json")).doesNotExist();
    }

    private static void cutAfter(int step, TrainingConfig config, Path run) throws IOException {
        try (LexVla model = ToyData.fresh(config, data, shared)) {
            Trainer.run(model, data, config, run, report -> {
                if (report.step() == step) {
                    throw new Cut();
                }
            });
        } catch (Cut e) {
            // As it was meant.
        }
    }

    private static int resume(Path run, TrainingConfig config) throws IOException {
        Optional<Checkpoint> last = Checkpoint.last(run);
        try (LexVla model = LexVla.load(last.orElseThrow().directory(), Device.cpu())) {
            return Trainer.resume(model, data, config, run, last.get(), report -> {});
        }
    }
}
