package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.lexvla.model.ImageTransform;

/**
 * Pictures and their captions from a tab-separated table in UTF-8. The header names the columns {@code file} (relative to
 * the table) and {@code caption}, in any order and among others; a picture may have several rows.
 *
 * <p>Rows without a caption are left out when the table is read, unreadable pictures when they are first needed; both are
 * counted and named in {@link #skipped()}. Pictures are read anew each time, so memory does not grow with the table.
 *
 * <p>Safe for use by several threads.
 */
public final class CaptionDataset {
    private static final String FILE = "file";
    private static final String CAPTION = "caption";

    /**
     * A row of the table.
     *
     * @param line    in the table, counted from 1
     * @param file    the picture
     * @param caption not blank
     */
    public record Pair(int line, Path file, String caption) {}

    private final Path table;
    private final List<Pair> pairs;
    private final Map<Integer, SkippedRow> skipped;

    private CaptionDataset(Path table, List<Pair> pairs, Map<Integer, SkippedRow> skipped) {
        this.table = table;
        this.pairs = pairs;
        this.skipped = skipped;
    }

    /**
     * Reads the table; no picture is opened yet.
     *
     * @throws IOException naming the table, if it is missing, lacks one of the two columns, is no UTF-8, or holds no caption
     */
    public static CaptionDataset open(Path table) throws IOException {
        List<Pair> pairs = new ArrayList<>();
        Map<Integer, SkippedRow> skipped = Collections.synchronizedMap(new LinkedHashMap<>());
        try (BufferedReader reader = Files.newBufferedReader(table)) {
            String header = reader.readLine();
            if (header == null) {
                throw new IOException(table + " is empty: needs a header with the columns file and caption");
            }
            // Tables from spreadsheets begin with a byte order mark.
            List<String> columns = Arrays.stream(header.replace("\uFEFF", "").split("\t", -1))
                    .map(String::strip)
                    .toList();
            int file = column(table, columns, FILE);
            int caption = column(table, columns, CAPTION);
            String row;
            for (int line = 2; (row = reader.readLine()) != null; line++) {
                if (row.isBlank()) {
                    continue;
                }
                String[] cells = row.split("\t", -1);
                String name = file < cells.length ? cells[file].strip() : "";
                String text = caption < cells.length ? cells[caption].strip() : "";
                if (name.isEmpty() || text.isEmpty()) {
                    skipped.put(
                            line,
                            new SkippedRow(
                                    line,
                                    name,
                                    cells.length < columns.size()
                                            ? cells.length + " columns, the header has " + columns.size()
                                            : (name.isEmpty() ? "no file" : "no caption")));
                } else {
                    pairs.add(new Pair(line, table.resolveSibling(name), text));
                }
            }
        } catch (java.nio.file.NoSuchFileException e) {
            throw new IOException("no table of captions at " + table, e);
        } catch (CharacterCodingException e) {
            throw new IOException(table + " is not UTF-8: " + e.getMessage(), e);
        }
        if (pairs.isEmpty()) {
            throw new IOException(table + " has no row with a file and a caption, " + skipped.size() + " without");
        }
        return new CaptionDataset(table, List.copyOf(pairs), skipped);
    }

    private static int column(Path table, List<String> columns, String name) throws IOException {
        int at = columns.indexOf(name);
        if (at < 0) {
            throw new IOException(table + " has no column \"" + name + "\", its header is " + columns
                    + ": separate the columns by tabs and name two of them file and caption");
        }
        return at;
    }

    /** The table. */
    public Path table() {
        return table;
    }

    /** All rows with a file and a caption, in the order of the table; some may turn out unreadable. */
    public List<Pair> pairs() {
        return pairs;
    }

    /** The captions of all {@link #pairs}. */
    public List<String> captions() {
        return pairs.stream().map(Pair::caption).toList();
    }

    /** The distinct pictures of all {@link #pairs}, in the order of the table. */
    public List<Path> files() {
        return pairs.stream().map(Pair::file).distinct().toList();
    }

    /** The rows that were left out up to now, in the order they were found. */
    public List<SkippedRow> skipped() {
        synchronized (skipped) {
            return List.copyOf(skipped.values());
        }
    }

    /** Opens the picture of a row, or notes why it cannot be and returns null. */
    BufferedImage picture(Pair pair) {
        if (skipped.containsKey(pair.line())) {
            return null;
        }
        try {
            return ImageTransform.read(pair.file());
        } catch (IOException | RuntimeException e) {
            skipped.put(
                    pair.line(),
                    new SkippedRow(
                            pair.line(),
                            table.toAbsolutePath()
                                    .getParent()
                                    .relativize(pair.file().toAbsolutePath())
                                    .toString(),
                            e.getMessage() == null ? e.toString() : e.getMessage()));
            return null;
        }
    }
}
