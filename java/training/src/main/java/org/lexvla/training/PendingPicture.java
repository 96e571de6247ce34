package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A picture that is being decoded into its place in a batch; one that takes too long is named, and given up in the end. */
final class PendingPicture {
    private static final Logger LOG = LoggerFactory.getLogger(PendingPicture.class);

    private final PictureDecoders decoders;
    private final TrainingConfig.Data settings;
    private final SkipLog skipped;
    private final Sample sample;
    private final String place;
    private final String cached;
    /** Why it cannot be used; null if it is written. */
    private final Future<String> flaw;
    /** Whether somebody has decided whether this picture is written: its decoder, or whoever does not wait for it. */
    private final AtomicBoolean decided = new AtomicBoolean();

    /**
     * @param place  of the sample, for people
     * @param cached name of the picture among those that are kept
     * @param random of its crop
     */
    PendingPicture(
            PictureDecoders decoders,
            TrainingConfig.Data settings,
            SkipLog skipped,
            Sample sample,
            String place,
            String cached,
            Batch batch,
            int at,
            SplittableRandom random) {
        this.decoders = decoders;
        this.settings = settings;
        this.skipped = skipped;
        this.sample = sample;
        this.place = place;
        this.cached = cached;
        this.flaw = decoders.submit(() -> write(batch, at, random));
    }

    Sample sample() {
        return sample;
    }

    private String write(Batch batch, int at, SplittableRandom random) {
        if (skipped.knows(place)) {
            return "as before";
        }
        try {
            BufferedImage picture = decoders.read(cached, sample);
            if (!decided.compareAndSet(false, true)) {
                return "too late";
            }
            decoders.write(picture, random, batch.place(at));
            return null;
        } catch (IOException | RuntimeException e) {
            return e.getMessage() == null ? e.toString() : e.getMessage();
        }
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
        skipped.skip(new SkippedSample(place, sample.key(), reason));
        return false;
    }

    private String flaw() throws InterruptedException, ExecutionException {
        double slow = Math.min(settings.slowSeconds(), settings.deadSeconds());
        double dead = settings.deadSeconds();
        try {
            return flaw.get((long) (1e9 * slow), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            LOG.warn("{}, {} is slow: not decoded after {} s", place, sample.key(), slow);
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
        if (!settings.skipsDead()) {
            throw new IllegalStateException(place + ", " + sample.key() + " is dead: " + reason
                    + "; mend it and resume the run, or set data.whenDead to skip");
        }
        decoders.replaceThread();
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
