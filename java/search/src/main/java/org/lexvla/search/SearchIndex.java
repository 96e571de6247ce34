package org.lexvla.search;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.arrow.memory.BufferAllocator;

/** Opens index directories of any engine: which it is, the directory tells. */
public final class SearchIndex {
    private SearchIndex() {}

    /** What can search a directory. */
    public enum Engine {
        /** {@link LexicalIndex}: every query against every vector, in memory. */
        EXACT,
        /** {@link LuceneIndex}: an inverted index on disk. */
        LUCENE,
        /** {@link OpenSearchIndex}: an inverted index in a cluster, asked over HTTP. */
        OPENSEARCH;

        /** As it stands in files and on the command line. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Opens an index.
     *
     * @param allocator of the vectors of an exact index; closed by the caller after it
     * @throws IOException if there is no index, it is damaged, no engine here can search it, or its cluster does not answer
     */
    public static LexicalSearcher open(Path directory, BufferAllocator allocator) throws IOException {
        String name = IndexDirectory.open(directory).engine();
        for (Engine engine : Engine.values()) {
            if (engine.label().equals(name)) {
                return switch (engine) {
                    case EXACT -> LexicalIndex.open(directory, allocator);
                    case LUCENE -> LuceneIndex.open(directory);
                    case OPENSEARCH -> OpenSearchIndex.open(directory);
                };
            }
        }
        throw new IOException("the index " + directory + " is for the engine \"" + name + "\", this version has "
                + Arrays.stream(Engine.values()).map(Engine::label).collect(Collectors.joining(", "))
                + ": make the index again");
    }
}
