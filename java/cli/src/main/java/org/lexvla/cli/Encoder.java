package org.lexvla.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.model.PictureEncoder;
import org.lexvla.model.PictureLoader;

/** Encodes what {@code --data} names, a batch at a time, with progress. */
final class Encoder {
    /** Texts of a call: at its end, streams wait for the last batch. */
    private static final int TEXTS = 4 * LexVla.TOGETHER;

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

    /** Takes what is encoded, batch by batch. */
    interface Sink {
        /**
         * Takes the vectors of the next inputs.
         *
         * @param inputs  how many inputs these are, the skipped included
         * @param ids     of those that were encoded
         * @param batch   closed after the call
         * @param skipped those that could not be read, with the reason
         */
        void add(int inputs, List<String> ids, LexicalBatch batch, List<String> skipped) throws IOException;
    }

    /**
     * How long it took.
     *
     * @param seconds in all
     * @param waited  of them, for pictures to be read, as {@link PictureEncoder#waitedSeconds} has it
     */
    record Time(double seconds, double waited) {}

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
        try (Collected collected = new Collected()) {
            Time time = pictures(pictures, 0, collected);
            return collected.finish("pictures", time);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Encoded texts(List<Inputs.Text> texts) {
        try (Collected collected = new Collected()) {
            Time time = texts(texts, 0, collected);
            return collected.finish("texts", time);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Encodes pictures, while the next are being read.
     *
     * @param from how many of them were encoded before and are left out
     */
    Time pictures(List<Inputs.Picture> pictures, int from, Sink sink) throws IOException {
        long start = System.nanoTime();
        try (Progress progress = console.progress("encode", "pictures", pictures.size());
                PictureEncoder<Inputs.Picture> encoder = PictureEncoder.ofFiles(
                        model, pictures.listIterator(from), Inputs.Picture::file, sparsification)) {
            for (int done = from; encoder.hasNext(); ) {
                PictureEncoder.Encoded<Inputs.Picture> some = encoder.next();
                try (LexicalBatch batch = some.vectors()) {
                    List<String> ids = new ArrayList<>();
                    List<String> skipped = new ArrayList<>();
                    for (PictureLoader.Loaded<Inputs.Picture> picture : some.pictures()) {
                        if (picture.failure() == null) {
                            ids.add(picture.item().id());
                        } else {
                            skipped.add(picture.item().id() + ": "
                                    + picture.failure().getMessage());
                        }
                    }
                    sink.add(some.pictures().size(), ids, batch, skipped);
                }
                done += some.pictures().size();
                progress.note(String.format(Locale.ROOT, "waited %.1f s for pictures", encoder.waitedSeconds()));
                progress.to(done);
            }
            return new Time((System.nanoTime() - start) / 1e9, encoder.waitedSeconds());
        }
    }

    /** As {@link #pictures(List, int, Sink)}. */
    Time texts(List<Inputs.Text> texts, int from, Sink sink) throws IOException {
        long start = System.nanoTime();
        try (Progress progress = console.progress("encode", "texts", texts.size())) {
            for (int done = from; done < texts.size(); ) {
                List<Inputs.Text> some = texts.subList(done, Math.min(texts.size(), done + TEXTS));
                try (LexicalBatch batch =
                        model.encodeTexts(some.stream().map(Inputs.Text::text).toList(), sparsification)) {
                    sink.add(some.size(), some.stream().map(Inputs.Text::id).toList(), batch, List.of());
                }
                done += some.size();
                progress.to(done);
            }
        }
        return new Time((System.nanoTime() - start) / 1e9, 0);
    }

    /** Everything in memory. */
    private final class Collected implements Sink, AutoCloseable {
        private final List<LexicalBatch> batches = new ArrayList<>();
        private final List<String> ids = new ArrayList<>();
        private final List<String> skipped = new ArrayList<>();

        @Override
        public void add(int inputs, List<String> names, LexicalBatch batch, List<String> left) {
            batches.add(batch.slice(0, batch.size()));
            ids.addAll(names);
            skipped.addAll(left);
        }

        Encoded finish(String unit, Time time) {
            requireSome(unit, ids.size(), skipped);
            return new Encoded(LexicalBatch.concat(batches, allocator), ids, skipped, ids.size() / time.seconds());
        }

        @Override
        public void close() {
            batches.forEach(LexicalBatch::close);
        }
    }

    /** It is an error if nothing could be read. */
    static void requireSome(String unit, int encoded, List<String> skipped) {
        if (encoded == 0) {
            throw new IllegalArgumentException("none of the " + unit + " could be read; the first: "
                    + (skipped.isEmpty() ? "none was given" : skipped.get(0)));
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
