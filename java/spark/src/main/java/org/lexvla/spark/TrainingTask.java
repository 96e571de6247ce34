package org.lexvla.spark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.BarrierTaskInfo;

/** A task of the stage: starts its process, hands on what it says to the log of the executor, and ends it when Spark ends the task. */
final class TrainingTask {
    /** Which a process that is told to end has for the step it is in. */
    private static final long GRACE_SECONDS = 10;

    private static final long LOOK_MILLIS = 200;
    /** Lines of a process that failed which the error repeats. */
    private static final int LAST_LINES = 20;

    private TrainingTask() {}

    static void run(TrainingLauncher launcher) {
        BarrierTaskContext context = BarrierTaskContext.get();
        int rank = context.partitionId();
        BarrierTaskInfo[] tasks = context.getTaskInfos();
        try {
            String meeting = context.allGather(rank == 0 ? host(tasks[0]) + " " + freePort() : "")[0];
            Process process = start(launcher, context, meeting.split(" "));
            try {
                await(process, context);
            } finally {
                end(process);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("process " + rank + " of " + tasks.length + " could not be started", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("process " + rank + " of " + tasks.length + " was ended", e);
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket free = new ServerSocket(0)) {
            return free.getLocalPort();
        }
    }

    /** The address of a task is that of its executor, with a port where it has one. */
    private static String host(BarrierTaskInfo task) {
        return task.address().replaceFirst(":\\d+$", "");
    }

    private static Process start(TrainingLauncher launcher, BarrierTaskContext context, String[] meeting)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // What ./lexvla sets; the level is for a class path whose log is Spark's, which would say errors only.
        command.addAll(List.of(
                "-Djava.awt.headless=true",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-Dorg.bytedeco.javacpp.maxBytes=0",
                "-Dai.djl.offline=true",
                "-Dlog4j2.level=WARN",
                "--add-opens=java.base/java.nio=ALL-UNNAMED"));
        String natives = System.getProperty("org.bytedeco.javacpp.cachedir");
        if (natives != null) {
            command.add("-Dorg.bytedeco.javacpp.cachedir=" + natives);
        }
        command.addAll(launcher.javaOptions());
        command.addAll(List.of("-cp", launcher.classPath(), TrainingProcess.class.getName()));
        command.addAll(launcher.arguments(context.stageAttemptNumber() > 0));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        Map<String, String> environment = builder.environment();
        BarrierTaskInfo[] tasks = context.getTaskInfos();
        environment.put("WORLD_SIZE", String.valueOf(tasks.length));
        environment.put("RANK", String.valueOf(context.partitionId()));
        environment.put("LOCAL_RANK", String.valueOf(placeOnHost(context.partitionId(), tasks)));
        environment.put("MASTER_ADDR", meeting[0]);
        environment.put("MASTER_PORT", meeting[1]);
        environment.putIfAbsent("OMP_NUM_THREADS", String.valueOf(context.cpus()));
        environment.putIfAbsent("OMP_WAIT_POLICY", "passive");
        environment.putIfAbsent("OPENBLAS_NUM_THREADS", "1");
        return builder.start();
    }

    /** Of the processes on a host each takes another GPU. */
    private static long placeOnHost(int rank, BarrierTaskInfo[] tasks) {
        long before = 0;
        for (int other = 0; other < rank; other++) {
            before += host(tasks[other]).equals(host(tasks[rank])) ? 1 : 0;
        }
        return before;
    }

    private static void await(Process process, BarrierTaskContext context) throws InterruptedException {
        Deque<String> last = new ArrayDeque<>();
        Thread reader = new Thread(() -> repeat(process, context.partitionId(), last), "lexvla-train-output");
        reader.setDaemon(true);
        reader.start();
        while (!process.waitFor(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
            context.killTaskIfInterrupted();
        }
        reader.join(TimeUnit.SECONDS.toMillis(GRACE_SECONDS));
        int code = process.exitValue();
        if (code != 0) {
            // Ended by Spark and by itself at the same time: Spark's reason is the better one.
            context.killTaskIfInterrupted();
            String said;
            synchronized (last) {
                said = String.join("\n", last);
            }
            throw new IllegalStateException("process " + context.partitionId() + " of " + context.getTaskInfos().length
                    + " on " + host(context.getTaskInfos()[context.partitionId()]) + " ended with "
                    + (code > 128 ? "signal " + (code - 128) : "exit code " + code) + "; it said last:\n" + said);
        }
    }

    private static void repeat(Process process, int rank, Deque<String> last) {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line; (line = lines.readLine()) != null; ) {
                System.err.println("[process " + rank + "] " + line);
                synchronized (last) {
                    last.addLast(line);
                    if (last.size() > LAST_LINES) {
                        last.removeFirst();
                    }
                }
            }
        } catch (IOException e) {
            // The process was ended while it was read.
        }
    }

    private static void end(Process process) {
        process.destroy();
        try {
            if (process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        process.destroyForcibly();
    }
}
