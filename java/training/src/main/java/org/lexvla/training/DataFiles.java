package org.lexvla.training;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Finds out what somebody means by {@code --data}. */
final class DataFiles {
    private static final String TABLE = "captions.tsv";
    private static final Map<String, ShardFiles.Format> FORMATS = Map.of(
            "tar", new TarFormat(),
            "parquet", new ParquetFormat(),
            "arrow", new ArrowFormat(),
            "arrows", new ArrowFormat(),
            "feather", new ArrowFormat(),
            "ipc", new ArrowFormat());
    private static final Pattern BRACES = Pattern.compile("\\{([^{}]*)}");
    private static final Pattern RANGE = Pattern.compile("(\\d+)\\.\\.(\\d+)");
    /** Files that one pattern may name. */
    private static final int MOST = 1_000_000;

    private DataFiles() {}

    static CaptionSource open(String data, ColumnNames columns) throws IOException {
        List<Path> files = new ArrayList<>();
        for (String pattern : expand(data)) {
            files.addAll(find(pattern));
        }
        if (files.size() == 1 && extension(files.get(0)).equals("tsv")) {
            return CaptionDataset.open(files.get(0));
        }
        Set<ShardFiles.Format> formats = new TreeSet<>(
                (a, b) -> a.getClass().getName().compareTo(b.getClass().getName()));
        Map<String, Integer> counts = new TreeMap<>();
        List<Path> shards = new ArrayList<>();
        for (Path file : files) {
            counts.merge(extension(file), 1, Integer::sum);
            ShardFiles.Format format = FORMATS.get(extension(file));
            if (format != null) {
                formats.add(format);
                shards.add(file);
            }
        }
        if (formats.size() != 1) {
            throw new IOException(data + " has "
                    + (formats.isEmpty() ? "no data that can be read" : "several kinds of data")
                    + ": " + (counts.isEmpty() ? "it is empty" : "files by their endings: " + counts)
                    + "; give a " + TABLE + ", or .tar shards of WebDataset, or .parquet, or .arrow files, such as"
                    + " shards/{00000..00099}.tar");
        }
        shards.sort(null);
        return new ShardFiles(data, shards, formats.iterator().next(), columns);
    }

    private static String extension(Path file) {
        String name = file.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return dot < 0 ? "" : name.substring(dot + 1).toLowerCase(Locale.ROOT);
    }

    /** {@code a{00..02}b} and {@code a{x,y}b}, as a shell would write them out. */
    static List<String> expand(String pattern) throws IOException {
        Matcher braces = BRACES.matcher(pattern);
        if (!braces.find()) {
            return List.of(pattern);
        }
        List<String> choices = new ArrayList<>();
        Matcher range = RANGE.matcher(braces.group(1));
        if (range.matches()) {
            long first = Long.parseLong(range.group(1));
            long last = Long.parseLong(range.group(2));
            if (last - first < 0 || last - first >= MOST) {
                throw new IOException(braces.group() + " in " + pattern + " counts from " + first + " to " + last
                        + ": the smaller first, and at most " + MOST + " numbers");
            }
            for (long i = first; i <= last; i++) {
                choices.add(String.format(Locale.ROOT, "%0" + range.group(1).length() + "d", i));
            }
        } else {
            choices.addAll(List.of(braces.group(1).split(",", -1)));
        }
        List<String> all = new ArrayList<>();
        for (String choice : choices) {
            all.addAll(expand(pattern.substring(0, braces.start()) + choice + pattern.substring(braces.end())));
            if (all.size() > MOST) {
                throw new IOException(pattern + " names more than " + MOST + " files");
            }
        }
        return all;
    }

    /** A file; the table or all files of a directory; the files that a pattern with {@code *} or {@code ?} names. */
    private static List<Path> find(String name) throws IOException {
        Path path = Path.of(name);
        if (Files.isRegularFile(path)) {
            return List.of(path);
        }
        if (Files.isDirectory(path)) {
            if (Files.exists(path.resolve(TABLE))) {
                return List.of(path.resolve(TABLE));
            }
            try (Stream<Path> files = Files.list(path)) {
                return files.filter(Files::isRegularFile).toList();
            }
        }
        Path directory = path.toAbsolutePath().getParent();
        String glob = path.getFileName().toString();
        if ((glob.contains("*") || glob.contains("?")) && Files.isDirectory(directory)) {
            List<Path> found = new ArrayList<>();
            try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, glob)) {
                files.forEach(found::add);
            }
            if (!found.isEmpty()) {
                return found;
            }
        }
        throw new IOException("no data at " + name);
    }
}
