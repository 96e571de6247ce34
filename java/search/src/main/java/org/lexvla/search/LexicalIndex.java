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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.InvertedIndex;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;

/**
 * An index in a directory, searched exactly: every query is multiplied with every vector by the kernels, or
 * after {@link #prepare} looked up in an inverted index in memory.
 *
 * <pre>
 *     index.json        format, number of items, fingerprint of the vocabulary, the model's directory seen from here
 *     vectors.arrow     ids and vectors, as {@link LexicalBatch#write} makes them
 *     vocabulary.json   the words
 * </pre>
 *
 * <pre>{@code
 * LexicalIndex.create(directory, pictures, names, model);
 * try (LexicalIndex index = LexicalIndex.open(directory, allocator)) {
 *     for (LexicalIndex.Hit hit : index.search(query, 10)) {
 *         System.out.println(hit.id() + " " + hit.score() + " " + index.explain(query, hit, 5));
 *     }
 * }
 * }</pre>
 *
 * <p>An index does not change once made. It may be searched by several threads at once, and throws
 * {@link IllegalStateException} when closed.
 */
public final class LexicalIndex implements LexicalSearcher {
    private static final int FORMAT = 1;
    private static final String INDEX = "index.json";
    private static final String VECTORS = "vectors.arrow";
    private static final String VOCABULARY = "vocabulary.json";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path model;
    private final List<String> ids;
    private final Map<String, Integer> rows;
    private final LexicalBatch vectors;
    private final AtomicReference<InvertedIndex> prepared = new AtomicReference<>();

    private LexicalIndex(Path model, List<String> ids, Map<String, Integer> rows, LexicalBatch vectors) {
        this.model = model;
        this.ids = ids;
        this.rows = rows;
        this.vectors = vectors;
    }

