package org.lexvla.training;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;

/**
 * The samples of a source without end: epoch after epoch, each in another order, which the seed alone decides.
 *
 * <p>A list is shuffled as a whole. Of shards, the order is shuffled; some are open at a time and give a sample each in turn; and of what
 * they give, every so many samples are shuffled among themselves: a window. The next window is read while one is being taken. Unlike a
 * buffer of which a random sample is taken and replaced by the next, a window can be had again from where it began, so that a position
 * in the stream is a few numbers.
 *
 * <p>For one taker at a time.
 */
final class SampleStream implements AutoCloseable {
    /** A shuffled window, and what it takes to read it again. */
    private record Window(
            int epoch,
            int number,
            List<DataPosition.Place> open,
            int opened,
            List<DataPosition.Place> cuts,
            List<Row> rows,
            RuntimeException failure) {}

    /**
     * A sample of the stream.
     *
     * @param shard number of its shard
     */
    record Row(int shard, Sample sample) {
        DataPosition.Place place() {
            return new DataPosition.Place(shard, sample.index());
        }
    }

    private final CaptionSource source;
    private final TrainingConfig config;
    private final int[] shards;
    private final SkipLog skipped;
    private final BlockingQueue<Window> windows = new LinkedBlockingQueue<>();
    /** Held by whoever is to read the next window. */
    private final Semaphore wanted = new Semaphore(1);

    private final Thread thread;

    /** Of the reading thread. */
    private final Deque<ShardFeed> feeds = new ArrayDeque<>();

    private final Map<Integer, Long> cuts = new HashMap<>();
    private int epoch;
    private int number;
    private int opened;

    /** Of the taker. */
    private Window window;

    private int taken;

    /**
     * @param part of the run; a list is read as a whole by all
     * @param from where to go on; its shards are opened here
     */
    SampleStream(CaptionSource source, TrainingConfig config, Part part, DataPosition from, SkipLog skipped) {
        this.source = source;
        this.config = config;
        this.skipped = skipped;
        this.shards = shards(source, part);
        this.epoch = from.epoch();
        this.number = from.window();
        this.opened = from.opened();
        from.cuts().forEach(cut -> cuts.put(cut.shard(), cut.index()));
        from.open().forEach(place -> feeds.add(feed(place)));
        this.taken = from.taken();
        this.thread = new Thread(this::read, "lexvla-samples");
        thread.setDaemon(true);
        thread.start();
    }

    private static int[] shards(CaptionSource source, Part part) {
        int count = source.shards().size();
        if (source.isList()) {
            return new int[] {0};
        }
        if (count < part.of()) {
            throw new IllegalArgumentException(source.name() + " has " + count + " shards for " + part.of()
                    + " processes: cut it into at least one for each, better many");
        }
        // The same ones in every epoch, so that a picture belongs to one process.
        int[] own = new int[(count - part.rank() + part.of() - 1) / part.of()];
        for (int i = 0; i < own.length; i++) {
            own[i] = part.rank() + i * part.of();
        }
        return own;
    }

    /** The next sample, waiting for it if need be. */
    Row next() throws InterruptedException {
        while (window == null || taken == window.rows().size()) {
            if (window != null) {
                taken = 0;
            }
            window = windows.take();
            if (window.failure() != null) {
                throw window.failure();
            }
            wanted.release();
        }
        return window.rows().get(taken++);
    }

    /** The epoch of the sample that was taken last. */
    int epoch() {
        return window == null ? epoch : window.epoch();
    }

    /** A position behind the sample that was taken last. */
    DataPosition position(DataPosition start, long samples, List<DataPosition.Place> deferred) {
        return new DataPosition(
                start.source(),
                start.part(),
                start.parts(),
                samples,
                window.epoch(),
                window.number(),
                window.open(),
                window.opened(),
                taken,
                deferred,
                window.cuts());
    }

    private void read() {
        try {
            while (true) {
                wanted.acquire();
                windows.add(window());
            }
        } catch (InterruptedException e) {
            // Closed.
        } catch (RuntimeException e) {
            windows.add(failed(e));
        } catch (Error e) {
            windows.add(failed(new IllegalStateException(source.name() + " cannot be read on: " + e, e)));
        } finally {
            feeds.forEach(ShardFeed::close);
        }
    }

