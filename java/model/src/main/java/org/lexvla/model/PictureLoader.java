package org.lexvla.model;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Makes pictures ready ahead of the model, with several threads and in their order: decoded, resized, cropped and normalised.
 *
 * <pre>{@code
 * FloatBuffer batch = FloatBuffer.allocate(32 * transform.elements());
 * try (PictureLoader<Path> loader = PictureLoader.ofFiles(files.iterator(), file -> file, transform)) {
 *     while (loader.hasNext() && batch.hasRemaining()) {
 *         PictureLoader.Loaded<Path> loaded = loader.next(batch);
 *         if (loaded.failure() != null) { … }             // its message names the file; the batch has no gap for it
 *     }
 * }
 * }</pre>
 *
 * <p>Memory: {@code ahead} pictures as the model takes them, 600 KB each at 224 pixels, and of decoded ones, which may be a hundred
 * times as large, one for each thread. What has been taken makes room for the next.
 *
 * <p>For one taker at a time. The order does not depend on the number of threads.
 *
 * @param <T> what names a picture
 */
public final class PictureLoader<T> implements AutoCloseable {
    /** What {@link LexVla} encodes at the same time, and no fewer than two batches. */
    private static final int AHEAD = Math.max(64, LexVla.TOGETHER);

    /** Makes one picture ready; called by several threads at once. */
    @FunctionalInterface
    public interface Source<T> {
        /**
         * Writes all numbers of a picture at the buffer's position and moves it behind.
         *
         * @throws IOException if the picture cannot be read, with a message that says why; anything else that is thrown
         *                     is thrown on to whoever takes
         */
        void read(T item, FloatBuffer out) throws IOException;
    }

    /**
     * A picture that was read, or why not.
     *
     * @param failure null if it was
     */
    public record Loaded<T>(T item, IOException failure) {}

    /** A picture that is being read or will be. */
    final class Pending {
        private final T item;
        private final float[] numbers;
        private final FutureTask<IOException> reading;

        private Pending(T item, float[] numbers) {
            this.item = item;
            this.numbers = numbers;
            this.reading = new FutureTask<>(() -> PictureLoader.this.read(item, numbers));
        }

        /**
         * Reads the picture in the caller's thread if no other has begun to, else waits for it; once, in any thread. So a thread that has
         * nothing else to do until it has the picture does not wait behind pictures that others need later.
         *
         * @param out as {@link PictureLoader#next} has it
         */
        Loaded<T> finish(FloatBuffer out) {
            reading.run();
            return await(out);
        }

        /** As {@link #finish}, and only waits. */
        Loaded<T> await(FloatBuffer out) {
            IOException failure = result();
            if (failure == null) {
                out.put(numbers);
            }
            free.add(numbers);
            return new Loaded<>(item, failure);
        }

        private IOException result() {
            try {
                return reading.get();
            } catch (ExecutionException e) {
                if (e.getCause() instanceof RuntimeException defect) {
                    throw defect;
                }
                throw new IllegalStateException("reading " + item + " failed: " + e.getCause(), e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CancellationException("interrupted while waiting for " + item);
            }
        }
    }

    private final Iterator<? extends T> rest;
    private final Source<? super T> source;
    private final int elements;
    private final ExecutorService readers;
    private final Queue<Pending> pending = new ArrayDeque<>();
    /** Room of pictures that have been taken. */
    private final Queue<float[]> free = new ConcurrentLinkedQueue<>();

    private long waited;
    private boolean closed;

    /**
     * @param items    pictures in the order in which they are handed out; asked only by whoever constructs and takes, and not
     *                 further ahead than needed, so that it may be without end
     * @param source   what makes them ready
     * @param elements numbers of each
     * @param threads  that read, at least 1
     * @param ahead    pictures that are held at most, at least 1
     */
    public PictureLoader(Iterator<? extends T> items, Source<? super T> source, int elements, int threads, int ahead) {
        if (threads < 1 || ahead < 1 || elements < 1) {
            throw new IllegalArgumentException("pictures of " + elements + " numbers, " + ahead
                    + " held at most, read by " + threads + " threads: each must be at least 1");
        }
        this.rest = items;
        this.source = source;
        this.elements = elements;
        this.readers = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "lexvla-pictures");
            thread.setDaemon(true);
            return thread;
        });
        try {
            for (int i = 0; i < ahead && rest.hasNext(); i++) {
                begin();
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Pictures of a transform's size, read by as many threads as there are processors, as many ahead as {@link LexVla} encodes at the same time. */
    public static <T> PictureLoader<T> of(
            Iterator<? extends T> items, Source<? super T> source, ImageTransform transform) {
        int threads = Runtime.getRuntime().availableProcessors();
        return new PictureLoader<>(items, source, transform.elements(), threads, AHEAD);
    }

    /** As {@link #of}: files as the model sees them. */
    public static <T> PictureLoader<T> ofFiles(
            Iterator<? extends T> items, Function<? super T, Path> file, ImageTransform transform) {
        return of(items, (item, out) -> transform.read(file.apply(item), out), transform);
    }

    private void begin() {
        float[] used = free.poll();
        Pending next = new Pending(rest.next(), used == null ? new float[elements] : used);
        pending.add(next);
        readers.execute(next.reading);
    }

    private IOException read(T item, float[] numbers) {
        FloatBuffer out = FloatBuffer.wrap(numbers);
        try {
            source.read(item, out);
        } catch (IOException e) {
            return e;
        }
        if (out.hasRemaining()) {
            throw new IllegalStateException(
                    "the source wrote " + out.position() + " of " + elements + " numbers of " + item);
        }
        return null;
    }

    /** Whether there is another picture. */
    public boolean hasNext() {
        return !pending.isEmpty();
    }

    /**
     * Takes the next picture, waiting for it if need be.
     *
     * @param out where its numbers are written, at the position, which moves behind them; stays as it is if the picture could
     *            not be read
     * @throws NoSuchElementException if there is none
     * @throws IllegalStateException  if the loader is closed, or reading met an error such as a lack of memory
     * @throws CancellationException  if the thread is interrupted while it waits
     */
    public Loaded<T> next(FloatBuffer out) {
        requireNext();
        if (out.remaining() < elements) {
            throw new IllegalArgumentException(
                    "a picture has " + elements + " numbers, the buffer has room for " + out.remaining());
        }
        long start = System.nanoTime();
        Loaded<T> loaded;
        try {
            loaded = pending.element().await(out);
        } finally {
            waited += System.nanoTime() - start;
        }
        pending.remove();
        if (rest.hasNext()) {
            begin();
        }
        return loaded;
    }

    /** Takes the next picture as it is, perhaps not read yet, for {@link Pending#finish}. Closing does not wait for that. */
    Pending take() {
        requireNext();
        Pending next = pending.remove();
        if (rest.hasNext()) {
            begin();
        }
        return next;
    }

    private void requireNext() {
        if (closed) {
            throw new IllegalStateException("this loader of pictures is closed: close it later");
        }
        if (pending.isEmpty()) {
            throw new NoSuchElementException("all pictures have been taken");
        }
    }

    /** How long {@link #next} has waited up to now. */
    public double waitedSeconds() {
        return waited / 1e9;
    }

    /** Ends the threads; waits for those that are in the middle of a picture, so that nothing is read after it. */
    @Override
    public void close() {
        closed = true;
        readers.shutdownNow();
        boolean interrupted = Thread.interrupted();
        try {
            while (!readers.awaitTermination(1, TimeUnit.MINUTES)) {
                // A picture takes seconds at most, unless its disk hangs.
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        pending.clear();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
