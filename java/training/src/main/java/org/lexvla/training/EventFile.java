package org.lexvla.training;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Locale;
import java.util.zip.CRC32C;

/**
 * An event file that TensorBoard shows: scalars, histograms, pictures and texts over the steps of a run.
 *
 * <pre>{@code
 * try (EventFile events = EventFile.create(Path.of("run/tensorboard"), 1)) {
 *     events.scalar("loss", 1, 9.2);
 * }
 * }</pre>
 *
 * <p>A record is the length of its event (8 bytes), the checksum of that (4), the event, and its checksum (4), little-endian. The
 * checksum is CRC-32C, rotated right by 15 bits, plus {@code 0xa282ead8}. An event is a message {@code tensorflow.Event} of Protocol
 * Buffers. What a crash leaves of the last record is left out by TensorBoard.
 *
 * @see <a href="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto">event.proto</a>
 * @see <a href="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/summary.proto">summary.proto</a>
 */
public final class EventFile implements AutoCloseable {
    /** Which version of the format a file holds; its first event. */
    static final String VERSION = "brain.Event:2";

    private static final int MASK_DELTA = 0xa282ead8;
    private static final int SESSION_START = 1;
    private static final int DT_STRING = 7;
    private static final int RGB = 3;

    private final Path file;
    private final OutputStream out;

    private EventFile(Path file, OutputStream out) {
        this.file = file;
        this.out = out;
    }

    /**
     * Begins a new file in a directory, which may hold those of earlier parts of the run: TensorBoard shows them as one, and leaves out
     * of the earlier ones what they say of {@code firstStep} and later.
     *
     * @param directory made if missing
     * @param firstStep that this file is going to tell of
     */
    public static EventFile create(Path directory, long firstStep) throws IOException {
        Files.createDirectories(directory);
        // TensorBoard looks for "tfevents", and reads the files of a directory in the order of their names.
        String stem = String.format(Locale.ROOT, "events.out.tfevents.%013d.", System.currentTimeMillis());
        for (int count = 0; ; count++) {
            Path file = directory.resolve(stem + String.format(Locale.ROOT, "%03d", count) + ".lexvla");
            if (!Files.exists(file)) {
                OutputStream out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW);
                EventFile events = new EventFile(file, out);
                try {
                    events.write(event(0).text(3, VERSION));
                    events.write(event(firstStep).message(7, new Protobuf().number(1, SESSION_START)));
                } catch (IOException e) {
                    out.close();
                    throw e;
                }
                return events;
            }
        }
    }

    /** The file. */
    public Path file() {
        return file;
    }

    /**
     * A number at a step. Narrowed to float32.
     *
     * @param tag its name; what comes before a slash groups
     */
    public void scalar(String tag, long step, double value) throws IOException {
        summary(step, new Protobuf().text(1, tag).real(2, (float) value));
    }

    /**
     * How numbers are distributed at a step.
     *
     * @param values at least one; those that are not finite are left out
     */
    public void histogram(String tag, long step, double[] values) throws IOException {
        double[] sorted =
                Arrays.stream(values).filter(Double::isFinite).sorted().toArray();
        if (sorted.length == 0) {
            throw new IllegalArgumentException(
                    "histogram \"" + tag + "\" of step " + step + " has no finite value of " + values.length);
        }
        summary(step, new Protobuf().text(1, tag).message(5, histogram(sorted)));
    }

    /**
     * A picture at a step.
     *
     * @param png its file
     */
    public void picture(String tag, long step, int width, int height, byte[] png) throws IOException {
        Protobuf picture =
                new Protobuf().number(1, height).number(2, width).number(3, RGB).bytes(4, png);
        summary(step, new Protobuf().text(1, tag).message(4, picture));
    }

    /**
     * A text at a step.
     *
     * @param markdown as TensorBoard shows it; tables too
     */
    public void text(String tag, long step, String markdown) throws IOException {
        Protobuf plugin = new Protobuf().message(1, new Protobuf().text(1, "text"));
        Protobuf shape = new Protobuf().message(2, new Protobuf().number(1, 1));
        Protobuf tensor = new Protobuf().number(1, DT_STRING).message(2, shape).text(8, markdown);
        summary(step, new Protobuf().text(1, tag).message(9, plugin).message(8, tensor));
    }

    @Override
    public void close() throws IOException {
        out.close();
    }

    /** Thirty buckets of the same width between least and greatest value. */
    private static Protobuf histogram(double[] sorted) {
        int buckets = 30;
        double low = sorted[0];
        double high = sorted[sorted.length - 1];
        double[] limits = new double[buckets];
        double[] counts = new double[buckets];
        for (int i = 0; i < buckets; i++) {
            limits[i] = i == buckets - 1 ? high : low + (high - low) * (i + 1) / buckets;
        }
        double sum = 0;
        double squares = 0;
        int bucket = 0;
        for (double value : sorted) {
            while (value > limits[bucket]) {
                bucket++;
            }
            counts[bucket]++;
            sum += value;
            squares += value * value;
        }
        return new Protobuf()
                .real(1, low)
                .real(2, high)
                .real(3, (double) sorted.length)
                .real(4, sum)
                .real(5, squares)
                .reals(6, limits)
                .reals(7, counts);
    }

    private void summary(long step, Protobuf value) throws IOException {
        write(event(step).message(5, new Protobuf().message(1, value)));
    }

    private static Protobuf event(long step) {
        return new Protobuf().real(1, System.currentTimeMillis() / 1e3).number(2, step);
    }

    private void write(Protobuf event) throws IOException {
        byte[] data = event.toBytes();
        ByteBuffer record = ByteBuffer.allocate(Long.BYTES + 2 * Integer.BYTES + data.length)
                .order(ByteOrder.LITTLE_ENDIAN);
        record.putLong(data.length);
        record.putInt(maskedChecksum(record.array(), 0, Long.BYTES));
        record.put(data);
        record.putInt(maskedChecksum(data, 0, data.length));
        // One write a record, so that a reader finds whole ones.
        out.write(record.array());
    }

    static int maskedChecksum(byte[] bytes, int from, int length) {
        CRC32C checksum = new CRC32C();
        checksum.update(bytes, from, length);
        return Integer.rotateRight((int) checksum.getValue(), 15) + MASK_DELTA;
    }
}
