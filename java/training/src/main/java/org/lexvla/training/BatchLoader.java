package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.model.ImageTransform;

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
    private final PictureDecoders decoders;
    private final BlockingQueue<Ready> ready = new LinkedBlockingQueue<>();
    /** For batches that nobody has taken: a large one is gigabytes of pixels. */
    private final Semaphore room;

    private final Thread thread;
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
        DataPosition start = DataPosition.start(source, config, split);
        if (position != null) {
            start.requireSameData(position, source.name());
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
        this.room = new Semaphore(config.data().ahead());
        this.decoders = new PictureDecoders(transform, config.data());
        this.thread = new Thread(this::fill, "lexvla-batches");
        thread.setDaemon(true);
        thread.start();
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
                ready.add(next);
                throw next.failure();
            }
            room.release();
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
                if (inWork.isEmpty()) {
                    room.acquire();
                    inWork.add(new Pending(composed(next++)));
                }
                if (inWork.size() < IN_WORK && room.tryAcquire()) {
                    inWork.add(new Pending(composed(next++)));
                }
                Batch batch = inWork.element().finish();
                inWork.remove();
                composed.remove();
                ready.add(new Ready(batch, null));
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

    /** Hands a failure to the step that would have had the batch. */
    private void fail(RuntimeException failure) {
        ready.add(new Ready(null, failure));
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
        private final PendingPicture[] pictures = new PendingPicture[size];
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
                pictures[at] = picture(at, from.rows().get(BatchLoader.this.from + at));
            }
        }

        private PendingPicture picture(int at, SampleStream.Row row) {
            Sample sample = row.sample();
            String place = source.shards().get(row.shard()).place(sample.index());
            // Pictures of a list have several rows; what else a key means is known to whoever made the shards.
            String cached = source.isList() ? sample.key() : place;
            long number = firstSlot + from.first() + BatchLoader.this.from + at;
            SplittableRandom random = SampleStream.random(config.seed(), number);
            return new PendingPicture(decoders, config.data(), skipped, sample, place, cached, batch, at, random);
        }

        Batch finish() throws InterruptedException {
            for (int at = 0; at < size; at++) {
                while (!pictures[at].isWritten()) {
                    skipped.requireFew();
                    pictures[at] = picture(at, spare());
                }
                Sample sample = pictures[at].sample();
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
                    for (PendingPicture picture : pictures) {
                        found += picture.isWritten() ? 1 : 0;
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
            for (PendingPicture picture : pictures) {
                picture.giveUp();
            }
            batch.close();
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
        decoders.close();
        stream.close();
        for (Ready next; (next = ready.poll()) != null; ) {
            if (next.batch() != null) {
                next.batch().close();
            }
        }
        skipped.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
