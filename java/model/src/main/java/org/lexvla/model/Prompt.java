package org.lexvla.model;

import java.util.Arrays;

/**
 * What the language model is asked about a caption (SPEC §3): the hidden state of the last token of this text is the
 * caption's token.
 *
 * @param template         the text, with {@value #TEXT} once where the caption goes
 * @param maxCaptionTokens captions of more tokens are cut to this many
 */
public record Prompt(String template, int maxCaptionTokens) {
    /** Stands for the caption in a template. */
    public static final String TEXT = "[TEXT]";

    private static final String STANDARD = "The focus of \"The man is riding a white horse.\" lies on important words:"
            + "\"man\", \"riding\", \"white\", \"horse\". The focus of \"[TEXT]\" lies on important words:";
    private static final int STANDARD_MAX_TOKENS = 77;

    public Prompt {
        int at = template.indexOf(TEXT);
        if (at < 0 || template.indexOf(TEXT, at + 1) >= 0) {
            throw new IllegalArgumentException(
                    "prompt must hold " + TEXT + " once, where the caption goes: " + template);
        }
        if (maxCaptionTokens < 1) {
            throw new IllegalArgumentException("captions cut to " + maxCaptionTokens + " tokens, need at least 1");
        }
    }

    /** The prompt of the paper; captions are cut to 77 tokens. */
    public static Prompt standard() {
        return new Prompt(STANDARD, STANDARD_MAX_TOKENS);
    }

    /**
     * The token ids of the prompt with a caption: the beginning token, then the text as a whole, so that tokens form across
     * the caption's edges as they do in any text.
     *
     * @throws IllegalArgumentException if the caption is empty or blank
     */
    public int[] ids(String caption, Tokenizer tokenizer) {
        if (caption.isBlank()) {
            throw new IllegalArgumentException("caption is empty: a text needs at least one word");
        }
        return beginWith(tokenizer, template.replace(TEXT, cut(caption, tokenizer)));
    }

    /** The ids of the text before the caption, the beginning token first; beside a caption the last of them may be others. */
    int[] beginning(Tokenizer tokenizer) {
        return beginWith(tokenizer, template.substring(0, template.indexOf(TEXT)));
    }

    private static int[] beginWith(Tokenizer tokenizer, String text) {
        int[] encoded = tokenizer.encode(text);
        int[] ids = new int[encoded.length + 1];
        ids[0] = tokenizer.bos();
        System.arraycopy(encoded, 0, ids, 1, encoded.length);
        return ids;
    }

    private String cut(String caption, Tokenizer tokenizer) {
        int[] ids = tokenizer.encode(caption);
        if (ids.length <= maxCaptionTokens) {
            return caption;
        }
        String kept = tokenizer.decode(Arrays.copyOf(ids, maxCaptionTokens));
        // The cut may fall between the bytes of a character.
        int end = kept.length();
        while (end > 0 && kept.charAt(end - 1) == '\uFFFD') {
            end--;
        }
        return kept.substring(0, end);
    }
}
