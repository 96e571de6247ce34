package org.lexvla.lexical;

import java.util.Locale;
import java.util.Objects;

/**
 * A word as it is shown to people, without word mark, and its weight.
 *
 * @param word   the display word
 * @param weight its weight, or its share of a score
 */
public record WeightedWord(String word, float weight) {
    public WeightedWord {
        Objects.requireNonNull(word, "word");
    }

    /** Such as {@code fox 0.21}. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s %.2f", word, weight);
    }
}
