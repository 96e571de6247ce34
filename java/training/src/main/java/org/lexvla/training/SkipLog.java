package org.lexvla.training;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a run had to leave out: a line of JSON each in {@code skipped.jsonl}, the first ones as warnings, too. What is left out again
 * in a later epoch, or after a run was resumed, is listed once.
 *
 * <p>Safe for use by several threads.
 */
final class SkipLog implements AutoCloseable {
    /** Samples below which no share is taken: the second of two pictures may be broken. */
    private static final int FEW = 100;

    private static final int WARNINGS = 10;
    private static final Logger LOG = LoggerFactory.getLogger(SkipLog.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private final double most;
    private final Set<String> places = new HashSet<>();
    private SkippedSample first;
    private Writer writer;
    private long used;
    private long skipped;

    /**
     * @param file of the list, made when the first is skipped; null: no list
     * @param most share of the samples that may be skipped
     */
    SkipLog(Path file, double most) throws IOException {
        this.file = file;
        this.most = most;
        for (SkippedSample known : file == null ? List.<SkippedSample>of() : SkippedSample.list(file)) {
            places.add(known.place());
            first = first == null ? known : first;
        }
    }

    /** A sample was used. */
    synchronized void use() {
        used++;
    }

    /** A sample is left out. */
    synchronized void skip(SkippedSample sample) {
        skipped++;
        list(sample);
    }

    /** The rest of a shard is left out: one line, since nobody knows how many samples that were. */
    synchronized void skipShard(SkippedSample shard) {
        LOG.warn("{}: {}", shard.place(), shard.reason());
        list(shard);
    }

    private void list(SkippedSample sample) {
        first = first == null ? sample : first;
        if (!places.add(sample.place())) {
            return;
        }
        if (places.size() <= WARNINGS && !sample.name().isEmpty()) {
            LOG.warn("{}, {} is skipped: {}", sample.place(), sample.name(), sample.reason());
            if (places.size() == WARNINGS) {
                LOG.warn("what else is skipped is listed in {}", file == null ? "the end" : file);
            }
        }
        if (file != null) {
            try {
                if (writer == null) {
                    writer = Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
                }
                writer.write(JSON.writeValueAsString(sample) + "\n");
                writer.flush();
            } catch (IOException e) {
                throw new UncheckedIOException("cannot write " + file, e);
            }
        }
    }

    /** Whether something is known to be broken already. */
    synchronized boolean knows(String place) {
        return places.contains(place);
    }

    /** Different ones up to now. */
    synchronized int size() {
        return places.size();
    }

    /** In words, to end another message; empty if there is none. */
    synchronized String summary() {
        return places.isEmpty() ? "" : " (" + places.size() + " skipped, the first: " + first + ")";
    }

    /** Stops a run that would leave out too much. */
    synchronized void requireFew() {
        if (used + skipped >= FEW && skipped > most * (used + skipped)) {
            throw new IllegalStateException(skipped + " of the last " + (used + skipped)
                    + " samples could not be used, data.maxSkipped is " + most + ": see "
                    + (file == null ? first : file)
                    + ", mend the data or raise data.maxSkipped");
        }
    }

    @Override
    public synchronized void close() {
        if (writer != null) {
            try {
                writer.close();
            } catch (IOException e) {
                throw new UncheckedIOException("cannot write " + file, e);
            }
        }
    }
}
