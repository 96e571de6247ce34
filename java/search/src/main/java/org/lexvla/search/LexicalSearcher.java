package org.lexvla.search;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;

/**
 * Finds the items whose lexical vectors have the largest dot product with a query. What a back end must offer:
 * {@link LexicalIndex} is the exact one, {@link LuceneIndex} and {@link OpenSearchIndex} have inverted indexes; {@link SearchIndex}
 * opens any.
 *
 * <p>Searchers may be used by several threads at once.
 */
public interface LexicalSearcher extends AutoCloseable {
    /**
     * An item that was found.
     *
     * @param id    its name, unique in the index
     * @param score its dot product with the query, up to the precision of the back end
     */
    record Hit(String id, float score) {}

    /** Directory of the model that made the index; it may have gone since. */
    Path model();

    /** The words of the indexed vectors; queries must have the same. */
    Vocabulary vocabulary();

    /** Number of items. */
    int size();

    /**
     * The best items, best first. Items that share no word with the query are not found, so there may be fewer than k.
     *
     * @param k 1 or more
     * @throws IllegalArgumentException if the query has another vocabulary
     * @throws IOException              if the back end cannot be reached or read
     */
    List<Hit> search(LexicalVector query, int k) throws IOException;

    /**
     * The score of a hit split by word, largest share first; all shares together are the score.
     *
     * @param n how many words at most
     * @throws IllegalArgumentException if the query has another vocabulary, or no item has the hit's id
     * @throws IOException              if the back end cannot be reached or read
     */
    List<WeightedWord> explain(LexicalVector query, Hit hit, int n) throws IOException;

    @Override
    void close() throws IOException;
}
