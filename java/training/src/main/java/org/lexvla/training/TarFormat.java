package org.lexvla.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.lexvla.model.ImageTransform;

/**
 * WebDataset: members that follow each other and have the same name up to the first dot are a sample; what follows the dot says which
 * part of it. Captions are in {@code .txt}, or in the field {@code caption} of {@code .json}; img2dataset writes both.
 */
final class TarFormat implements ShardFiles.Format {
    /** Bytes of the largest member that is read. */
    private static final long LARGEST = 1L << 28;

    private static final int BUFFER = 1 << 16;
    /** Bytes of the mark at the end. */
    private static final int END = 1024;

    private static final ObjectMapper JSON = new ObjectMapper();

    @Override
    public CaptionSource.Reader open(Path file, ColumnNames columns, long from) throws IOException {
        Members members = new Members(file, columns);
        try {
            for (long index = 0; index < from && members.skip(); index++) {
                // Nothing of it is kept.
            }
        } catch (IOException | RuntimeException e) {
            members.close();
            throw e;
        }
        return members;
    }

    @Override
    public long count(Path file) throws IOException {
        // Written by img2dataset beside its shards.
        String name = file.getFileName().toString();
        Path statistics = file.resolveSibling(name.substring(0, name.lastIndexOf('.')) + "_stats.json");
        if (Files.exists(statistics)) {
            JsonNode successes = JSON.readTree(statistics.toFile()).path("successes");
            if (successes.isIntegralNumber()) {
                return successes.longValue();
            }
        }
        long count = 0;
        try (Members members = new Members(file, new ColumnNames("", ""))) {
            while (members.skip()) {
                count++;
            }
        } catch (IOException e) {
            // The rest is missing when the run comes to it, too, and is named there.
            return count;
        }
        return count;
    }

    private static final class Members implements CaptionSource.Reader {
        private final Path file;
        private final ColumnNames columns;
        private final TarArchiveInputStream tar;
        /** A member that begins the next sample, of which nothing but the header is read. */
        private TarArchiveEntry ahead;

        private long index;

        Members(Path file, ColumnNames columns) throws IOException {
            this.file = file;
            this.columns = columns;
            this.tar = new TarArchiveInputStream(new BufferedInputStream(Files.newInputStream(file), BUFFER));
            ahead = nextFile();
        }

        private TarArchiveEntry nextFile() throws IOException {
            TarArchiveEntry entry;
            do {
                entry = tar.getNextEntry();
            } while (entry != null && !entry.isFile());
            return entry;
        }

        private static String key(TarArchiveEntry entry) {
            String name = entry.getName();
            int dot = name.indexOf('.', name.lastIndexOf('/') + 1);
            return dot < 0 ? name : name.substring(0, dot);
        }

        private static String part(TarArchiveEntry entry) {
            String name = entry.getName();
            int dot = name.indexOf('.', name.lastIndexOf('/') + 1);
            return dot < 0 ? "" : name.substring(dot + 1).toLowerCase(Locale.ROOT);
        }

        boolean skip() throws IOException {
            if (ahead == null) {
                return false;
            }
            String key = key(ahead);
            do {
                ahead = nextFile();
            } while (ahead != null && key(ahead).equals(key));
            index++;
            return true;
        }

        @Override
        public Sample next() throws IOException {
            if (ahead == null) {
                requireEnd();
                return null;
            }
            String key = key(ahead);
            Map<String, byte[]> parts = new LinkedHashMap<>();
            List<String> others = new ArrayList<>();
            do {
                String part = part(ahead);
                if (isWanted(part) && ahead.getSize() <= LARGEST) {
                    byte[] content = tar.readNBytes((int) ahead.getSize());
                    if (content.length < ahead.getSize()) {
                        throw new IOException("the tar ends within " + ahead.getName());
                    }
                    parts.put(part, content);
                } else {
                    others.add(part);
                }
                ahead = nextFile();
            } while (ahead != null && key(ahead).equals(key));
            return sample(index++, key, parts, others);
        }

        /** A tar ends with two blocks of zeros. Without these it was cut, and nobody says so if that was between two members. */
        private void requireEnd() throws IOException {
            ByteBuffer end = ByteBuffer.allocate(END);
            try (SeekableByteChannel channel = Files.newByteChannel(file)) {
                channel.position(Math.max(0, channel.size() - END));
                while (end.hasRemaining() && channel.read(end) >= 0) {
                    // The rest of it.
                }
            }
            boolean whole = end.position() == END;
            for (byte one : end.array()) {
                whole &= one == 0;
            }
            if (!whole) {
                throw new IOException("the tar has no end, it was cut short");
            }
        }

        private List<String> pictures() {
            return columns.image().isEmpty() ? ColumnNames.PICTURES : List.of(columns.image());
        }

        /** The parts that may hold the caption; {@code json.caption} is a field of one. */
        private List<String> texts() {
            return columns.caption().isEmpty() ? List.of("txt", "json.caption") : List.of(columns.caption());
        }

        private boolean isWanted(String part) {
            return pictures().contains(part)
                    || texts().stream().anyMatch(text -> text.equals(part) || isField(text) && part.equals("json"));
        }

        private static boolean isField(String text) {
            return text.startsWith("json.");
        }

        private Sample sample(long at, String key, Map<String, byte[]> parts, List<String> others) {
            String caption = null;
            for (String text : texts()) {
                byte[] content = parts.get(isField(text) ? "json" : text);
                if (content != null && caption == null) {
                    String found = isField(text) ? field(content, text.substring(5)) : decode(content);
                    caption = found.isBlank() ? null : found.strip();
                }
            }
            for (String picture : pictures()) {
                byte[] content = parts.get(picture);
                if (content != null) {
                    return caption == null
                            ? Sample.flawed(at, key, "no caption in " + String.join(" or ", texts()))
                            : new Sample(
                                    at, key, caption, () -> ImageTransform.read(content, key + "." + picture), null);
                }
            }
            List<String> all = new ArrayList<>(parts.keySet());
            all.addAll(others);
            return Sample.flawed(
                    at,
                    key,
                    "no picture: looked for " + String.join(", ", pictures()) + ", it has " + String.join(", ", all));
        }

        private static String decode(byte[] content) {
            return new String(content, StandardCharsets.UTF_8);
        }

        private static String field(byte[] json, String name) {
            try {
                return JSON.readTree(decode(json)).path(name).asText("");
            } catch (JsonProcessingException e) {
                return "";
            }
        }

        @Override
        public void close() throws IOException {
            tar.close();
        }
    }
}
