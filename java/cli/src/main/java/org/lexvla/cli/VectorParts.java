package org.lexvla.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Vocabulary;

/**
 * What of a long encoding is done, in a directory beside the file it will become: parts of some thousand vectors each, so that a run
 * that was cut off goes on where it was.
 *
 * <pre>
 *     settings.json     what is being encoded, and how
 *     00000.arrow       the vectors of the first inputs
 *     00000.json        how many inputs these were, and which could not be read; written last, so that a part is whole or none
 * </pre>
 */
final class VectorParts {
    private static final String SETTINGS = "settings.json";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path directory;
    private final Vocabulary vocabulary;
    private final BufferAllocator allocator;
    private final List<String> skipped = new ArrayList<>();
    private int parts;
    private int inputs;

    /** Takes a part. */
    interface Reader {
        void part(List<String> ids, LexicalBatch batch) throws IOException;
    }

    private VectorParts(Path directory, Vocabulary vocabulary, BufferAllocator allocator) {
        this.directory = directory;
        this.vocabulary = vocabulary;
        this.allocator = allocator;
    }

    /**
     * Begins, or goes on with what is there.
     *
     * @param settings whatever must be the same for parts to belong together
     * @throws IllegalArgumentException if what is there belongs to another run
     */
    static VectorParts open(
            Path directory, Map<String, String> settings, Vocabulary vocabulary, BufferAllocator allocator)
            throws IOException {
        VectorParts parts = new VectorParts(directory, vocabulary, allocator);
        Path file = directory.resolve(SETTINGS);
        JsonNode now = JSON.valueToTree(settings);
        if (!Files.exists(file)) {
            Files.createDirectories(directory);
            NewFile.writeBytes(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(now));
            return parts;
        }
        JsonNode before = JSON.readTree(Files.readAllBytes(file));
        if (!before.equals(now)) {
            List<String> changed = new ArrayList<>();
            settings.forEach((name, value) -> {
                if (!value.equals(before.path(name).asText(null))) {
                    changed.add(name + " was " + before.path(name).asText("not given") + " and is " + value);
                }
            });
            throw new IllegalArgumentException(directory + " holds the beginning of another run: "
                    + String.join("; ", changed) + ". Remove it, or choose another --out");
        }
        while (Files.exists(parts.note(parts.parts))) {
            JsonNode note = JSON.readTree(Files.readAllBytes(parts.note(parts.parts)));
            parts.inputs += note.required("inputs").asInt();
            note.required("skipped").forEach(name -> parts.skipped.add(name.asText()));
            parts.parts++;
        }
        return parts;
    }

    private Path vectors(int part) {
        return directory.resolve(String.format(Locale.ROOT, "%05d.arrow", part));
    }

    private Path note(int part) {
        return directory.resolve(String.format(Locale.ROOT, "%05d.json", part));
    }

    /** How many inputs are done. */
    int inputs() {
        return inputs;
    }

    /** Those of them that could not be read, with the reason. */
    List<String> skipped() {
        return List.copyOf(skipped);
    }

    /** Writes the next part. */
    void add(int count, List<String> ids, LexicalBatch batch, List<String> left) throws IOException {
        batch.write(vectors(parts), ids);
        ObjectNode note = JSON.createObjectNode().put("inputs", count);
        left.forEach(note.putArray("skipped")::add);
        NewFile.writeBytes(note(parts), JSON.writeValueAsBytes(note));
        parts++;
        inputs += count;
        skipped.addAll(left);
    }

    /** Hands out all parts in their order, one in memory at a time. */
    void read(Reader reader) throws IOException {
        for (int part = 0; part < parts; part++) {
            try (LexicalBatch.Stored stored = LexicalBatch.read(vectors(part), vocabulary, allocator)) {
                reader.part(stored.ids(), stored.batch());
            }
        }
    }

    /** Removes the directory, when the file is there. */
    void delete() throws IOException {
        List<Path> files;
        try (Stream<Path> list = Files.list(directory)) {
            files = list.toList();
        }
        for (Path file : files) {
            Files.delete(file);
        }
        Files.delete(directory);
    }
}
