package org.lexvla.benchmarks;

import java.io.IOException;
import java.util.Arrays;
import org.openjdk.jmh.Main;
import picocli.CommandLine;

/**
 * The entry of {@code benchmarks.jar}: {@code compare} and {@code table} are commands of its own, everything else goes to
 * JMH.
 */
public final class Benchmarks {
    private Benchmarks() {}

    /** Runs a command, or JMH. */
    public static void main(String[] arguments) throws Exception {
        String command = arguments.length == 0 ? "" : arguments[0];
        Object own = switch (command) {
            case "compare" -> new CompareCommand();
            case "table" -> new TableCommand();
            default -> null;
        };
        if (own == null) {
            Main.main(arguments);
        } else {
            // LibTorch's worker threads would keep the process: ended here.
            System.exit(commandLine(own).execute(Arrays.copyOfRange(arguments, 1, arguments.length)));
        }
    }

    /** A command that says what was wrong with its input in a line. */
    static CommandLine commandLine(Object command) {
        return new CommandLine(command).setExecutionExceptionHandler((failure, line, parsed) -> {
            if (failure instanceof IllegalArgumentException || failure instanceof IOException) {
                line.getErr().println(line.getCommandName() + ": " + failure.getMessage());
                return CommandLine.ExitCode.SOFTWARE;
            }
            throw failure;
        });
    }
}
