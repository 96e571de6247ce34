package org.lexvla.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.pytorch.global.torch;

/** A command that consists of others: runs them as a user would, and shows each with the time since the beginning. */
final class Stages {
    private final Console console;
    private final long start = System.nanoTime();

    Stages(Console console) {
        this.console = console;
    }

    double seconds() {
        return (System.nanoTime() - start) / 1e9;
    }

    void say(String format, Object... values) {
        console.line("");
        console.line("[%3.0f s] %s", seconds(), String.format(Locale.ROOT, format, values));
    }

    /**
     * Runs a command.
     *
     * @throws IllegalStateException if it fails or is stopped; it has said why
     */
    void command(String... arguments) {
        List<String> shown = new ArrayList<>();
        for (String argument : arguments) {
            shown.add(argument.contains(" ") ? '"' + argument + '"' : argument);
        }
        say("./lexvla %s", String.join(" ", shown));
        int code = Lexvla.run(arguments);
        if (code != 0) {
            throw new IllegalStateException("'" + arguments[0] + "' ended with exit code " + code + ", see above");
        }
    }

    /** As {@link #command(String...)}, with more arguments. */
    Void command(List<String> first, String... more) {
        List<String> arguments = new ArrayList<>(first);
        arguments.addAll(List.of(more));
        command(arguments.toArray(String[]::new));
        return null;
    }

    /**
     * Does tasks, two at once, each with one thread of LibTorch: its matrix products at these sizes use one core anyway, so on two
     * cores two take the time of one. All are done before the failure of one is thrown.
     */
    static void sideBySide(List<Callable<Void>> tasks) throws Exception {
        int threads = torch.get_num_threads();
        torch.set_num_threads(1);
        ExecutorService executor = Executors.newFixedThreadPool(2);
        try {
            for (Future<Void> done : executor.invokeAll(tasks)) {
                done.get();
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        } finally {
            executor.shutdown();
            torch.set_num_threads(threads);
        }
    }
}
