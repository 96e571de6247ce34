package org.lexvla.model;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import java.util.function.Supplier;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;

/**
 * Encodes pictures of any number in their order, in the memory of a few batches: {@link PictureLoader} reads ahead, and several batches
 * are in the towers side by side, none of which waits for another to end.
 *
 * <pre>{@code
 * try (PictureEncoder<Path> encoder = PictureEncoder.ofFiles(model, files.iterator(), file -> file, model.config().sparsification())) {
 *     while (encoder.hasNext()) {
 *         PictureEncoder.Encoded<Path> some = encoder.next();
 *         try (LexicalBatch vectors = some.vectors()) { … }
 *     }
 * }
 * }</pre>
 *
 * <p>On a CPU, reading and model want the same cores. A batch beside others whose pictures nobody has read yet reads them itself, so that
 * whichever is behind gets the core; readers beside the model are there for disks that are slow.
 *
 * <p>For one taker at a time, to be closed before the model.
 *
 * @param <T> what names a picture
 */
public final class PictureEncoder<T> implements AutoCloseable {
    /**
     * Pictures and their vectors.
     *
     * @param pictures in their order
     * @param vectors  a row for each of them that was read; the taker's to close
     */
    public record Encoded<T>(List<PictureLoader.Loaded<T>> pictures, LexicalBatch vectors) {}

    private final LexVla model;
    private final Sparsification sparsification;
    private final PictureLoader<T> loader;
    private final Streams.Sequence<Encoded<T>> batches;
    private final LongAdder waited = new LongAdder();
    private boolean closed;

    /**
     * @param items  pictures in their order; asked only by whoever constructs and takes, and not further ahead than needed
     * @param source what makes them ready, as {@link ImageTransform} of the model does
     */
    public PictureEncoder(
            LexVla model,
            Iterator<? extends T> items,
            PictureLoader.Source<? super T> source,
            Sparsification sparsification) {
        model.requireOpen();
        this.model = model;
        this.sparsification = sparsification;
        this.loader = PictureLoader.of(items, source, model.transform());
        this.batches =
                model.streams().begin(new Batches(), left -> left.vectors().close());
    }

    /** Of files, as the model sees them. */
    public static <T> PictureEncoder<T> ofFiles(
            LexVla model, Iterator<? extends T> items, Function<? super T, Path> file, Sparsification sparsification) {
        ImageTransform transform = model.transform();
        return new PictureEncoder<>(model, items, (item, out) -> transform.read(file.apply(item), out), sparsification);
    }

    /** Pictures that go through the towers together, as they are taken from the loader. */
    private final class Batches implements Iterator<Supplier<Encoded<T>>> {
        @Override
        public boolean hasNext() {
            return loader.hasNext();
        }

        @Override
        public Supplier<Encoded<T>> next() {
            List<PictureLoader<T>.Pending> some = new ArrayList<>();
            while (some.size() < model.batch() && loader.hasNext()) {
                some.add(loader.take());
            }
            Thread taker = Thread.currentThread();
            return () -> encode(some, taker);
        }
    }

    private Encoded<T> encode(List<PictureLoader<T>.Pending> some, Thread taker) {
        List<PictureLoader.Loaded<T>> pictures = new ArrayList<>();
        LexicalBatch vectors =
                model.encode(some.size(), pixels -> pictures.addAll(read(some, taker, pixels)), sparsification);
        return new Encoded<>(pictures, vectors);
    }

    /** The taker's own thread waits only: an interrupt that reaches a reader would pass for a bad picture. */
    private List<PictureLoader.Loaded<T>> read(List<PictureLoader<T>.Pending> some, Thread taker, FloatBuffer pixels) {
        boolean waits = Thread.currentThread() == taker;
        long start = System.nanoTime();
        List<PictureLoader.Loaded<T>> pictures = some.stream()
                .map(picture -> waits ? picture.await(pixels) : picture.finish(pixels))
                .toList();
        waited.add(System.nanoTime() - start);
        return pictures;
    }

    /** Whether there is another batch. */
    public boolean hasNext() {
        return batches.hasNext();
    }

    /**
     * Takes the next batch, waiting for it if need be.
     *
     * @throws NoSuchElementException if there is none
     * @throws IllegalStateException  if this or the model is closed, or reading met an error such as a lack of memory
     * @throws CancellationException  if the thread is interrupted while it waits for pictures itself: that is so on a GPU, and for a single batch
     */
    public Encoded<T> next() {
        if (closed) {
            throw new IllegalStateException("this encoder of pictures is closed: close it later");
        }
        model.requireOpen();
        if (!hasNext()) {
            throw new NoSuchElementException("all pictures have been taken");
        }
        Encoded<T> next = batches.next();
        return new Encoded<>(next.pictures(), model.lend(next.vectors()));
    }

    /**
     * How long up to now the towers stood still for pictures, in seconds: what a batch took to read its own or to wait for whoever did, divided
     * by the batches that go side by side.
     */
    public double waitedSeconds() {
        return waited.sum() / 1e9 / batches.sideBySide();
    }

    /** Ends the threads; waits for what is in the middle of a picture or a batch, and closes vectors that nobody has taken. */
    @Override
    public void close() {
        closed = true;
        try {
            batches.close();
        } finally {
            loader.close();
        }
    }
}
