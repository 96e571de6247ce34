package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.lexvla.model.ImageTransform;

/**
 * Batches of a data set without end, decoded and cropped in the background: epoch after epoch, each in another order.
 *
 * <p>No batch holds two rows of one picture, since each would be a negative of the other: the second waits for the next batch.
 * The order and the crops depend on the seed alone, not on the number of threads.
 */
final class BatchLoader implements AutoCloseable {
    /** A batch, or why there is none. Whoever takes it closes it. */
    record Batch(FloatPointer pixels, List<String> captions, RuntimeException failure) implements AutoCloseable {
        @Override
        public void close() {
            if (pixels != null) {
                pixels.close();
            }
        }
    }

    private final CaptionDataset data;
    private final ImageTransform transform;
    private final TrainingConfig config;
    private final SplittableRandom random;
    private final BlockingQueue<Batch> ready;
    private final ExecutorService decoders;
    private final Thread thread;
    private final Map<Path, BufferedImage> cache = new HashMap<>();
    private final long cacheBytes;
    private long cachedBytes;
    private volatile boolean closed;

    private final Deque<CaptionDataset.Pair> upcoming = new ArrayDeque<>();
    private final Deque<CaptionDataset.Pair> deferred = new ArrayDeque<>();
    private long readSinceShuffle;

    BatchLoader(CaptionDataset data, ImageTransform transform, TrainingConfig config) {
        this.data = data;
        this.transform = transform;
        this.config = config;
        this.random = new SplittableRandom(config.seed());
        this.ready = new ArrayBlockingQueue<>(config.data().ahead());
        this.decoders = Executors.newFixedThreadPool(config.data().threads(), task -> daemon(task, "lexvla-decode"));
        this.cacheBytes = config.data().cache() * 1_000_000L;
        this.thread = daemon(this::fill, "lexvla-batches");
        thread.start();
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    /** The next batch, waiting for it if need be. */
    Batch take() {
        try {
            Batch batch = ready.take();
            if (batch.failure() != null) {
                throw batch.failure();
            }
            return batch;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for pictures", e);
        }
    }

    private void fill() {
        try {
            while (!closed) {
                Batch batch = next();
                while (!closed && !ready.offer(batch, 100, TimeUnit.MILLISECONDS)) {
                    // The step is not ready for more.
                }
                if (closed) {
                    batch.close();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            // Handed to the step that would have had the batch.
            while (!closed && !ready.offer(new Batch(null, List.of(), e))) {
                Thread.onSpinWait();
            }
        }
    }

    private record Chosen(CaptionDataset.Pair pair, SplittableRandom random) {}

    private Batch next() throws InterruptedException {
        int size = config.batch();
        List<String> captions = new ArrayList<>(size);
        Set<Path> files = new HashSet<>();
        FloatPointer pixels = new FloatPointer((long) size * transform.elements());
        try {
            while (captions.size() < size) {
                List<Chosen> chosen = choose(size - captions.size(), files);
                List<Future<BufferedImage>> decoded = new ArrayList<>();
                for (Chosen one : chosen) {
                    BufferedImage known = cache.get(one.pair().file());
                    decoded.add(known != null ? null : decoders.submit(() -> data.picture(one.pair())));
                }
                List<Future<?>> written = new ArrayList<>();
                for (int i = 0; i < chosen.size(); i++) {
                    Chosen one = chosen.get(i);
                    Future<BufferedImage> future = decoded.get(i);
                    BufferedImage picture =
                            future == null ? cache.get(one.pair().file()) : future.get();
                    if (picture == null) {
                        continue;
                    }
                    readSinceShuffle++;
                    keep(one.pair().file(), picture);
                    FloatBuffer place = place(pixels, captions.size());
                    captions.add(one.pair().caption());
                    written.add(decoders.submit(() -> crop(picture, one.random(), place)));
                }
                for (Future<?> write : written) {
                    write.get();
                }
            }
            return new Batch(pixels, captions, null);
        } catch (ExecutionException e) {
            pixels.close();
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } catch (RuntimeException | InterruptedException e) {
            pixels.close();
            throw e;
        }
    }

    private void crop(BufferedImage picture, SplittableRandom random, FloatBuffer place) {
        double minScale = config.data().minScale();
        if (minScale == 1) {
            transform.of(picture, place);
        } else {
            transform.random(picture, random, minScale, place);
        }
    }

    private FloatBuffer place(FloatPointer pixels, int row) {
        // A view from the row on: a buffer reaches no further than 2^31 numbers, a batch of large pictures may.
        long from = (long) row * transform.elements();
        return new FloatPointer(pixels)
                .position(from)
                .limit(from + transform.elements())
                .asBuffer();
    }

    private void keep(Path file, BufferedImage picture) {
        long bytes = 4L * picture.getWidth() * picture.getHeight();
        if (cachedBytes + bytes <= cacheBytes && cache.putIfAbsent(file, picture) == null) {
            cachedBytes += bytes;
        }
    }

    /** Rows of pictures that the batch does not hold yet. */
    private List<Chosen> choose(int count, Set<Path> files) {
        List<Chosen> chosen = new ArrayList<>(count);
        int shuffles = 0;
        Deque<CaptionDataset.Pair> again = new ArrayDeque<>();
        while (chosen.size() < count) {
            CaptionDataset.Pair pair = deferred.poll();
            if (pair == null) {
                if (upcoming.isEmpty()) {
                    if (++shuffles > 2) {
                        throw tooFew(files.size());
                    }
                    shuffle();
                }
                pair = upcoming.poll();
            }
            if (files.add(pair.file())) {
                chosen.add(new Chosen(pair, random.split()));
            } else {
                again.add(pair);
            }
        }
        deferred.addAll(again);
        return chosen;
    }

    private IllegalArgumentException tooFew(int found) {
        int skipped = data.skipped().size();
        return new IllegalArgumentException(data.table() + " has at most " + found + " readable pictures"
                + (skipped == 0
                        ? ""
                        : " (" + skipped + " rows skipped, the first: "
                                + data.skipped().get(0) + ")")
                + ", a batch needs " + config.batch() + ": lower batch, or add pictures");
    }

    private void shuffle() {
        if (!data.skipped().isEmpty()
                && readSinceShuffle == 0
                && data.skipped().size() >= data.pairs().size()) {
            throw tooFew(0);
        }
        readSinceShuffle = 0;
        List<CaptionDataset.Pair> order = new ArrayList<>(data.pairs());
        for (int i = order.size() - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            CaptionDataset.Pair swapped = order.get(i);
            order.set(i, order.get(j));
            order.set(j, swapped);
        }
        upcoming.addAll(order);
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        decoders.shutdown();
        for (Batch batch; (batch = ready.poll()) != null; ) {
            batch.close();
        }
        cache.clear();
    }
}
