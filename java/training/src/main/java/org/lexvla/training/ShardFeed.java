package org.lexvla.training;

import java.io.IOException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads a shard ahead in a thread of its own, so that a disk that hangs holds up nothing but this, and is named. */
final class ShardFeed implements AutoCloseable {
    /** Samples, of some 50 KB each. */
    private static final int AHEAD = 32;

    private static final Logger LOG = LoggerFactory.getLogger(ShardFeed.class);

    /** The rest of a shard cannot be had. */
    static final class LostException extends Exception {
        private static final long serialVersionUID = 1;

        /** Whether it was for want of an answer, which may be another one the next time. */
        private final boolean silent;

        LostException(String reason, boolean silent, Throwable cause) {
            super(reason, cause);
            this.silent = silent;
        }

        boolean silent() {
            return silent;
        }
    }

    /** A sample, or the end of the shard: null and perhaps why. */
    private record Item(Sample sample, Throwable failure) {}

    private final CaptionSource.Shard shard;
    private final int number;
    private final TrainingConfig.Data settings;
    private final BlockingQueue<Item> queue = new ArrayBlockingQueue<>(AHEAD);
    private final Thread thread;
    private volatile boolean closed;
    private long next;

    /**
     * @param number of the shard in its source
     * @param from   samples that are left out
     */
    ShardFeed(CaptionSource.Shard shard, int number, long from, TrainingConfig.Data settings) {
        this.shard = shard;
        this.number = number;
        this.settings = settings;
        this.next = from;
        this.thread = new Thread(() -> read(from), "lexvla-shard " + shard.name());
        thread.setDaemon(true);
        thread.start();
    }

    private void read(long from) {
        Throwable failure = null;
        try (CaptionSource.Reader reader = shard.open(from)) {
            for (Sample sample; !closed && (sample = reader.next()) != null; ) {
                queue.put(new Item(sample, null));
            }
        } catch (InterruptedException e) {
            return;
        } catch (IOException | RuntimeException | Error e) {
            failure = e;
        }
        try {
            queue.put(new Item(null, failure));
        } catch (InterruptedException e) {
            // Closed: nobody asks for the end.
        }
    }

    /** The shard, and the first sample that has not been taken. */
    DataPosition.Place place() {
        return new DataPosition.Place(number, next);
    }

    CaptionSource.Shard shard() {
        return shard;
    }

    /** The next sample, or null at the end. */
    Sample take() throws InterruptedException, LostException {
        Item item = queue.poll();
        if (item == null) {
            item = await();
        }
        if (item.failure() instanceof Error e) {
            throw e;
        }
        if (item.failure() != null) {
            String reason = item.failure().getMessage();
            throw new LostException(
                    "the rest, from sample " + next + " on, cannot be read: "
                            + (reason == null ? item.failure().toString() : reason),
                    false,
                    item.failure());
        }
        if (item.sample() != null) {
            next = item.sample().index() + 1;
        }
        return item.sample();
    }

    private Item await() throws InterruptedException, LostException {
        double seconds = Math.min(settings.slowSeconds(), settings.deadSeconds());
        Item item = queue.poll((long) (1e9 * seconds), TimeUnit.NANOSECONDS);
        if (item == null && seconds < settings.deadSeconds()) {
            LOG.warn("{} is slow: nothing for {} s after sample {}", shard.name(), seconds, next - 1);
            item = queue.poll((long) (1e9 * (settings.deadSeconds() - seconds)), TimeUnit.NANOSECONDS);
        }
        if (item == null) {
            throw new LostException(
                    "nothing for " + settings.deadSeconds() + " s (data.deadSeconds) after sample " + (next - 1),
                    true,
                    null);
        }
        return item;
    }

    /** Lets go of the shard; a thread that hangs in it ends when its disk answers. */
    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        queue.clear();
        try {
            thread.join(1000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
