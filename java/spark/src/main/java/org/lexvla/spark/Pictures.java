package org.lexvla.spark;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;

/** Pictures; where their bytes come from is for others to say. One task decodes on its own core: Spark runs a task per core. */
abstract class Pictures implements BatchEncoder {
    private static final long serialVersionUID = 1;

    /**
     * The file of a picture.
     *
     * @param value not null
     */
    abstract byte[] file(Object value) throws IOException;

    /** How messages call it. */
    abstract String name(Object value);

    @Override
    public final List<Result> encode(List<Object> values, LexVla model) {
        ImageTransform transform = model.transform();
        FloatBuffer pixels = FloatBuffer.allocate(Math.multiplyExact(values.size(), transform.elements()));
        List<String> failures = new ArrayList<>(Collections.nCopies(values.size(), null));
        for (int i = 0; i < values.size(); i++) {
            Object value = values.get(i);
            if (value == null) {
                failures.set(i, "null");
                continue;
            }
            try {
                transform.of(ImageTransform.read(file(value), name(value)), pixels);
            } catch (IOException | IllegalArgumentException e) {
                // The latter for a picture that can be decoded and not be transformed; nothing was written of it.
                failures.set(i, e.getMessage());
            }
        }
        List<Result> results = new ArrayList<>();
        try (LexicalBatch batch =
                model.encodePixels(pixels.flip(), model.config().sparsification())) {
            int row = 0;
            for (String failure : failures) {
                results.add(failure == null ? new Result(batch.get(row++), null) : Result.failed(failure));
            }
        }
        return results;
    }
}
