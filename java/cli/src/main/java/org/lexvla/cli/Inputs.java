package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.lexvla.training.CaptionDataset;

/** What {@code --data} may name. */
final class Inputs {
    private static final Set<String> PICTURES = Set.of("jpg", "jpeg", "png", "webp", "gif", "bmp");

    private Inputs() {}

    /** A picture with the name under which it is reported: as the table writes it, or relative to the directory. */
    record Picture(String id, Path file) {}

    /** A text with its name: the line of the file it stands in. */
    record Text(String id, String text) {}

    /** The pictures of a captions table (each once), of a directory (recursively, by name), or the one picture. */
    static List<Picture> pictures(Path data) throws IOException {
        require(data);
        List<Picture> pictures = new ArrayList<>();
        if (Files.isDirectory(data)) {
            // Data sets are often links into a store. A link that leads nowhere is a picture that cannot be read, and
            // named as such.
            try (Stream<Path> walk = Files.walk(data, FileVisitOption.FOLLOW_LINKS)) {
                walk.filter(file -> isPicture(file) && !Files.isDirectory(file))
                        .sorted()
                        .forEach(file ->
                                pictures.add(new Picture(data.relativize(file).toString(), file)));
            }
        } else if (isPicture(data)) {
            pictures.add(new Picture(data.getFileName().toString(), data));
        } else {
            for (Path file : CaptionDataset.open(data).files()) {
                pictures.add(new Picture(name(data, file), file));
            }
        }
        if (pictures.isEmpty()) {
            throw new IllegalArgumentException(
                    "no picture in " + data + ": it must be a captions table, a directory with "
                            + String.join(", ", PICTURES.stream().sorted().toList()) + " files, or a picture");
        }
        return pictures;
    }

    /** The captions of a captions table ({@code .tsv}), or the lines of a text file; empty lines are left out. */
    static List<Text> texts(Path data) throws IOException {
        require(data);
        List<Text> texts = new ArrayList<>();
        if (extension(data).equals("tsv")) {
            for (CaptionDataset.Pair pair : CaptionDataset.open(data).pairs()) {
                texts.add(new Text(name(data, pair.file()) + ":" + pair.line(), pair.caption()));
            }
        } else {
            int line = 0;
            for (String text : Files.readAllLines(data)) {
                line++;
                if (!text.isBlank()) {
                    texts.add(new Text(String.valueOf(line), text.strip()));
                }
            }
        }
        if (texts.isEmpty()) {
            throw new IllegalArgumentException("no text in " + data);
        }
        return texts;
    }

    /** Results are never written over something that is there. */
    static void requireAbsent(Path out) throws IOException {
        if (Files.exists(out)) {
            throw new FileAlreadyExistsException(out + " (choose another --out, or remove it)");
        }
    }

    static void require(Path input) throws IOException {
        if (!Files.exists(input)) {
            throw new NoSuchFileException(input.toString());
        }
    }

    /** A picture of a table by the name the table gives it. */
    static String name(Path table, Path file) {
        Path directory = table.toAbsolutePath().getParent();
        return directory.relativize(file.toAbsolutePath()).toString();
    }

    private static boolean isPicture(Path file) {
        return PICTURES.contains(extension(file));
    }

    /** What follows the last dot of a file's name, in lower case. */
    static String extension(Path file) {
        String name = file.getFileName().toString();
        return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    }
}
