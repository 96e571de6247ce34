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
import java.util.List;
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
     * @throws FileAlreadyExistsException if there is something at the directory
     */
    static void create(
            Path directory, int format, String engine, int items, Vocabulary vocabulary, Path model, Contents contents)
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
            contents.write(written);
            vocabulary.save(written.resolve(VOCABULARY));
            ObjectNode root = JSON.createObjectNode();
            root.put("format", format);
            root.put(ENGINE, engine);
            root.put("items", items);
            root.put("vocabulary", vocabulary.fingerprint());
            root.put("model", relative(target, model).toString());
            Files.writeString(
                    written.resolve(INDEX),
                    JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n");
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
            throw new IOException("no index at " + directory + ": " + INDEX + " is missing; make one with create", e);
        } catch (JsonProcessingException e) {
            throw new IOException(file + " is not JSON, perhaps cut short: " + e.getOriginalMessage(), e);
        }
    }

    /** Name of the engine; the exact one, which was there before there were names, may have none. */
    String engine() {
        return root.path(ENGINE).asText(SearchIndex.Engine.EXACT.label());
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

    /** Directory of the model that made the index. */
    Path model() {
        return directory.resolve(root.path("model").asText("")).normalize();
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
