package org.lexvla.training;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * How far a run has come in its data: whoever opens the same source with it gets the same batches, bit for bit, as if the first run
 * had gone on. Small, and made of plain values so that it can be kept as JSON.
 *
 * @param source   fingerprint of the shards and of the settings that order them; another source is refused
 * @param part     which process this is of, from 0; always 0 if the source is a list, whose position is the same for all
 * @param parts    processes that the shards were split among; always 1 if the source is a list
 * @param samples  handed out since the beginning of the run, by all processes if the source is a list
 * @param epoch    from 0
 * @param window   of the epoch, from 0: samples are shuffled window by window
 * @param open     the shards that were being read when the window began, in the order of their turns, each with its next sample
 * @param opened   shards of the epoch's order that had been opened by then
 * @param taken    samples of the shuffled window that have been taken
 * @param deferred samples that were taken and wait for a batch without another of their key
 * @param cuts     shards of which the rest was given up in this epoch, each with the first sample that is left out
 */
public record DataPosition(
        String source,
        int part,
        int parts,
        long samples,
        int epoch,
        int window,
        List<Place> open,
        int opened,
        int taken,
        List<Place> deferred,
        List<Place> cuts) {
    /**
     * A sample of a source.
     *
     * @param shard which of {@link CaptionSource#shards}
     * @param index of the sample in it
     */
    public record Place(int shard, long index) {}

    public DataPosition {
        open = List.copyOf(open);
        deferred = List.copyOf(deferred);
        cuts = List.copyOf(cuts);
    }

    /**
     * The beginning.
     *
     * @param split whose part of the shards; the whole if the source is a list
     */
    static DataPosition start(CaptionSource source, TrainingConfig config, Part split) {
        return new DataPosition(
                fingerprint(source, config), split.rank(), split.of(), 0, 0, 0, List.of(), 0, 0, List.of(), List.of());
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

    /**
     * Refuses a position that belongs to other data, or to another process.
     *
     * @throws IllegalArgumentException saying what differs
     */
    void requireSameData(DataPosition position, String name) {
        if (position.parts() != parts || position.part() != part) {
            throw new IllegalArgumentException("the position in the data is that of process " + position.part() + " of "
                    + position.parts() + ", this is process " + part + " of " + parts
                    + ": the shards of " + name
                    + " are split among the processes, resume with as many as before");
        }
        if (!position.source().equals(source)) {
            throw new IllegalArgumentException("the position in the data is not of " + name
                    + " as it is now: resume with the same shards, seed, data.shuffle and data.interleave");
        }
    }
}
