package org.lexvla.training;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Captioned pictures in one or many shards. A shard is read from its beginning, or from any sample on; nothing is decoded while
 * it is read.
 *
 * <p>Safe for use by several threads; the readers are not.
 */
public interface CaptionSource {
    /**
     * Opens what somebody means by a name, after a look at what is there: a {@link CaptionDataset} ({@code .tsv}, or a directory with
     * {@code captions.tsv} in it); shards of WebDataset ({@code .tar}, as img2dataset writes them); Parquet; Arrow IPC.
     *
     * @param data a file, a directory, or a pattern: {@code shards/{00000..00099}.tar}, {@code shards/*.parquet}
     * @param settings which columns have the pictures and the captions
     * @throws IOException naming what was found, if it is none of these
     */
    static CaptionSource open(String data, TrainingConfig.Data settings) throws IOException {
        return DataFiles.open(data, new ColumnNames(settings.image(), settings.caption()));
    }

    /** How messages call it. */
    String name();

    /** All shards, in an order that is always the same. */
    List<? extends Shard> shards();

    /**
     * Whether it lists pictures that lie elsewhere and takes next to no memory, so that each epoch is shuffled as a whole and every
     * process of a run reads all of it. What is no list is shuffled within a buffer, and its shards are split among the processes.
     */
    boolean isList();

    /** How many samples there are, those included that will turn out broken. May have to look through all shards. */
    long size() throws IOException;

    /**
     * The captions of the first samples.
     *
     * @param most how many at most
     */
    default List<String> captions(int most) throws IOException {
        List<String> captions = new ArrayList<>();
        for (Shard shard : shards()) {
            try (Reader reader = shard.open(0)) {
                for (Sample sample; captions.size() < most && (sample = reader.next()) != null; ) {
                    if (sample.flaw() == null) {
                        captions.add(sample.caption());
                    }
                }
            }
        }
        return captions;
    }

    /** A file of samples. */
    interface Shard {
        /** Names it in messages, and as long as its source is the same also in the position of a run. */
        String name();

        /** Size in bytes: with the names, what tells one source from another. */
        long bytes();

        /** Where a sample stands, for people. */
        default String place(long index) {
            return name() + ", sample " + index;
        }

        /**
         * Opens it.
         *
         * @param from samples that are left out, counted as {@link Sample#index} counts
         */
        Reader open(long from) throws IOException;
    }

    /** Reads a shard. */
    interface Reader extends Closeable {
        /**
         * The next sample, or null at the end of the shard.
         *
         * @throws IOException if the rest of the shard cannot be read
         */
        Sample next() throws IOException;
    }
}