    private static Window failed(RuntimeException failure) {
        return new Window(0, 0, List.of(), 0, List.of(), List.of(), failure);
    }

    private Window window() throws InterruptedException {
        int size = source.isList() ? Integer.MAX_VALUE : config.data().shuffle();
        int empty = 0;
        while (true) {
            List<DataPosition.Place> open = feeds.stream().map(ShardFeed::place).toList();
            int before = opened;
            List<Row> rows = fill(size);
            if (!rows.isEmpty()) {
                shuffle(rows, random(config.seed(), epoch, number));
                List<DataPosition.Place> given = new ArrayList<>();
                cuts.forEach((shard, index) -> given.add(new DataPosition.Place(shard, index)));
                return new Window(epoch, number++, open, before, given, rows, null);
            }
            // The last window of an epoch may end where the epoch does.
            if (number == 0 && ++empty > 1) {
                throw new IllegalArgumentException(
                        source.name() + " has no sample that can be used" + skipped.summary());
            }
            epoch++;
            number = 0;
            opened = 0;
            cuts.clear();
        }
    }

    private List<Row> fill(int size) throws InterruptedException {
        int[] order = order();
        List<Row> rows = new ArrayList<>();
        while (rows.size() < size) {
            while (feeds.size() < config.data().interleave() && opened < order.length) {
                feeds.add(feed(new DataPosition.Place(order[opened++], 0)));
            }
            ShardFeed feed = feeds.poll();
            if (feed == null) {
                return rows;
            }
            Sample sample = take(feed);
            if (sample == null) {
                feed.close();
                continue;
            }
            feeds.add(feed);
            if (sample.flaw() == null) {
                rows.add(new Row(feed.place().shard(), sample));
            } else {
                skipped.skip(new SkippedSample(feed.shard().place(sample.index()), sample.key(), sample.flaw()));
                skipped.requireFew();
            }
        }
        return rows;
    }

    private int[] order() {
        int[] order = shards.clone();
        SplittableRandom random = random(config.seed(), epoch, -1);
        for (int i = order.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        return order;
    }

    private ShardFeed feed(DataPosition.Place place) {
        return new ShardFeed(source.shards().get(place.shard()), place.shard(), place.index(), config.data());
    }

    /** The next sample, or null if the shard is at its end or given up. */
    private Sample take(ShardFeed feed) throws InterruptedException {
        DataPosition.Place place = feed.place();
        Long cut = cuts.get(place.shard());
        if (cut != null && place.index() >= cut) {
            return null;
        }
        try {
            return feed.take();
        } catch (ShardFeed.LostException e) {
            if (e.silent() && !config.data().skipsDead()) {
                throw new IllegalStateException(
                        feed.shard().name() + " is dead: " + e.getMessage()
                                + "; mend it and resume the run, or set data.whenDead to skip",
                        e);
            }
            cuts.put(place.shard(), place.index());
            skipped.skipShard(new SkippedSample(feed.shard().name(), "", e.getMessage()));
            if (cuts.size() > Math.max(1, config.data().maxSkipped() * shards.length)) {
                throw new IllegalStateException(cuts.size() + " of " + shards.length
                        + " shards could not be read to their end, data.maxSkipped is "
                        + config.data().maxSkipped() + skipped.summary());
            }
            return null;
        }
    }

    private static void shuffle(List<Row> rows, SplittableRandom random) {
        for (int i = rows.size() - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            rows.set(i, rows.set(j, rows.get(i)));
        }
    }

    /** Random numbers that depend on nothing but these. */
    static SplittableRandom random(long seed, long... which) {
        SplittableRandom random = new SplittableRandom(seed);
        for (long number : which) {
            random = new SplittableRandom(random.nextLong() ^ number);
        }
        return random;
    }

    /** Reads one sample again. */
    Row read(DataPosition.Place place) throws IOException {
        try (CaptionSource.Reader reader = source.shards().get(place.shard()).open(place.index())) {
            Sample sample = reader.next();
            if (sample == null || sample.index() != place.index() || sample.flaw() != null) {
                throw new IOException(source.shards().get(place.shard()).place(place.index())
                        + " is not what it was when the position of the run was written: the data have changed");
            }
            return new Row(place.shard(), sample);
        }
    }

    @Override
    public void close() {
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
