package org.lexvla.search;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.InvertedIndex;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;

/**
 * An index in a directory, searched exactly in memory: through an {@link InvertedIndex}, which reads only the words of a query,
 * or, where items are so few that it does not pay, by multiplying the query with every vector. The ranking is the same.
 *
 * <pre>
 *     index.json        format, engine, number of items, fingerprint of the vocabulary, the model's directory seen from here
 *     vectors.arrow     ids and vectors, as {@link LexicalBatch#write} makes them
 *     inverted.bin      the inverted index, as {@link InvertedIndex#write} makes it; of 1000 items and more
 *     vocabulary.json   the words
 * </pre>
 *
 * <p>Open it takes 8 bytes for each word of each vector, and with the inverted index 2 to 3 more. Vectors with a weight that is
 * negative or not finite are not inverted, nor are queries with one looked up: they are multiplied.
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
    private static final String VECTORS = "vectors.arrow";
    /** Name of the file, and of what the description says about it. */
    private static final String INVERTED = "inverted";

    private static final String INVERTED_FILE = "inverted.bin";
    /** From so many vectors on there is an inverted index: fewer are multiplied within a millisecond or two. */
    private static final int INVERTED_FROM = 1000;

    private final Path model;
    private final List<String> ids;
    private final Map<String, Integer> rows;
    private final LexicalBatch vectors;
    /** Null where there is none. */
    private final InvertedIndex inverted;

    private LexicalIndex(
            Path model, List<String> ids, Map<String, Integer> rows, LexicalBatch vectors, InvertedIndex inverted) {
        this.model = model;
        this.ids = ids;
        this.rows = rows;
        this.vectors = vectors;
        this.inverted = inverted;
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
        IndexDirectory.rows(ids, vectors.size());
        try (InvertedIndex inverted = inverted(vectors)) {
            IndexDirectory.create(
                    directory,
                    FORMAT,
                    SearchIndex.Engine.EXACT,
                    ids.size(),
                    vectors.vocabulary(),
                    model,
                    inverted == null ? Map.of() : Map.of(INVERTED, INVERTED_FILE),
                    written -> {
                        vectors.write(written.resolve(VECTORS), ids);
                        if (inverted != null) {
                            inverted.write(written.resolve(INVERTED_FILE));
                        }
                    });
        }
    }

    /** Null where it does not pay, or a weight is none for it. */
    private static InvertedIndex inverted(LexicalBatch vectors) {
        if (vectors.size() < INVERTED_FROM) {
            return null;
        }
        for (int row = 0; row < vectors.size(); row++) {
            if (!isInvertible(vectors.get(row))) {
                return null;
            }
        }
        return InvertedIndex.of(
                vectors, InvertedIndex.Impacts.EIGHT_BIT, vectors.vector().getAllocator());
    }

    /**
     * Opens an index.
     *
     * @param allocator of the vectors; closed by the caller after the index
     * @throws IOException if there is no index, a part of it is missing, damaged or of another format, or its parts do not
     *                     belong together
     */
    public static LexicalIndex open(Path directory, BufferAllocator allocator) throws IOException {
        IndexDirectory description = IndexDirectory.open(directory);
        description.requireEngine(SearchIndex.Engine.EXACT);
        Vocabulary vocabulary = description.vocabulary(FORMAT);
        LexicalBatch.Stored stored;
        try {
            stored = LexicalBatch.read(directory.resolve(VECTORS), vocabulary, allocator);
        } catch (IllegalArgumentException e) {
            throw new IOException(
                    "the parts of the index " + directory + " do not belong together: " + e.getMessage(), e);
        }
        try {
            if (description.items() != stored.ids().size()) {
                throw new IOException("the index " + directory + " says it has " + description.items() + " items, but "
                        + VECTORS + " has " + stored.ids().size());
            }
            Map<String, Integer> rows = IndexDirectory.rows(stored.ids(), description.items());
            InvertedIndex inverted = description.text(INVERTED).isEmpty()
                    ? null
                    : InvertedIndex.read(directory.resolve(INVERTED_FILE), stored.batch(), allocator);
            return new LexicalIndex(description.model(), stored.ids(), rows, stored.batch(), inverted);
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

    /** As {@link LexicalSearcher#search}; exact. Of equal scores, the item that was indexed first is first. */
    @Override
    public List<Hit> search(LexicalVector query, int k) {
        requireSearch(query, k);
        return hits(inverted != null && isInvertible(query) ? inverted.search(query, k) : vectors.topK(query, k));
    }

    /**
     * As {@link #search(LexicalVector, int)} for several queries; what they share of the inverted index is read once.
     *
     * @return for each query its hits
     */
    public List<List<Hit>> search(List<LexicalVector> queries, int k) {
        queries.forEach(query -> requireSearch(query, k));
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
}
