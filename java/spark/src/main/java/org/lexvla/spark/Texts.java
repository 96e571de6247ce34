package org.lexvla.spark;

import java.util.ArrayList;
import java.util.List;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.model.LexVla;

/** Texts as they are. */
final class Texts implements BatchEncoder {
    private static final long serialVersionUID = 1;

    @Override
    public List<Result> encode(List<Object> values, LexVla model) {
        List<String> texts = new ArrayList<>();
        for (Object value : values) {
            if (usable(value)) {
                texts.add((String) value);
            }
        }
        List<Result> results = new ArrayList<>();
        try (LexicalBatch batch = model.encodeTexts(texts)) {
            int row = 0;
            for (Object value : values) {
                results.add(
                        usable(value)
                                ? new Result(batch.get(row++), null)
                                : Result.failed(value == null ? "null" : "a text without a word"));
            }
        }
        return results;
    }

    private static boolean usable(Object value) {
        return value != null && !((String) value).isBlank();
    }
}
