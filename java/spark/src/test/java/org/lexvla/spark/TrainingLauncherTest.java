package org.lexvla.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.spark.SparkException;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lexvla.cli.Lexvla;

/** Training in a cluster of two executors: to the bit what {@code train --processes 2} gives, whatever is killed meanwhile. */
class TrainingLauncherTest {
    private static final int ATTEMPTS = 3;
    private static final int STEPS = 200;

    @TempDir
    static Path directory;

    private static SparkSession spark;
    private static Map<String, String> expected;
    private static final AtomicInteger STAGES = new AtomicInteger();

    @BeforeAll
    static void start() throws Exception {
        TinyModel.draw(directory, 16, new ArrayList<>());
        TinyModel.make(directory);
        expected = onThisMachine();
        spark = LocalCluster.start(directory, Map.of("spark.stage.maxConsecutiveAttempts", ATTEMPTS));
        spark.sparkContext().addSparkListener(new SparkListener() {
            @Override
            public void onStageSubmitted(SparkListenerStageSubmitted stage) {
                STAGES.incrementAndGet();
            }
        });
    }

    @AfterAll
    static void stop() {
        if (spark != null) {
            spark.stop();
        }
    }

    private static String[] arguments(Path out, String... more) {
        List<String> arguments = new ArrayList<>(List.of(
                "--data",
                directory.resolve("captions.tsv").toString(),
                "--model",
                directory.resolve("model").toString(),
                "--config",
                directory.resolve(TinyModel.SETTINGS).toString(),
                "--out",
                out.toString()));
        for (String setting : more) {
            arguments.addAll(List.of("--set", setting));
        }
        return arguments.toArray(String[]::new);
    }

    private static String[] run(Path out) {
        return arguments(out, "steps=" + STEPS, "batch=8", "checkpoint.every=10", "optimizer.warmupSteps=5");
    }

    private static Map<String, String> onThisMachine() throws Exception {
        Path out = directory.resolve("run-here");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "--add-opens=java.base/java.nio=ALL-UNNAMED",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-Dai.djl.offline=true",
                "-cp",
                LocalCluster.classPath(),
                Lexvla.class.getName(),
                "train",
                "--processes",
                "2"));
        command.addAll(List.of(run(out)));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("OMP_NUM_THREADS", "1");
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor()).as(said).isZero();
        return weights(out);
    }

    /** All weights and moments byte by byte, those of the checkpoints included. */
    private static Map<String, String> weights(Path run) throws IOException {
        Map<String, String> weights = new TreeMap<>();
        try (Stream<Path> files = Files.walk(run)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".safetensors"))
                    .toList()) {
                weights.put(run.relativize(file).toString(), HexFormat.of().formatHex(Files.readAllBytes(file)));
            }
        }
        return weights;
    }

    @Test
    void comesToTheWeightsOfOneMachine() throws IOException {
        Path out = directory.resolve("run");
        TrainingLauncher.of(2, run(out)).javaOptions("-Xmx512m").run(spark);
        assertThat(out.resolve("report.html")).exists();
        assertThat(expected).containsKeys("model.safetensors", "checkpoints/00000200/state.safetensors");
        assertThat(weights(out)).isEqualTo(expected);
    }

    /** Executors are children of this process, which holds master and workers, and the processes of the run are theirs. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void goesOnWhenAProcessOrAnExecutorIsKilled(boolean executor) throws Exception {
        Path out = directory.resolve("run-killed-" + executor);
        int before = STAGES.get();
        CompletableFuture<Void> run = CompletableFuture.runAsync(
                () -> TrainingLauncher.of(2, run(out)).javaOptions("-Xmx512m").run(spark));
        long start = System.nanoTime();
        while (!Files.exists(out.resolve("checkpoints/00000020"))) {
            assertThat(run).isNotDone();
            assertThat(System.nanoTime() - start).isLessThan(TimeUnit.MINUTES.toNanos(5));
            Thread.sleep(20);
        }
        List<ProcessHandle> ranks = ProcessHandle.current()
                .children()
                .flatMap(ProcessHandle::children)
                .toList();
        assertThat(ranks).hasSize(2);
        ProcessHandle killed = executor ? ranks.get(0).parent().orElseThrow() : ranks.get(0);
        killed.destroyForcibly();
        for (ProcessHandle rank : ranks) {
            rank.onExit().get(30, TimeUnit.SECONDS);
        }
        run.get(5, TimeUnit.MINUTES);
        assertThat(STAGES.get() - before)
                .as("stages, the one that ends the job among them")
                .isBetween(3, ATTEMPTS + 1);
        assertThat(weights(out)).isEqualTo(expected);
    }

    @Test
    void aRunThatCannotBeEndsWithWhatItSaid() {
        int before = STAGES.get();
        long start = System.nanoTime();
        TrainingLauncher launcher = TrainingLauncher.of(2, arguments(directory.resolve("odd"), "steps=5", "batch=7"));
        assertThatThrownBy(() -> launcher.run(spark))
                .isInstanceOf(SparkException.class)
                .hasMessageContaining("of 2 on 127.0.0.1 ended with exit code 1")
                .hasMessageContaining("a batch of 7 cannot be split among 2 processes");
        assertThat(STAGES.get() - before).isEqualTo(ATTEMPTS);
        assertThat(System.nanoTime() - start).isLessThan(TimeUnit.MINUTES.toNanos(3));
    }

    @Test
    void wrongUseIsRefusedBeforeAnythingRuns() {
        assertThatThrownBy(() -> TrainingLauncher.of(0)).hasMessage("there are 0 processes, must be at least 1");
        assertThatThrownBy(() -> TrainingLauncher.of(2, "--data", "d", "--processes=2"))
                .hasMessageStartingWith("--processes is not for the processes themselves");
        assertThatThrownBy(() -> TrainingLauncher.main(new String[] {"--data", "d"}))
                .hasMessageContaining("the number of processes is missing: --processes N");
        assertThatThrownBy(() -> TrainingLauncher.main(new String[] {"--processes", "two"}))
                .hasMessage("--processes is \"two\", must be a whole number");
    }
}
