package org.lexvla.cli;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.lexvla.training.StopSignal;

/**
 * Runs a command in several processes on this machine, which find each other as those that {@code torchrun} starts do. When one of them
 * ends badly the others are ended, too; when this process is told to end it tells them, and waits until they have finished their step.
 */
final class LocalProcesses {
    /** For what the others still have to say. */
    private static final long GRACE_SECONDS = 10;

    private static final long LOOK_MILLIS = 100;

    private LocalProcesses() {}

    /**
     * Starts them and waits for them.
     *
     * @param arguments of the command, without those that ask for several processes
     * @throws IllegalStateException if one fails, naming it
     */
    static void run(int count, List<String> arguments) throws IOException, InterruptedException {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        List<Process> processes = new ArrayList<>();
        try (StopSignal stop = StopSignal.ofTheJvm()) {
            try {
                for (int rank = 0; rank < count; rank++) {
                    processes.add(start(rank, count, port, arguments));
                }
                await(processes, stop);
            } finally {
                end(processes);
            }
        }
    }

    private static Process start(int rank, int count, int port, List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Lexvla.class.getName()));
        command.addAll(arguments);
        // The first one speaks for all; errors are everybody's.
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectError(Redirect.INHERIT)
                .redirectOutput(rank == 0 ? Redirect.INHERIT : Redirect.DISCARD);
        Map<String, String> environment = builder.environment();
        environment.put("WORLD_SIZE", String.valueOf(count));
        environment.put("RANK", String.valueOf(rank));
        environment.put("LOCAL_RANK", String.valueOf(rank));
        environment.put("MASTER_ADDR", "127.0.0.1");
        environment.put("MASTER_PORT", String.valueOf(port));
        int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / count);
        environment.putIfAbsent("OMP_NUM_THREADS", String.valueOf(threads));
        return builder.start();
    }

    private static void await(List<Process> processes, StopSignal stop) throws InterruptedException {
        boolean told = false;
        boolean running = true;
        while (running) {
            running = false;
            if (stop.requested() && !told) {
                told = true;
                processes.forEach(Process::destroy);
            }
            for (int rank = 0; rank < processes.size(); rank++) {
                Process process = processes.get(rank);
                if (!process.waitFor(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
                    running = true;
                } else if (process.exitValue() != 0 && !stop.requested()) {
                    throw failed(rank, processes);
                }
            }
        }
    }

    private static IllegalStateException failed(int rank, List<Process> processes) {
        int code = processes.get(rank).exitValue();
        return new IllegalStateException("process " + rank + " of " + processes.size() + " ended with "
                + (code > 128 ? "signal " + (code - 128) : "exit code " + code)
                + ", the others are ended: what it said is above, go on with --resume");
    }

    private static void end(List<Process> processes) {
        processes.forEach(Process::destroy);
        for (Process process : processes) {
            try {
                if (!process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
                    process.destroyForcibly().waitFor();
                }
            } catch (InterruptedException e) {
                process.destroyForcibly();
                Thread.currentThread().interrupt();
            }
        }
    }
}
