package org.lexvla.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Finds the golden reference cases.
 *
 * <p>They are read from the directory in the system property {@code lexvla.golden}; the build sets it to the copy in the
 * project. Tests take every case found there, so another set in the same layout can be put in its place.
 */
public final class Golden {
    private Golden() {}

    /** The directory of the golden cases. */
    public static Path directory() {
        String property = System.getProperty("lexvla.golden");
        Path directory = property == null || property.isEmpty() ? nearest() : Path.of(property);
        if (!Files.isDirectory(directory)) {
            throw new IllegalStateException("no golden cases at " + directory.toAbsolutePath()
                    + ": set -Dlexvla.golden to a directory laid out like the project's golden/");
        }
        return directory;
    }

    /** The files of a sub-directory whose names end with {@code suffix}, sorted; at least one. */
    public static List<Path> files(String subdirectory, String suffix) {
        Path directory = directory().resolve(subdirectory);
        try (Stream<Path> list = Files.list(directory)) {
            List<Path> files = list.filter(file -> file.getFileName().toString().endsWith(suffix))
                    .sorted()
                    .toList();
            if (files.isEmpty()) {
                throw new IllegalStateException("no *" + suffix + " in " + directory.toAbsolutePath());
            }
            return files;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Run from an IDE, where the build sets nothing: the project's copy, looked for upwards. */
    private static Path nearest() {
        for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
            if (Files.isDirectory(at.resolve("golden/lexhead"))) {
                return at.resolve("golden");
            }
        }
        return Path.of("golden");
    }
}
