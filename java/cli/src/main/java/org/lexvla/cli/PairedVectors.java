package org.lexvla.cli;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.evaluation.CaptionedPictures;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;

/**
 * The vectors of pictures and captions, with the picture of each caption. Captions of pictures that are missing or cannot
 * be read are left out with them.
 *
 * @param pictures [pictures, V]
 * @param texts    [captions, V]
 * @param owner    row in {@code pictures} of each caption
 * @param missing  pictures that the data names and that are not there
 * @param skipped  pictures that are there and cannot be read, with the reason
 */
record PairedVectors(LexicalBatch pictures, LexicalBatch texts, int[] owner, List<String> missing, List<String> skipped)
        implements AutoCloseable {

    static PairedVectors encode(
            LexVla model,
            CaptionedPictures data,
            Sparsification sparsification,
            BufferAllocator allocator,
            Console console) {
        List<CaptionedPictures.Picture> missing = data.missing();
        if (missing.size() == data.pictures().size()) {
            throw new IllegalArgumentException("of " + Count.of(missing.size(), "picture") + " none is there, not even "
                    + missing.get(0).file() + "; say where they lie (--images, of a JSON file)");
        }
        Set<CaptionedPictures.Picture> absent = Set.copyOf(missing);
        Encoder encoder = new Encoder(model, sparsification, allocator, console);
        Encoder.Encoded pictures = encoder.pictures(data.pictures().stream()
                .filter(picture -> !absent.contains(picture))
                .map(picture -> new Inputs.Picture(picture.id(), picture.file()))
                .toList());
        try {
            Map<String, Integer> rows = new HashMap<>();
            for (String id : pictures.ids()) {
                rows.put(id, rows.size());
            }
            List<Inputs.Text> texts = new ArrayList<>();
            List<Integer> owner = new ArrayList<>();
            for (CaptionedPictures.Caption caption : data.captions()) {
                Integer row = rows.get(data.pictures().get(caption.picture()).id());
                if (row != null) {
                    texts.add(new Inputs.Text(String.valueOf(texts.size()), caption.text()));
                    owner.add(row);
                }
            }
            Encoder.Encoded captions = encoder.texts(texts);
            return new PairedVectors(
                    pictures.batch(),
                    captions.batch(),
                    owner.stream().mapToInt(Integer::intValue).toArray(),
                    missing.stream().map(CaptionedPictures.Picture::id).toList(),
                    pictures.skipped());
        } catch (RuntimeException e) {
            pictures.close();
            throw e;
        }
    }

    /** Tells a person what is not in the figures. */
    void reportLeftOut(Console console) {
        Encoder.report("missing", missing, console);
        Encoder.reportSkipped(skipped, console);
        if (!missing.isEmpty() || !skipped.isEmpty()) {
            console.line(
                    "not measured: %d of %s; the figures are of the others, and not those of the whole set",
                    missing.size() + skipped.size(),
                    Count.of(missing.size() + skipped.size() + pictures.size(), "picture"));
        }
    }

    @Override
    public void close() {
        pictures.close();
        texts.close();
    }
}
