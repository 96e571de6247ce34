package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.lexvla.model.ImageTransform;

/** The threads that decode and crop pictures, and the decoded pictures that are kept. */
final class PictureDecoders implements AutoCloseable {
    private final ImageTransform transform;
    private final TrainingConfig.Data settings;
    private final ThreadPoolExecutor threads;
    private final Map<String, BufferedImage> cache = new ConcurrentHashMap<>();
    private final AtomicLong cachedBytes = new AtomicLong();

    PictureDecoders(ImageTransform transform, TrainingConfig.Data settings) {
        this.transform = transform;
        this.settings = settings;
        this.threads = new ThreadPoolExecutor(
                settings.decoders(), settings.decoders(), 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                    Thread thread = new Thread(task, "lexvla-decode");
                    thread.setDaemon(true);
                    return thread;
                });
    }

    <R> Future<R> submit(Callable<R> task) {
        return threads.submit(task);
    }

    /** A thread more, in the place of one that may hang for good. */
    void replaceThread() {
        threads.setMaximumPoolSize(threads.getMaximumPoolSize() + 1);
        threads.setCorePoolSize(threads.getCorePoolSize() + 1);
    }

    /** @param name of the picture among those that are kept */
    BufferedImage read(String name, Sample sample) throws IOException {
        BufferedImage picture = cache.get(name);
        if (picture == null) {
            picture = sample.picture().read();
            long bytes = 4L * picture.getWidth() * picture.getHeight();
            if (cachedBytes.get() + bytes <= settings.cache() * 1_000_000L
                    && cache.putIfAbsent(name, picture) == null) {
                cachedBytes.addAndGet(bytes);
            }
        }
        return picture;
    }

    /** Writes the levels of a picture, resized and cropped. */
    void write(BufferedImage picture, SplittableRandom random, ByteBuffer levels) {
        if (settings.minScale() == 1) {
            transform.levels(picture, levels);
        } else {
            transform.randomLevels(picture, random, settings.minScale(), levels);
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
        cache.clear();
    }
}
