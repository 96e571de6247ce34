package org.lexvla.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.util.Locale;
import picocli.CommandLine.Option;

/**
 * What a command says. A person reads standard output; with {@code --json} standard output carries one JSON object and
 * nothing else, and the words for people go to standard error.
 */
public final class Console {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Option(
            names = "--json",
            description = "Print one JSON object on standard output; everything else goes to standard error.")
    private boolean json;

    /** Prints a line for people, formatted as {@link String#format} does. */
    public void line(String format, Object... values) {
        people().println(values.length == 0 ? format : String.format(Locale.ROOT, format, values));
    }

    /** Prints what the command found, for machines; without {@code --json} nothing, the lines have said it. */
    public void result(Object result) {
        if (json) {
            System.out.println(toJson(result));
        }
    }

    /** Starts a display of progress on standard error. {@code total} below 0 is unknown. */
    public Progress progress(String task, String unit, long total) {
        return Progress.start(task, unit, total);
    }

    /** Whether the result is wanted as JSON. */
    public boolean isJson() {
        return json;
    }

    private PrintStream people() {
        return json ? System.err : System.out;
    }

    static String toJson(Object value) {
        try {
            return JSON.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a result cannot be written as JSON: " + value, e);
        }
    }
}
