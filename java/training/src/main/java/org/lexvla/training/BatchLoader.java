package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.model.ImageTransform;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Batches of a source without end, decoded and cropped in the background, in the order of a {@link BatchComposer}.
 *
 * <p>Batches depend on the source, the seed and the position alone: not on the number of threads, nor on when they are taken. In place
 * of a picture that turns out broken stands one of the next batch, which has its own turn all the same; so a broken picture changes
 * nothing in what comes after it.
 *
 * <p>Of several processes each has its part of a batch. If the source is a list, all of them walk through the whole of it, so that
 * n processes with batches of B have, put together, the batches that one process with n · B has. Otherwise shards are split among them.
 * Either way no two processes have the same picture in a batch.
 */
final class BatchLoader implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BatchLoader.class);
    /** A batch whose last pictures are being decoded, and the next, whose first pictures are. */
    private static final int IN_WORK = 2;

    private record Ready(Batch batch, RuntimeException failure) {}

    private final CaptionSource source;
    private final ImageTransform transform;
    private final TrainingConfig config;
    private final BufferAllocator allocator;
    /** Where this process's samples begin in a composed batch, and how many it has. */
    private final int from;

    private final int size;
    private final long firstSlot;
    private final SkipLog skipped;
    private final SampleStream stream;
    private final BatchComposer composer;
    private final BlockingQueue<Ready> ready;
    private final ThreadPoolExecutor decoders;
    private final Thread thread;
    private final Map<String, BufferedImage> cache = new ConcurrentHashMap<>();
    private final AtomicLong cachedBytes = new AtomicLong();
    private volatile boolean closed;

    /** Of the composing thread: batches from the first that is not finished on. */
    private final Deque<BatchComposer.Composed> composed = new ArrayDeque<>();

    /**
     * @param part      which process of the run this is
     * @param position  where to go on; null: at the beginning
     * @param skips     list of samples that are left out; null: none is written
     * @param allocator of the batches; it must outlive them
     * @throws IOException              if the source or the list cannot be read
     * @throws IllegalArgumentException if the position belongs to another source, other settings or another number of processes
     */
    BatchLoader(
            CaptionSource source,
            ImageTransform transform,
            TrainingConfig config,
            Part part,
            DataPosition position,
            Path skips,
            BufferAllocator allocator)
            throws IOException {
        this.source = source;
        this.transform = transform;
        this.config = config;
        this.allocator = allocator;
        Part split = source.isList() ? Part.WHOLE : part;
        DataPosition start = DataPosition.start(fingerprint(source, config), split.rank(), split.of());
        if (position != null) {
            requireSame(position, start);
            start = position;
        }
        this.size = config.batch();
        this.from = source.isList() ? size * part.rank() : 0;
        this.firstSlot = source.isList() ? 0 : (long) part.rank() << 48;
        this.skipped = new SkipLog(skips, config.data().maxSkipped());
        this.stream = new SampleStream(source, config, part, start, skipped);
        try {
            this.composer =
                    new BatchComposer(source, stream, start, source.isList() ? size * part.of() : size, skipped);
        } catch (IOException | RuntimeException e) {
            stream.close();
            skipped.close();
            throw e;
        }
        this.ready = new ArrayBlockingQueue<>(config.data().ahead());
        int threads = config.data().threads();
        this.decoders = new ThreadPoolExecutor(
                threads,
                threads,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                task -> daemon(task, "lexvla-decode"));
        this.thread = daemon(this::fill, "lexvla-batches");
        thread.start();
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    /** Of the shards, their sizes, and what decides the order of their samples. */
    private static String fingerprint(CaptionSource source, TrainingConfig config) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
        String order = "seed " + config.seed()
                + (source.isList()
                        ? ""
                        : " shuffle " + config.data().shuffle() + " interleave "
                                + config.data().interleave());
        digest.update(order.getBytes(StandardCharsets.UTF_8));
        for (CaptionSource.Shard shard : source.shards()) {
            // Without its directory: the data may be moved.
            String name = Path.of(shard.name()).getFileName().toString();
            digest.update(("\n" + name + "\t" + shard.bytes()).getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 16);
    }

    private void requireSame(DataPosition position, DataPosition start) {
        if (position.parts() != start.parts() || position.part() != start.part()) {
            throw new IllegalArgumentException("the position in the data is that of process " + position.part() + " of "
                    + position.parts() + ", this is process " + start.part() + " of " + start.parts()
                    + ": the shards of " + source.name()
                    + " are split among the processes, resume with as many as before");
        }
        if (!position.source().equals(start.source())) {
            throw new IllegalArgumentException("the position in the data is not of " + source.name()
                    + " as it is now: resume with the same shards, seed, data.shuffle and data.interleave");
        }
    }

    /**
     * The next batch, waiting for it if need be. The caller closes it.
     *
     * @throws IllegalStateException    if too many samples are broken or a shard is dead
     * @throws IllegalArgumentException if there are fewer readable pictures than a batch needs
     */
    Batch take() {
        try {
            Ready next = ready.take();
            if (next.failure() != null) {
                // Once more for whoever asks again.
                ready.offer(next);
                throw next.failure();
            }
            return next.batch();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for pictures", e);
        }
    }

    /** Different samples and shards that were left out up to now. */
    int skipped() {
        return skipped.size();
    }

    private void fill() {
        Deque<Pending> inWork = new ArrayDeque<>();
        try {
            for (int next = 0; !closed; ) {
                while (inWork.size() < IN_WORK) {
                    inWork.add(new Pending(composed(next++)));
                }
                Batch batch = inWork.element().finish();
                inWork.remove();
                composed.remove();
                put(new Ready(batch, null));
            }
        } catch (InterruptedException e) {
            // Closed.
        } catch (RuntimeException e) {
            fail(e);
        } catch (Error e) {
            fail(new IllegalStateException("pictures cannot be made ready: " + e, e));
        } finally {
            inWork.forEach(Pending::abandon);
        }
    }

    private void put(Ready next) throws InterruptedException {
        try {
            ready.put(next);
        } catch (InterruptedException e) {
            next.batch().close();
            throw e;
        }
    }

    /** Hands a failure to the step that would have had the batch. */
    private void fail(RuntimeException failure) {
        try {
            ready.put(new Ready(null, failure));
        } catch (InterruptedException e) {
            // Closed: nobody asks any more.
        }
    }

    /** A batch that is not finished yet, by its number. */
    private BatchComposer.Composed composed(int number) throws InterruptedException {
        while (composed.isEmpty() || composed.getLast().number() < number) {
            composed.add(composer.next());
        }
        for (BatchComposer.Composed one : composed) {
            if (one.number() == number) {
                return one;
            }
        }
        throw new IllegalStateException("batch " + number + " is finished already");
    }

    /** A batch whose pictures are being decoded. */
    private final class Pending {
        private final BatchComposer.Composed from;
        private final Batch batch;
        private final Slot[] slots = new Slot[size];
        /** Of the batch, all processes' parts of it included. */
        private final Set<String> keys = new HashSet<>();
        /** Where the next sample to stand in for a broken one is: which batch, and which of its samples. */
        private int spareBatch;

        private int spare;

        Pending(BatchComposer.Composed from) {
            this.from = from;
            this.spareBatch = from.number() + 1;
            from.rows().forEach(row -> keys.add(row.sample().key()));
            this.batch = new Batch(allocator, size, transform.crop(), from.after());
            for (int at = 0; at < size; at++) {
                slots[at] = new Slot(this, at, from.rows().get(BatchLoader.this.from + at));
            }
        }

        Batch finish() throws InterruptedException {
            for (int at = 0; at < size; at++) {
                while (!slots[at].isWritten()) {
                    skipped.requireFew();
                    slots[at] = new Slot(this, at, spare());
                }
                Sample sample = slots[at].row.sample();
                batch.set(at, sample.key(), sample.caption());
            }
            return batch;
        }

        private SampleStream.Row spare() throws InterruptedException {
            while (true) {
                BatchComposer.Composed next = composed(spareBatch);
                // Every sample has been tried, or is in the batch.
                if (next.epoch() > from.epoch() + 2) {
                    int found = 0;
                    for (Slot slot : slots) {
                        found += slot.isWritten() ? 1 : 0;
                    }
                    throw composer.tooFew(found);
                }
                while (spare < size) {
                    SampleStream.Row row = next.rows().get(BatchLoader.this.from + spare++);
                    if (keys.add(row.sample().key())) {
                        return row;
                    }
                }
                spareBatch++;
                spare = 0;
            }
        }

        /** Frees the memory as soon as nobody writes there any more. */
        void abandon() {
            for (Slot slot : slots) {
                slot.giveUp();
            }
            batch.close();
        }
    }

    /** The place of a picture in a batch. */
    private final class Slot {
        private final SampleStream.Row row;
        private final String place;
        /** Why it cannot be used; null if it is written. */
        private final Future<String> flaw;
        /** Whether somebody has decided whether this picture is written: its decoder, or whoever does not wait for it. */
        private final AtomicBoolean decided = new AtomicBoolean();

        Slot(Pending pending, int at, SampleStream.Row row) {
            this.row = row;
            this.place = source.shards().get(row.shard()).place(row.sample().index());
            long number = firstSlot + pending.from.first() + from + at;
            this.flaw = decoders.submit(() -> write(pending.batch, at, SampleStream.random(config.seed(), number)));
        }

        private String write(Batch batch, int at, SplittableRandom random) {
            if (skipped.knows(place)) {
                return "as before";
            }
            try {
                BufferedImage picture = picture();
                if (!decided.compareAndSet(false, true)) {
                    return "too late";
                }
                FloatBuffer pixels = batch.place(at);
                if (config.data().minScale() == 1) {
                    transform.of(picture, pixels);
                } else {
                    transform.random(picture, random, config.data().minScale(), pixels);
                }
                return null;
            } catch (IOException | RuntimeException e) {
                return e.getMessage() == null ? e.toString() : e.getMessage();
            }
        }

        private BufferedImage picture() throws IOException {
            // Pictures of a list have several rows; what else a key means is known to whoever made the shards.
            String name = source.isList() ? row.sample().key() : place;
            BufferedImage picture = cache.get(name);
            if (picture == null) {
                picture = row.sample().picture().read();
                long bytes = 4L * picture.getWidth() * picture.getHeight();
                if (cachedBytes.get() + bytes <= config.data().cache() * 1_000_000L
                        && cache.putIfAbsent(name, picture) == null) {
                    cachedBytes.addAndGet(bytes);
                }
            }
            return picture;
        }

        /** Waits until the picture is written or cannot be used. */
        boolean isWritten() throws InterruptedException {
            String reason;
            try {
                reason = flaw();
            } catch (ExecutionException e) {
                if (e.getCause() instanceof Error error) {
                    throw error;
                }
                throw new IllegalStateException(place + " cannot be decoded: " + e.getCause(), e.getCause());
            }
            if (reason == null) {
                skipped.use();
                return true;
            }
            skipped.skip(new SkippedSample(place, row.sample().key(), reason));
            return false;
        }

        private String flaw() throws InterruptedException, ExecutionException {
            double slow = Math.min(config.data().slowSeconds(), config.data().deadSeconds());
            double dead = config.data().deadSeconds();
            try {
                return flaw.get((long) (1e9 * slow), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                LOG.warn(
                        "{}, {} is slow: not decoded after {} s",
                        place,
                        row.sample().key(),
                        slow);
            }
            try {
                return flaw.get((long) (1e9 * (dead - slow)), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                if (!decided.compareAndSet(false, true)) {
                    return flaw.get();
                }
            }
            flaw.cancel(true);
            String reason = "not read after " + dead + " s (data.deadSeconds)";
            if (!config.data().skipsDead()) {
                throw new IllegalStateException(place + ", " + row.sample().key() + " is dead: " + reason
                        + "; mend it and resume the run, or set data.whenDead to skip");
            }
            // Its thread may hang for good.
            decoders.setMaximumPoolSize(decoders.getMaximumPoolSize() + 1);
            decoders.setCorePoolSize(decoders.getCorePoolSize() + 1);
            return reason;
        }

        /** Afterwards nobody writes this picture. */
        void giveUp() {
            if (decided.compareAndSet(false, true)) {
                flaw.cancel(true);
                return;
            }
            boolean interrupted = false;
            while (true) {
                try {
                    flaw.get();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException | CancellationException e) {
                    break;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Ends all threads and frees the batches that nobody took. */
    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        boolean interrupted = Thread.interrupted();
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        decoders.shutdownNow();
        stream.close();
        for (Ready next; (next = ready.poll()) != null; ) {
            if (next.batch() != null) {
                next.batch().close();
            }
        }
        cache.clear();
        skipped.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
