package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.lexvla.cli.TinyRun.lexvla;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A training that is told to end, by SIGTERM or Ctrl-C, as a process of its own: what is left of it, and what it says. */
@EnabledOnOs(OS.LINUX)
class StopTest {
    private static final int STEPS = 120;
    /** For what takes a second or two on a machine that does nothing else. */
    private static final long PATIENCE_SECONDS = 120;

    @TempDir
    static Path shared;

    private static TinyRun tiny;

    @TempDir
    Path directory;

    private Path run;
    private Process process;

    @BeforeAll
    static void train() throws Exception {
        tiny = TinyRun.train(shared);
        TinyRun.Said uncut = lexvla(arguments(shared.resolve("uncut")).toArray(String[]::new));
        assertThat(uncut.code()).as(uncut.err()).isZero();
    }

    @AfterEach
    void end() {
        if (process != null) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    @ParameterizedTest
    @CsvSource({"TERM, 143", "INT, 130"})
    void itWritesItsCheckpointThenThePageThenSaysSoAndGoesOn(String signal, int code) throws Exception {
        start();
        awaitSteps(3);
        send(signal);
        assertThat(exitCode()).isEqualTo(code);
        int done = assertStopped();
        assertThat(said("err")).containsOnlyOnce("Told to end: " + run);

        TinyRun.Said resumed = lexvla("train", "--data", tiny.table(), "--out", run.toString(), "--resume");
        assertThat(resumed.code()).as(resumed.err()).isZero();
        assertThat(resumed.out()).contains("Going on after step " + done, "Written to " + run);
        assertThat(page()).contains("<b>finished</b>");
        assertThat(run.resolve("model.safetensors")).hasSameBinaryContentAs(shared.resolve("uncut/model.safetensors"));
    }

    @Test
    void itTellsItsProcesses() throws Exception {
        start("--processes", "2");
        awaitSteps(3);
        send("TERM");
        assertThat(exitCode()).isEqualTo(143);
        assertStopped();
        assertThat(said("err")).containsOnlyOnce("Told to end: " + run).doesNotContain("ended with");
    }

    /** One that is told tells the others, and the first of them writes and speaks as ever. */
    @Test
    void oneOfItsProcessesStopsAll() throws Exception {
        start("--processes", "2");
        awaitSteps(3);
        process.children().findAny().orElseThrow().destroy();
        assertThat(exitCode()).isOne();
        assertStopped();
        assertThat(said("err")).containsPattern("process [01] of 2 ended with (signal 15|exit code 1), the others");
    }

    @Test
    void whatFailsMeanwhileIsSaid() throws Exception {
        start();
        awaitSteps(3);
        Path page = run.resolve(RunPage.FILE);
        Files.delete(page);
        Files.createDirectories(page.resolve("in the way"));
        send("TERM");
        assertThat(exitCode()).isEqualTo(143);
        assertThat(run.resolve("checkpoints")).isNotEmptyDirectory();
        assertThat(said("err")).containsPattern("lexvla train: .*report\\.html").doesNotContain("\tat ");
    }

    /** A bar of progress must not take the signal. */
    @Test
    void onATerminalToo() throws Exception {
        run = directory.resolve("run");
        String command = String.join(" ", command("-Dlexvla.terminal=100"));
        start(List.of("script", "--quiet", "--return", "--command", "exec " + command, "/dev/null"));
        awaitSteps(3);
        assertThat(process.children()).hasSize(1);
        send("INT", process.children().findAny().orElseThrow());
        assertThat(exitCode()).isEqualTo(130);
        assertThat(page()).contains("<b>stopped</b>");
        assertThat(said("out"))
                .contains("train  ", "[=", "Told to end: " + run, "Told to stop: go on with --out " + run);
    }

    /** Processes that stand still hold it up, until it is told once more. */
    @Test
    void aSecondInterruptDoesNotWait() throws Exception {
        start("--processes", "2");
        awaitSteps(3);
        List<ProcessHandle> ranks = process.children().toList();
        assertThat(ranks).hasSize(2);
        try {
            for (ProcessHandle rank : ranks) {
                send("STOP", rank);
            }
            send("INT");
            assertThat(process.waitFor(1, TimeUnit.SECONDS)).isFalse();
            send("INT");
            assertThat(exitCode()).isEqualTo(130);
        } finally {
            ranks.forEach(ProcessHandle::destroyForcibly);
        }
        assertThat(run.resolve("checkpoints")).doesNotExist();
    }

    /** Returns the steps that are done. */
    private int assertStopped() throws IOException {
        List<Path> checkpoints;
        try (var list = Files.list(run.resolve("checkpoints"))) {
            checkpoints = list.toList();
        }
        assertThat(checkpoints).hasSize(1);
        int done = Integer.parseInt(checkpoints.get(0).getFileName().toString());
        assertThat(done).isBetween(3, STEPS - 1);
        assertThat(Files.readAllLines(run.resolve("metrics.jsonl"))).hasSize(done);
        assertThat(run.resolve("config.json")).doesNotExist();
        assertThat(page())
                .contains("<b>stopped</b> step " + done + " of " + STEPS)
                .doesNotContain("http-equiv");
        assertThat(said("out"))
                .contains(Count.of(done, "step") + " in ")
                .endsWith("Told to stop: go on with --out " + run + " --resume\n");
        return done;
    }

    private String page() throws IOException {
        return Files.readString(run.resolve(RunPage.FILE));
    }

    private static List<String> arguments(Path out) {
        return new ArrayList<>(List.of(
                "train",
                "--data",
                tiny.table(),
                "--config",
                tiny.config(),
                "--out",
                out.toString(),
                "--set",
                "steps=" + STEPS,
                "--set",
                "logEvery=1",
                "--set",
                "checkpoint.every=0"));
    }

    private void start(String... more) throws IOException {
        run = directory.resolve("run");
        List<String> command = command();
        command.addAll(List.of(more));
        start(command);
    }

    private List<String> command(String... options) {
        // A process that is started in the background of a script ignores Ctrl-C, and so do its own.
        List<String> command = new ArrayList<>(List.of(
                "env",
                "--default-signal=INT",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "--add-opens=java.base/java.nio=ALL-UNNAMED",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-Dai.djl.offline=true"));
        command.addAll(List.of(options));
        command.addAll(List.of(
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                Lexvla.class.getName()));
        command.addAll(arguments(run));
        return command;
    }

    private void start(List<String> command) throws IOException {
        process = new ProcessBuilder(command)
                .redirectOutput(directory.resolve("out").toFile())
                .redirectError(directory.resolve("err").toFile())
                .start();
    }

    private void awaitSteps(int steps) throws Exception {
        Path metrics = run.resolve("metrics.jsonl");
        await(
                steps + " steps",
                () -> Files.exists(metrics) && Files.readAllLines(metrics).size() >= steps);
    }

    @FunctionalInterface
    private interface Condition {
        boolean holds() throws IOException;
    }

    private void await(String what, Condition condition) throws Exception {
        long start = System.nanoTime();
        while (!condition.holds()) {
            assertThat(process.isAlive())
                    .as("waiting for %s: %s", what, said("err"))
                    .isTrue();
            assertThat(System.nanoTime() - start)
                    .as("nanoseconds of waiting for %s", what)
                    .isLessThan(TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS));
            Thread.sleep(10);
        }
    }

    private void send(String signal) throws Exception {
        send(signal, process.toHandle());
    }

    private static void send(String signal, ProcessHandle to) throws Exception {
        assertThat(new ProcessBuilder("kill", "-" + signal, String.valueOf(to.pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    private int exitCode() throws Exception {
        assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .as(said("err"))
                .isTrue();
        return process.exitValue();
    }

    private String said(String where) throws IOException {
        return Files.readString(directory.resolve(where));
    }
}
