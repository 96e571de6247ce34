package org.lexvla.cli;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.lexvla.model.ImageTransform;

/**
 * Reads pictures ahead of the model, in their order. Only so many decoded ones are held at once: decoded, a picture is much larger
 * than its file.
 */
final class PictureLoader implements Iterator<PictureLoader.Loaded>, AutoCloseable {
    /**
     * A picture, or why there is none.
     *
     * @param image   null if it could not be read
     * @param failure null if it could
     */
    record Loaded(Inputs.Picture picture, BufferedImage image, IOException failure) {}

    private final Iterator<Inputs.Picture> rest;
    private final Queue<Future<Loaded>> ahead = new ArrayDeque<>();
    private final ExecutorService readers;
    private long waited;

    /**
     * @param ahead pictures to hold at most
     */
    PictureLoader(List<Inputs.Picture> pictures, int ahead) {
        rest = pictures.iterator();
        int threads = Math.max(1, Math.min(4, Runtime.getRuntime().availableProcessors() / 2));
        readers = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "picture reader");
            thread.setDaemon(true);
            return thread;
        });
        for (int i = 0; i < ahead; i++) {
            readOneMore();
        }
    }

    private void readOneMore() {
        if (rest.hasNext()) {
            Inputs.Picture picture = rest.next();
            ahead.add(readers.submit(() -> read(picture)));
        }
    }

    private static Loaded read(Inputs.Picture picture) {
        try {
            return new Loaded(picture, ImageTransform.read(picture.file()), null);
        } catch (IOException e) {
            return new Loaded(picture, null, e);
        }
    }

    @Override
    public boolean hasNext() {
        return !ahead.isEmpty();
    }

    @Override
    public Loaded next() {
        if (ahead.isEmpty()) {
            throw new NoSuchElementException("all pictures are read");
        }
        long start = System.nanoTime();
        try {
            return ahead.remove().get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("a reader of pictures failed: " + e.getCause(), e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("interrupted while waiting for a picture");
        } finally {
            waited += System.nanoTime() - start;
            readOneMore();
        }
    }

    /** How long {@link #next} has waited up to now. */
    double waitedSeconds() {
        return waited / 1e9;
    }

    @Override
    public void close() {
        readers.shutdownNow();
    }
}
