package org.lexvla.search;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;

/** Makes and opens index directories of any engine: which it is, the directory tells. */
public final class SearchIndex {
    private SearchIndex() {}

    /** What can search a directory. */
    public enum Engine {
        /** {@link LexicalIndex}: every query against every vector, in memory. */
        EXACT,
        /** {@link LuceneIndex}: an inverted index on disk. */
        LUCENE;

        /** As it stands in files and on the command line. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Makes an index; see {@link LexicalIndex#create} and {@link LuceneIndex#create}.
     *
     * @param ids   names of the items, one per vector, each once
     * @param model directory of the model that encodes queries for this index
     */
    public static void create(Engine engine, Path directory, LexicalBatch vectors, List<String> ids, Path model)
            throws IOException {
        switch (engine) {
            case EXACT -> LexicalIndex.create(directory, vectors, ids, model);
            case LUCENE -> LuceneIndex.create(directory, vectors, ids, model);
        }
    }

    /**
     * Opens an index.
     *
     * @param allocator of the vectors of an exact index; closed by the caller after it
     * @throws IOException if there is no index, it is damaged, or no engine here can search it
     */
    public static LexicalSearcher open(Path directory, BufferAllocator allocator) throws IOException {
        String name = IndexDirectory.open(directory).engine();
        for (Engine engine : Engine.values()) {
            if (engine.label().equals(name)) {
                return switch (engine) {
                    case EXACT -> LexicalIndex.open(directory, allocator);
                    case LUCENE -> LuceneIndex.open(directory);
                };
            }
        }
        throw new IOException("the index " + directory + " is for the engine \"" + name + "\", this version has "
                + Arrays.stream(Engine.values()).map(Engine::label).collect(Collectors.joining(", "))
                + ": make the index again");
    }
}
