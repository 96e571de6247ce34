package org.lexvla.training;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Puts the samples of a stream into batches, none with two samples of one key: each would be a negative of the other, so the second
 * waits for the next batch.
 *
 * <p>Which samples a batch has depends on the source, the seed and the size of batches alone, not on which of them turn out broken.
 */
final class BatchComposer {
    private final CaptionSource source;
    private final SampleStream stream;
    private final SkipLog skipped;
    private final DataPosition start;
    private final int size;
    private final Deque<SampleStream.Row> deferred = new ArrayDeque<>();
    private long samples;
    private int batches;

    /**
     * A batch in which some samples may turn out broken.
     *
     * @param number of the batches of this composer, from 0
     * @param first  number of its first sample, counted since the beginning of the run
     * @param after  where the next batch begins
     * @param epoch  of the sample that was read last
     */
    record Composed(int number, long first, List<SampleStream.Row> rows, DataPosition after, int epoch) {}

    /**
     * @param start where to go on
     * @param size  samples of a batch
     */
    BatchComposer(CaptionSource source, SampleStream stream, DataPosition start, int size, SkipLog skipped)
            throws IOException {
        this.source = source;
        this.stream = stream;
        this.skipped = skipped;
        this.start = start;
        this.size = size;
        this.samples = start.samples();
        for (DataPosition.Place place : start.deferred()) {
            deferred.add(stream.read(place));
        }
    }

    /** The next batch, waiting for the source if need be. */
    Composed next() throws InterruptedException {
        Set<String> keys = new HashSet<>();
        List<SampleStream.Row> rows = new ArrayList<>(size);
        Deque<SampleStream.Row> again = new ArrayDeque<>();
        while (rows.size() < size && !deferred.isEmpty()) {
            put(deferred.poll(), keys, rows, again);
        }
        int began = stream.epoch();
        while (rows.size() < size) {
            SampleStream.Row row = stream.next();
            // A whole epoch has passed in between.
            if (stream.epoch() > began + 1) {
                throw tooFew(rows.size());
            }
            put(row, keys, rows, again);
        }
        // Those that waited longest come first.
        deferred.addAll(again);
        long first = samples;
        samples += size;
        List<DataPosition.Place> waiting =
                deferred.stream().map(SampleStream.Row::place).toList();
        return new Composed(batches++, first, rows, stream.position(start, samples, waiting), stream.epoch());
    }

    private static void put(
            SampleStream.Row row, Set<String> keys, List<SampleStream.Row> rows, Deque<SampleStream.Row> again) {
        if (keys.add(row.sample().key())) {
            rows.add(row);
        } else {
            again.add(row);
        }
    }

    /** There are not enough different pictures. */
    IllegalArgumentException tooFew(int found) {
        return new IllegalArgumentException(source.name() + " has at most " + found + " readable pictures"
                + skipped.summary() + ", a batch needs " + size + ": lower batch, or add pictures");
    }
}
