package org.lexvla.cli;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jline.utils.Signals;
import org.lexvla.training.StopSignal;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The commands of {@code ./lexvla}. Exit codes: 0 done, 1 failed or stopped before its end, 2 wrong use; 128 and the number of the signal
 * where one ended the process: 143 for SIGTERM, 130 for Ctrl-C.
 */
@Command(
        name = "lexvla",
        description = "Pictures and texts as sparse vectors over words.",
        mixinStandardHelpOptions = true,
        versionProvider = Lexvla.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            DemoCommand.class,
            InitCommand.class,
            TrainCommand.class,
            PackCommand.class,
            EncodeCommand.class,
            IndexCommand.class,
            SearchCommand.class,
            ServeCommand.class,
            ExplainCommand.class,
            EvaluateCommand.class,
            InfoCommand.class,
            DoctorCommand.class
        },
        footer = {
            "",
            "Start with: ./lexvla demo --out /tmp/lexvla-demo",
            "Every command explains itself: ./lexvla COMMAND --help"
        })
public final class Lexvla {
    /** On newer JDKs it tells at every start which instructions it uses. Held here: loggers that nobody holds forget their level. */
    private static final Logger LUCENE = Logger.getLogger("org.apache.lucene");

    /** 128 and the number of the signal, as the JVM itself does. */
    private static final int INTERRUPTED = 130;

    /** Null while the process may end at any moment. */
    private StopSignal stop;

    private Lexvla() {}

    /** Runs one command and exits. A second Ctrl-C does not wait for what the first one lets the command finish. */
    public static void main(String[] arguments) {
        AtomicBoolean told = new AtomicBoolean();
        Signals.register("INT", () -> {
            if (told.getAndSet(true)) {
                Runtime.getRuntime().halt(INTERRUPTED);
            }
            System.exit(INTERRUPTED);
        });
        System.exit(run(arguments));
    }

    /** Runs one command, as {@link #main} does, and returns its exit code. */
    public static int run(String... arguments) {
        LUCENE.setLevel(Level.SEVERE);
        Lexvla lexvla = new Lexvla();
        try {
            return new CommandLine(lexvla)
                    .setExecutionExceptionHandler(Lexvla::fail)
                    .setParameterExceptionHandler(Lexvla::refuse)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .setUsageHelpAutoWidth(true)
                    .execute(arguments);
        } finally {
            if (lexvla.stop != null) {
                lexvla.stop.close();
            }
        }
    }

    /**
     * From here on a process that is told to end (SIGTERM, Ctrl-C) stays until this command is over and has said what became of it.
     *
     * @param said tells the user so
     */
    void endWithCommand(Runnable said) {
        stop = StopSignal.ofTheJvm(said);
    }

    /** What was wrong, and how the command is called: the whole help would push the one line that matters off the screen. */
    private static int refuse(ParameterException wrong, String[] arguments) {
        CommandLine command = wrong.getCommandLine();
        PrintWriter out = command.getErr();
        String name = command.getCommandSpec().qualifiedName();
        out.println(name + ": " + wrong.getMessage());
        UnmatchedArgumentException.printSuggestions(wrong, out);
        out.print(command.getHelp().fullSynopsis());
        out.println("./" + name + " --help says more.");
        // Of a line that cannot be parsed nothing is matched.
        if (List.of(arguments).contains("--json")) {
            System.out.println(Console.toJson(Map.of("error", wrong.getMessage())));
        }
        return command.getCommandSpec().exitCodeOnInvalidInput();
    }

    /** What a user can mend is one line; what is our fault comes with its stack trace. */
    private static int fail(Exception failure, CommandLine command, ParseResult parsed) {
        String message = message(failure);
        command.getErr().println("lexvla " + command.getCommandName() + ": " + message);
        if (!expected(failure) || Boolean.getBoolean("lexvla.stacktrace")) {
            failure.printStackTrace(command.getErr());
        }
        ParseResult own = command.getParseResult(); // the one given is of the whole line
        if (own.hasMatchedOption("--json")) {
            System.out.println(Console.toJson(Map.of("error", message)));
        }
        return 1;
    }

    private static boolean expected(Exception failure) {
        return failure instanceof IOException
                || failure instanceof UncheckedIOException
                || failure instanceof IllegalArgumentException
                || failure instanceof IllegalStateException
                || failure instanceof UnsupportedOperationException;
    }

    /** What a person is told of a failure. */
    static String message(Throwable failure) {
        if (failure instanceof UncheckedIOException) {
            String own = failure.getMessage();
            String cause = message(failure.getCause());
            // Without a text of its own it repeats the cause with the name of its class, or has none.
            return own == null || own.equals(failure.getCause().toString()) ? cause : own + ": " + cause;
        }
        // The messages of these are the bare path.
        if (failure instanceof NoSuchFileException || failure instanceof FileNotFoundException) {
            return "no such file: " + failure.getMessage();
        }
        if (failure instanceof AccessDeniedException) {
            return "no permission for " + failure.getMessage();
        }
        if (failure instanceof FileAlreadyExistsException) {
            return "exists already: " + failure.getMessage();
        }
        return failure.getMessage() == null ? failure.toString() : failure.getMessage();
    }

    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Lexvla.class.getPackage().getImplementationVersion();
            return new String[] {"lexvla " + (version == null ? "(development)" : version)};
        }
    }
}
