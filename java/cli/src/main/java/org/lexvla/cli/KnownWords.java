package org.lexvla.cli;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.training.EditDistance;

/** Words that a user names, held against the vocabulary. */
final class KnownWords {
    private static final int NEAREST = 3;

    private KnownWords() {}

    /**
     * The lexical ids that are shown as a word.
     *
     * @throws IllegalArgumentException if there is none, naming the nearest words
     */
    static int[] require(Vocabulary vocabulary, String word) {
        int[] ids = vocabulary.lexicalIds(word);
        if (ids.length == 0) {
            throw new IllegalArgumentException("\"" + word + "\" is not among the " + vocabulary.size()
                    + " words of the vocabulary, the nearest are " + String.join(", ", nearest(vocabulary, word)));
        }
        return ids;
    }

    private static List<String> nearest(Vocabulary vocabulary, String word) {
        return IntStream.range(0, vocabulary.size())
                .mapToObj(vocabulary::word)
                .distinct()
                .sorted(Comparator.comparingInt((String known) -> EditDistance.between(word, known))
                        .thenComparing(Comparator.naturalOrder()))
                .limit(NEAREST)
                .toList();
    }
}
