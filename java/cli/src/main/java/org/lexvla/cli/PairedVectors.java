package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.training.CaptionDataset;

/**
 * The vectors of the pictures and captions of a table, with the picture of each caption. Captions of pictures that cannot
 * be read are left out with them.
 *
 * @param pictures [pictures, V]
 * @param texts    [captions, V]
 * @param owner    row in {@code pictures} of each caption
 * @param skipped  what was left out, with the reason
 */
record PairedVectors(LexicalBatch pictures, LexicalBatch texts, int[] owner, List<String> skipped)
        implements AutoCloseable {

    static PairedVectors encode(
            LexVla model, Path table, Sparsification sparsification, BufferAllocator allocator, Console console)
            throws IOException {
        Encoder encoder = new Encoder(model, sparsification, allocator, console);
        Encoder.Encoded pictures = encoder.pictures(Inputs.pictures(table));
        try {
            Map<String, Integer> rows = new HashMap<>();
            for (String id : pictures.ids()) {
                rows.put(id, rows.size());
            }
            List<Inputs.Text> texts = new ArrayList<>();
            List<Integer> owner = new ArrayList<>();
            for (CaptionDataset.Pair pair : CaptionDataset.open(table).pairs()) {
                Integer row = rows.get(Inputs.name(table, pair.file()));
                if (row != null) {
                    texts.add(new Inputs.Text(String.valueOf(pair.line()), pair.caption()));
                    owner.add(row);
                }
            }
            Encoder.Encoded captions = encoder.texts(texts);
            return new PairedVectors(
                    pictures.batch(),
                    captions.batch(),
                    owner.stream().mapToInt(Integer::intValue).toArray(),
                    pictures.skipped());
        } catch (IOException | RuntimeException e) {
            pictures.close();
            throw e;
        }
    }

    @Override
    public void close() {
        pictures.close();
        texts.close();
    }
}