    /**
     * Makes an index: in a directory beside, which is then renamed, so that there is a whole index or none.
     *
     * @param directory of the index; absent or empty
     * @param vectors   stay the caller's
     * @param ids       names of the items, one per vector, each once
     * @param model     directory of the model that encodes queries for this index; recorded relative to the index, so that
     *                  both may be moved together
     * @throws FileAlreadyExistsException if there is something at the directory
     * @throws IOException                if the index cannot be written
     */
    public static void create(Path directory, LexicalBatch vectors, List<String> ids, Path model) throws IOException {
        rows(ids);
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
            vectors.write(written.resolve(VECTORS), ids);
            vectors.vocabulary().save(written.resolve(VOCABULARY));
            ObjectNode root = JSON.createObjectNode();
            root.put("format", FORMAT);
            root.put("items", ids.size());
            root.put("vocabulary", vectors.vocabulary().fingerprint());
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
     * Opens an index.
     *
     * @param allocator of the vectors; closed by the caller after the index
     * @throws IOException if there is no index, a part of it is missing, damaged or of another format, or its parts do not
     *                     belong together
     */
    public static LexicalIndex open(Path directory, BufferAllocator allocator) throws IOException {
        JsonNode root = description(directory);
        Vocabulary vocabulary = Vocabulary.load(directory.resolve(VOCABULARY));
        String fingerprint = root.path("vocabulary").asText("");
        if (!fingerprint.equals(vocabulary.fingerprint())) {
            throw new IOException("the index " + directory + " was made with the vocabulary " + fingerprint
                    + ", but its " + VOCABULARY + " is " + vocabulary.fingerprint() + ": make the index again");
        }
        LexicalBatch.Stored stored;
        try {
            stored = LexicalBatch.read(directory.resolve(VECTORS), vocabulary, allocator);
        } catch (IllegalArgumentException e) {
            throw new IOException(
                    "the parts of the index " + directory + " do not belong together: " + e.getMessage(), e);
        }
        try {
            int items = root.path("items").asInt(-1);
            if (items != stored.ids().size()) {
                throw new IOException("the index " + directory + " says it has " + items + " items, but " + VECTORS
                        + " has " + stored.ids().size());
            }
            Path model = directory.resolve(root.path("model").asText("")).normalize();
            return new LexicalIndex(model, stored.ids(), rows(stored.ids()), stored.batch());
        } catch (IOException | RuntimeException e) {
            stored.close();
            throw e;
        }
    }

    /** Directory of the model that made the index; it may have gone since. */
    public Path model() {
        return model;
    }

    /** Names of the items, in the order of the vectors. */
    public List<String> ids() {
        return ids;
    }

    @Override
    public Vocabulary vocabulary() {
        return vectors.vocabulary();
    }

    @Override
    public int size() {
        return vectors.size();
    }

    /**
     * The vector of an item.
     *
     * @throws IllegalArgumentException if no item has this id
     */
    public LexicalVector vector(String id) {
        Integer row = rows.get(id);
        if (row == null) {
            throw new IllegalArgumentException("no item '" + id + "' among the " + ids.size() + " of the index");
        }
        return vectors.get(row);
    }

    /**
     * Makes ready for many searches: builds an {@link InvertedIndex} of the vectors in memory, of 2 to 3 bytes for each of
     * their entries. That takes as long as some ten searches without it; those with it read only the words of their query.
     * Hits stay the same, scores to within the rounding of a float sum. Doing it again does nothing.
     *
     * @param allocator of the inverted index; closed by the caller after this
     * @return the bytes that it takes
     * @throws IllegalArgumentException if a weight of the vectors is negative or not finite: such are searched without
     */
    public long prepare(BufferAllocator allocator) {
        InvertedIndex built = prepared.get();
        if (built == null) {
            built = InvertedIndex.of(vectors, InvertedIndex.Impacts.EIGHT_BIT, allocator);
            if (!prepared.compareAndSet(null, built)) {
                built.close();
                built = prepared.get();
            } else if (vectors.isClosed()) {
                built.close();
            }
        }
        return built.bytes();
    }

    /** As {@link LexicalSearcher#search}; exact. Of equal scores, the item that was indexed first is first. */
    @Override
    public List<Hit> search(LexicalVector query, int k) {
        requireSearch(query, k);
        InvertedIndex inverted = prepared.get();
        return hits(inverted != null && isInvertible(query) ? inverted.search(query, k) : vectors.topK(query, k));
    }

    /**
     * As {@link #search(LexicalVector, int)} for several queries; once {@link #prepare} was called, what they share is
     * read once.
     *
     * @return for each query its hits
     */
    public List<List<Hit>> search(List<LexicalVector> queries, int k) {
        queries.forEach(query -> requireSearch(query, k));
        InvertedIndex inverted = prepared.get();
        if (inverted == null || !queries.stream().allMatch(LexicalIndex::isInvertible)) {
            return queries.stream().map(query -> search(query, k)).toList();
        }
        return inverted.search(queries, k).hits().stream().map(this::hits).toList();
    }

    @Override
    public List<WeightedWord> explain(LexicalVector query, Hit hit, int n) {
        requireVocabulary(query);
        return query.explain(vector(hit.id()), n);
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        vectors.close();
        InvertedIndex inverted = prepared.get();
        if (inverted != null) {
            inverted.close();
        }
    }

    private List<Hit> hits(List<LexicalBatch.Hit> found) {
        return found.stream()
                .map(hit -> new Hit(ids.get(hit.row()), hit.score()))
                .toList();
    }

    /** Whether an inverted index takes the query. */
    private static boolean isInvertible(LexicalVector query) {
        for (float weight : query.weights()) {
            if (!(weight >= 0 && weight <= Float.MAX_VALUE)) {
                return false;
            }
        }
        return true;
    }

    private void requireSearch(LexicalVector query, int k) {
        if (k < 1) {
            throw new IllegalArgumentException("k is " + k + ", must be at least 1");
        }
        requireVocabulary(query);
    }

    private void requireVocabulary(LexicalVector query) {
        if (!query.vocabulary().equals(vocabulary())) {
            throw new IllegalArgumentException("the query has the vocabulary " + query.vocabulary() + ", the index "
                    + vocabulary() + ": encode the query with the model of the index, " + model);
        }
    }

    private static JsonNode description(Path directory) throws IOException {
        Path file = directory.resolve(INDEX);
        try {
            JsonNode root = JSON.readTree(Files.readAllBytes(file));
            int format = root.path("format").asInt(-1);
            if (format != FORMAT) {
                throw new IOException(file + " has format " + (format == -1 ? "none" : Integer.toString(format))
                        + ", this version reads format " + FORMAT + ": make the index again");
            }
            return root;
        } catch (NoSuchFileException e) {
            throw new IOException("no index at " + directory + ": " + INDEX + " is missing; make one with create", e);
        } catch (JsonProcessingException e) {
            throw new IOException(file + " is not JSON, perhaps cut short: " + e.getOriginalMessage(), e);
        }
    }

    private static Map<String, Integer> rows(List<String> ids) {
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
        for (String name : List.of(VECTORS, VOCABULARY, INDEX)) {
            Files.deleteIfExists(directory.resolve(name));
        }
        Files.deleteIfExists(directory);
    }
}
