package org.lexvla.cli;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** The commands of {@code ./lexvla}. Exit codes: 0 done, 1 failed, 2 wrong use. */
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

    private Lexvla() {}

    /** Runs one command and exits. */
    public static void main(String[] arguments) {
        System.exit(run(arguments));
    }

    /** Runs one command, as {@link #main} does, and returns its exit code. */
    public static int run(String... arguments) {
        LUCENE.setLevel(Level.SEVERE);
        return new CommandLine(new Lexvla())
                .setExecutionExceptionHandler(Lexvla::fail)
                .setParameterExceptionHandler(Lexvla::refuse)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpAutoWidth(true)
                .execute(arguments);
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
