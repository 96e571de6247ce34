package org.lexvla.cli;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;

/** Encodes what {@code --data} names, a batch at a time, with progress. */
final class Encoder {
    private static final int BATCH = 32;

    private final LexVla model;
    private final Sparsification sparsification;
    private final BufferAllocator allocator;
    private final Console console;

    Encoder(LexVla model, Sparsification sparsification, BufferAllocator allocator, Console console) {
        this.model = model;
        this.sparsification = sparsification;
        this.allocator = allocator;
        this.console = console;
    }

    /** The vectors, their names in the same order, what could not be read (named, with the reason), and the rate. */
    record Encoded(LexicalBatch batch, List<String> ids, List<String> skipped, double perSecond)
            implements AutoCloseable {
        @Override
        public void close() {
            batch.close();
        }
    }

    /** Pictures that cannot be read are skipped and named; it is an error if none can. */
    Encoded pictures(List<Inputs.Picture> pictures) {
        Work work = new Work("pictures", pictures.size());
        try (work) {
            List<BufferedImage> decoded = new ArrayList<>();
            List<String> names = new ArrayList<>();
            for (Inputs.Picture picture : pictures) {
                try {
                    decoded.add(ImageTransform.read(picture.file()));
                    names.add(picture.id());
                } catch (IOException e) {
                    work.skip(picture.id(), e);
                }
                if (decoded.size() == BATCH) {
                    work.add(model.encodePictures(decoded, sparsification), names);
                    decoded.clear();
                    names.clear();
                }
            }
            if (!decoded.isEmpty()) {
                work.add(model.encodePictures(decoded, sparsification), names);
            }
            return work.finish();
        }
    }

    Encoded texts(List<Inputs.Text> texts) {
        Work work = new Work("texts", texts.size());
        try (work) {
            for (int from = 0; from < texts.size(); from += BATCH) {
                List<Inputs.Text> some = texts.subList(from, Math.min(texts.size(), from + BATCH));
                work.add(
                        model.encodeTexts(some.stream().map(Inputs.Text::text).toList(), sparsification),
                        some.stream().map(Inputs.Text::id).toList());
            }
            return work.finish();
        }
    }

    private final class Work implements AutoCloseable {
        private final List<LexicalBatch> batches = new ArrayList<>();
        private final List<String> ids = new ArrayList<>();
        private final List<String> skipped = new ArrayList<>();
        private final long start = System.nanoTime();
        private final String unit;
        private final Progress progress;

        Work(String unit, int total) {
            this.unit = unit;
            this.progress = console.progress("encode", unit, total);
        }

        void add(LexicalBatch batch, List<String> names) {
            batches.add(batch);
            ids.addAll(names);
            progress.to(ids.size() + skipped.size());
        }

        void skip(String id, IOException reason) {
            skipped.add(id + ": " + reason.getMessage());
        }

        Encoded finish() {
            if (batches.isEmpty()) {
                throw new IllegalArgumentException(
                        "none of the " + unit + " could be read; the first: " + skipped.get(0));
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            return new Encoded(LexicalBatch.concat(batches, allocator), ids, skipped, ids.size() / seconds);
        }

        @Override
        public void close() {
            progress.close();
            batches.forEach(LexicalBatch::close);
        }
    }

    /** Tells a person what was skipped: the first few by name, the rest by number. */
    static void reportSkipped(List<String> skipped, Console console) {
        report("skipped", skipped, console);
    }

    /** As {@link #reportSkipped}, with another word for what became of them. */
    static void report(String fate, List<String> names, Console console) {
        for (String name : names.subList(0, Math.min(5, names.size()))) {
            console.line("%s %s", fate, name);
        }
        if (names.size() > 5) {
            console.line("… and %d more %s, %d in all", names.size() - 5, fate, names.size());
        }
    }
}
