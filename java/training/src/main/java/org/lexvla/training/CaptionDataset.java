package org.lexvla.training;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.lexvla.model.ImageTransform;

/**
 * Pictures and their captions from a tab-separated table in UTF-8. The header names the columns {@code file} (relative to
 * the table) and {@code caption}, in any order and among others; a picture may have several rows.
 *
 * <p>Rows without a file or a caption are left out and named in {@link #skipped()}. No picture is opened here.
 *
 * <p>Immutable.
 */
public final class CaptionDataset implements CaptionSource, CaptionSource.Shard {
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
    private final List<Sample> flawed;
    private final long bytes;

    private CaptionDataset(Path table, List<Pair> pairs, List<Sample> flawed, long bytes) {
        this.table = table;
        this.pairs = pairs;
        this.flawed = flawed;
        this.bytes = bytes;
    }

    /**
     * Reads the table; no picture is opened yet.
     *
     * @throws IOException naming the table, if it is missing, lacks one of the two columns, is no UTF-8, or holds no caption
     */
    public static CaptionDataset open(Path table) throws IOException {
        List<Pair> pairs = new ArrayList<>();
        List<Sample> flawed = new ArrayList<>();
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
                    flawed.add(Sample.flawed(
                            line - 1,
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
            throw new IOException(table + " has no row with a file and a caption, " + flawed.size() + " without");
        }
        return new CaptionDataset(table, List.copyOf(pairs), List.copyOf(flawed), Files.size(table));
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

    /** The rows without a file or a caption. */
    public List<SkippedSample> skipped() {
        return flawed.stream()
                .map(row -> new SkippedSample(place(row.index()), row.key(), row.flaw()))
                .toList();
    }

    @Override
    public String name() {
        return table.toString();
    }

    @Override
    public List<CaptionDataset> shards() {
        return List.of(this);
    }

    @Override
    public boolean isList() {
        return true;
    }

    @Override
    public long size() {
        return pairs.size();
    }

    @Override
    public long bytes() {
        return bytes;
    }

    /** Samples are counted by the lines of the table, the first of which is its header. */
    @Override
    public String place(long index) {
        return table.getFileName() + ":" + (index + 1);
    }

    @Override
    public Reader open(long from) {
        return new Rows(from);
    }

    /** Rows with and without what they need, by line. */
    private final class Rows implements Reader {
        private int pair;
        private int flaw;

        Rows(long from) {
            while (pair < pairs.size() && pairs.get(pair).line() - 1 < from) {
                pair++;
            }
            while (flaw < flawed.size() && flawed.get(flaw).index() < from) {
                flaw++;
            }
        }

        @Override
        public Sample next() {
            boolean pairs = pair < CaptionDataset.this.pairs.size();
            if (flaw < flawed.size()
                    && (!pairs
                            || flawed.get(flaw).index()
                                    < CaptionDataset.this.pairs.get(pair).line() - 1)) {
                return flawed.get(flaw++);
            }
            if (!pairs) {
                return null;
            }
            Pair row = CaptionDataset.this.pairs.get(pair++);
            return new Sample(
                    row.line() - 1, row.file().toString(), row.caption(), () -> ImageTransform.read(row.file()), null);
        }

        @Override
        public void close() {}
    }
}
