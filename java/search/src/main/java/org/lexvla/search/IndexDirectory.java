package org.lexvla.search;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.lexvla.lexical.Vocabulary;

/**
 * What the directories of all engines have in common: {@code index.json} with format, engine, number of items, fingerprint of the
 * vocabulary and the model's directory seen from here, and {@code vocabulary.json}.
 */
final class IndexDirectory {
    static final String INDEX = "index.json";
    private static final String VOCABULARY = "vocabulary.json";
    private static final String ENGINE = "engine";
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Writes what an engine keeps beside the description. */
    interface Contents {
        void write(Path directory) throws IOException;
    }

    private final Path directory;
    private final JsonNode root;

    private IndexDirectory(Path directory, JsonNode root) {
        this.directory = directory;
        this.root = root;
    }

    /**
     * Makes a directory: beside its place, then renamed, so that there is a whole index or none.
     *
     * @param more     what an engine notes besides, by key
     * @param contents writes what an engine keeps in the directory
     * @throws FileAlreadyExistsException if there is something at the directory
     */
    static void create(
            Path directory,
            int format,
            SearchIndex.Engine engine,
            int items,
            Vocabulary vocabulary,
            Path model,
            Map<String, String> more,
            Contents contents)
            throws IOException {
        Path target = directory.toAbsolutePath().normalize();
        if (Files.exists(target) && !isEmptyDirectory(target)) {
            throw new FileAlreadyExistsException(
                    directory + " exists and is not empty: choose another directory for the index, or remove it");
        }
        Path parent = target.getParent();
        Files.createDirectories(parent);
        Path written = parent.resolve("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        Files.createDirectory(written);
        try {
            vocabulary.save(written.resolve(VOCABULARY));
            ObjectNode root = JSON.createObjectNode();
            root.put("format", format);
            root.put(ENGINE, engine.label());
            root.put("items", items);
            root.put("vocabulary", vocabulary.fingerprint());
            root.put("model", relative(target, model).toString());
            more.forEach(root::put);
            Files.writeString(
                    written.resolve(INDEX),
                    JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n");
            // Last, because what is written elsewhere cannot be taken back by removing this directory.
            contents.write(written);
            // Fails, as it should, if something has come into it meanwhile.
            Files.deleteIfExists(target);
            Files.move(written, target, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            remove(written);
        }
    }

    /**
     * Reads the description.
     *
     * @throws IOException if there is none, or it is damaged
     */
    static IndexDirectory open(Path directory) throws IOException {
        Path file = directory.resolve(INDEX);
        try {
            return new IndexDirectory(directory, JSON.readTree(Files.readAllBytes(file)));
        } catch (NoSuchFileException e) {
            throw new IOException(
                    "no index at " + directory + ": " + INDEX
                            + " is missing; make one with 'lexvla index', or create of its class",
                    e);
        } catch (JsonProcessingException e) {
            throw new IOException(file + " is not JSON, perhaps cut short: " + e.getOriginalMessage(), e);
        }
    }

    /** Name of the engine; the exact one, which was there before there were names, may have none. */
    String engine() {
        return root.path(ENGINE).asText(SearchIndex.Engine.EXACT.label());
    }

    /**
     * Refuses the directory of another engine.
     *
     * @throws IOException naming both
     */
    void requireEngine(SearchIndex.Engine engine) throws IOException {
        if (!engine().equals(engine.label())) {
            throw new IOException(
                    "the index " + directory + " is for the engine \"" + engine() + "\", not for " + engine.label());
        }
    }

    /**
     * The vocabulary, held against format and fingerprint.
     *
     * @throws IOException if the directory has another format, or a vocabulary that is not that of the index
     */
    Vocabulary vocabulary(int format) throws IOException {
        int found = root.path("format").asInt(-1);
        if (found != format) {
            throw new IOException(directory.resolve(INDEX) + " has format "
                    + (found == -1 ? "none" : Integer.toString(found)) + ", this version reads format " + format
                    + ": make the index again");
        }
        Vocabulary vocabulary = Vocabulary.load(directory.resolve(VOCABULARY));
        String fingerprint = root.path("vocabulary").asText("");
        if (!fingerprint.equals(vocabulary.fingerprint())) {
            throw new IOException("the index " + directory + " was made with the vocabulary " + fingerprint
                    + ", but its " + VOCABULARY + " is " + vocabulary.fingerprint() + ": make the index again");
        }
        return vocabulary;
    }

    /** Number of items that the description tells of; -1 if it tells none. */
    int items() {
        return root.path("items").asInt(-1);
    }

    /** What an engine has noted besides; empty if it is not there. */
    String text(String key) {
        return root.path(key).asText("");
    }

    /** Directory of the model that made the index. */
    Path model() {
        return directory.resolve(root.path("model").asText("")).normalize();
    }

    /**
     * The row of each name.
     *
     * @throws IllegalArgumentException if there are more or fewer than items, or one comes twice
     */
    static Map<String, Integer> rows(List<String> ids, int items) {
        if (ids.size() != items) {
            throw new IllegalArgumentException(
                    "there are " + ids.size() + " ids for " + items + " rows: give one per row");
        }
        Map<String, Integer> rows = new HashMap<>();
        for (int row = 0; row < ids.size(); row++) {
            Integer before = rows.putIfAbsent(ids.get(row), row);
            if (before != null) {
                throw new IllegalArgumentException(
                        "the id '" + ids.get(row) + "' names items " + before + " and " + row + ": each needs its own");
            }
        }
        return rows;
    }

    private static Path relative(Path directory, Path model) {
        Path absolute = model.toAbsolutePath().normalize();
        try {
            return directory.relativize(absolute);
        } catch (IllegalArgumentException e) {
            // Another drive: there is no relative way.
            return absolute;
        }
    }

    private static boolean isEmptyDirectory(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return false;
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.findAny().isEmpty();
        }
    }

    /** Removes what an index that could not be finished has left. */
    private static void remove(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        List<Path> all;
        try (Stream<Path> walk = Files.walk(directory)) {
            all = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : all) {
            Files.delete(path);
        }
    }
}
