package org.lexvla.lexical;

/**
 * A token of a tokenizer, as {@link Vocabulary#select} looks at it.
 *
 * @param id         its id, 0 or more: the row of the language model's output matrix
 * @param piece      its text with the word mark, such as {@code ▁horse}
 * @param meaningful false for special, control, unknown, unused and byte tokens
 */
public record Token(int id, String piece, boolean meaningful) {
    public Token {
        if (id < 0) {
            throw new IllegalArgumentException("token '" + piece + "' has the negative id " + id);
        }
        if (piece == null) {
            throw new IllegalArgumentException("the piece of token " + id + " is null");
        }
    }
}
