package org.lexvla.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.lexvla.lexical.Token;

/**
 * The tokenizer of a language model, from its Hugging Face directory. Safe for use by several threads; closing while
 * another thread encodes is not.
 *
 * <p>Only files on disk are read. The native libraries come out of the jars and are unpacked once into a cache (DJL's
 * {@code DJL_CACHE_DIR}, by default {@code ~/.djl.ai}).
 */
public interface Tokenizer extends AutoCloseable {
    /**
     * Loads {@code tokenizer.json} of a directory, or else {@code tokenizer.model} (SentencePiece).
     *
     * <p>Where a text holds the name of a control token, such as {@code </s>}, the two differ as the upstream libraries do:
     * {@code tokenizer.json} gives the control token, {@code tokenizer.model} takes it as ordinary text.
     *
     * @throws IOException naming the file that is missing or damaged
     */
    static Tokenizer load(Path directory) throws IOException {
        Path json = directory.resolve("tokenizer.json");
        Path model = directory.resolve("tokenizer.model");
        if (Files.isRegularFile(json)) {
            return JsonTokenizer.open(json);
        }
        if (Files.isRegularFile(model)) {
            return SentencePieceTokenizer.open(model);
        }
        throw new IOException("no tokenizer in " + directory + ": needs tokenizer.json or tokenizer.model");
    }

    /** The ids of a text, without a token for its beginning; none for the empty text. */
    int[] encode(String text);

    /**
     * The text of ids; control tokens leave nothing.
     *
     * @throws IllegalArgumentException for an id outside [0, {@link #size})
     */
    String decode(int[] ids);

    /** The id that begins every prompt. */
    int bos();

    /** Every token in the order of ids, as {@link org.lexvla.lexical.Vocabulary#select} takes them. */
    List<Token> tokens();

    /** Number of tokens: one more than the largest id. */
    int size();

    @Override
    void close();
}
