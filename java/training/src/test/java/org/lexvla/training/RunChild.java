package org.lexvla.training;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

/**
 * A run in a process of its own, to be killed; it goes on where it was. The first process of a run says a line after every step.
 */
final class RunChild {
    private RunChild() {}

    /** Starts a run of one process over the toy table; its errors come with its lines. */
    static Process start(Path shared, Path run, String... settings) throws IOException {
        return startOver("data", shared, run, settings);
    }

    /** The same over other data. */
    static Process startOver(String data, Path shared, Path run, String... settings) throws IOException {
        return start(data, shared, run, Map.of(), settings);
    }

    /** Starts all processes of a run, the first one first. */
    static List<Process> start(int processes, Path shared, Path run, String... settings) throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        List<Process> all = new ArrayList<>();
        for (int rank = 0; rank < processes; rank++) {
            all.add(start(
                    "data",
                    shared,
                    run,
                    Map.of(
                            "WORLD_SIZE", String.valueOf(processes),
                            "RANK", String.valueOf(rank),
                            "MASTER_ADDR", "127.0.0.1",
                            "MASTER_PORT", String.valueOf(port),
                            "OMP_NUM_THREADS", "1"),
                    settings));
        }
        return all;
    }

    private static Process start(
            String data, Path shared, Path run, Map<String, String> environment, String... settings)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "--add-opens=java.base/java.nio=ALL-UNNAMED",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-Dai.djl.offline=true",
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                RunChild.class.getName(),
                shared.toString(),
                run.toString(),
                data));
        command.addAll(List.of(settings));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        return builder.start();
    }

    /** Waits for the lines of so many steps; false if it ended before. */
    static boolean awaitSteps(BufferedReader lines, int steps) throws IOException {
        int seen = 0;
        for (String line; seen < steps && (line = lines.readLine()) != null; ) {
            // Other lines are warnings.
            seen += line.matches("\\d+") ? 1 : 0;
        }
        return seen == steps;
    }

    public static void main(String[] arguments) throws IOException {
        Path shared = Path.of(arguments[0]);
        Path run = Path.of(arguments[1]);
        TrainingConfig config = ToyData.config(Arrays.copyOfRange(arguments, 3, arguments.length));
        CaptionSource data = CaptionSource.open(shared.resolve(arguments[2]).toString(), config.data());
        try (Processes processes = Processes.meet(System.getenv(), Device.cpu())) {
            String last = Checkpoint.last(run)
                    .map(found -> found.directory().toString())
                    .orElse("");
            last = processes.gather(last).get(0);
            Checkpoint from = last.isEmpty() ? null : Checkpoint.open(Path.of(last));
            try (LexVla model = from == null
                    ? ToyData.fresh(config, data, shared)
                    : LexVla.load(from.directory(), Device.cpu(), config.backboneType(), null)) {
                if (from == null) {
                    Trainer.run(model, data, config, run, processes, RunChild::say);
                } else {
                    Trainer.resume(model, data, config, run, from, processes, RunChild::say);
                }
            }
        }
    }

    private static void say(StepReport report) {
        System.out.println(report.step());
    }
}
