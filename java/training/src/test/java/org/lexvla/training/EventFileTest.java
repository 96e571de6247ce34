package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files are read here by a decoder that shares nothing with the writer, down to a checksum bit by bit. */
class EventFileTest {
    @TempDir
    Path directory;

    @Test
    void checksumOfThePublishedVectors() {
        // RFC 3720, appendix B.4, bytes as they go over the wire; and the nine digits by which CRCs are compared.
        byte[] ascending = new byte[32];
        for (int i = 0; i < 32; i++) {
            ascending[i] = (byte) i;
        }
        assertThat(crc32c(new byte[32])).isEqualTo(0x8a9136aa);
        assertThat(crc32c(ascending)).isEqualTo(0x46dd794e);
        assertThat(crc32c("123456789".getBytes(StandardCharsets.US_ASCII))).isEqualTo(0xe3069283);
        for (byte[] bytes :
                List.of(new byte[32], ascending, new byte[0], "123456789".getBytes(StandardCharsets.US_ASCII))) {
            assertThat(EventFile.maskedChecksum(bytes, 0, bytes.length)).isEqualTo(masked(bytes));
        }
    }

    @Test
    void beginsAsEveryEventFileDoes() throws IOException {
        try (EventFile events = EventFile.create(directory, 1)) {
            assertThat(events.file().getFileName().toString()).startsWith("events.out.tfevents.");
            byte[] bytes = Files.readAllBytes(events.file());
            // Length 26 and its checksum, then the field of the time, as a double.
            int length = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt();
            assertThat(bytes[12]).isEqualTo((byte) 0x09);
            assertThat(new String(bytes, 12 + length - 13, 13, StandardCharsets.US_ASCII))
                    .isEqualTo("brain.Event:2");
        }
        // What TensorFlow's own files begin with: the length 24 of such an event without a step, and its checksum.
        byte[] length = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(24)
                .array();
        byte[] checksum = ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(EventFile.maskedChecksum(length, 0, 8))
                .array();
        assertThat(HexFormat.of().formatHex(checksum)).isEqualTo("a37f4b22");
    }

    @Test
    void whatWasWrittenIsRead() throws IOException {
        byte[] png = {(byte) 0x89, 'P', 'N', 'G', 0, -1};
        double[] values = {3, Double.NaN, -1, 0.5, 0.5, Double.POSITIVE_INFINITY};
        Path file;
        try (EventFile events = EventFile.create(directory, 7)) {
            file = events.file();
            events.scalar("loss/total", 7, 0.1);
            events.scalar("ε", 1L << 40, Double.NaN);
            events.histogram("words", 300, values);
            events.picture("cloud", 8, 300, 200, png);
            events.text("words/most used", 9, "| fox | 0.2 |");
        }
        List<Map<Integer, List<Object>>> read = records(Files.readAllBytes(file));
        assertThat(read).hasSize(7);
        assertThat(text(read.get(0), 3)).isEqualTo("brain.Event:2");
        assertThat(number(read.get(1), 2)).isEqualTo(7);
        assertThat(number(message(read.get(1), 7), 1))
                .as("session status START")
                .isEqualTo(1);
        double now = System.currentTimeMillis() / 1e3;
        assertThat((double) read.get(2).get(1).get(0)).isCloseTo(now, within(60.0));

        assertThat(number(read.get(2), 2)).isEqualTo(7);
        assertThat(text(value(read.get(2)), 1)).isEqualTo("loss/total");
        assertThat(value(read.get(2)).get(2)).isEqualTo(List.of(0.1f));
        assertThat(number(read.get(3), 2)).isEqualTo(1L << 40);
        assertThat(text(value(read.get(3)), 1)).isEqualTo("ε");
        assertThat(value(read.get(3)).get(2)).isEqualTo(List.of(Float.NaN));

        Map<Integer, List<Object>> histogram = message(value(read.get(4)), 5);
        assertThat(histogram.get(1)).isEqualTo(List.of(-1.0));
        assertThat(histogram.get(2)).isEqualTo(List.of(3.0));
        assertThat(histogram.get(3)).isEqualTo(List.of(4.0));
        assertThat(histogram.get(4)).isEqualTo(List.of(3.0));
        assertThat(histogram.get(5)).isEqualTo(List.of(10.5));
        double[] limits = doubles(histogram, 6);
        double[] counts = doubles(histogram, 7);
        assertThat(limits).hasSameSizeAs(counts).isSorted().endsWith(3.0);
        for (int i = 0; i < limits.length; i++) {
            double from = i == 0 ? Double.NEGATIVE_INFINITY : limits[i - 1];
            double to = limits[i];
            assertThat(counts[i])
                    .isEqualTo(Stream.of(3.0, -1.0, 0.5, 0.5)
                            .filter(v -> v > from && v <= to)
                            .count());
        }

        Map<Integer, List<Object>> picture = message(value(read.get(5)), 4);
        assertThat(number(picture, 1)).isEqualTo(200);
        assertThat(number(picture, 2)).isEqualTo(300);
        assertThat(number(picture, 3)).isEqualTo(3);
        assertThat((byte[]) picture.get(4).get(0)).isEqualTo(png);

        Map<Integer, List<Object>> text = value(read.get(6));
        assertThat(text(message(message(text, 9), 1), 1)).isEqualTo("text");
        Map<Integer, List<Object>> tensor = message(text, 8);
        assertThat(number(tensor, 1)).as("DT_STRING").isEqualTo(7);
        assertThat(number(message(message(tensor, 2), 2), 1)).isEqualTo(1);
        assertThat(text(tensor, 8)).isEqualTo("| fox | 0.2 |");
    }

    @Test
    void histogramOfOneValue() throws IOException {
        try (EventFile events = EventFile.create(directory, 1)) {
            events.histogram("one", 1, new double[] {2, 2, 2});
            Map<Integer, List<Object>> histogram =
                    message(value(records(Files.readAllBytes(events.file())).get(2)), 5);
            assertThat(doubles(histogram, 7)).startsWith(3.0);
            assertThatThrownBy(() -> events.histogram("none", 5, new double[] {Double.NaN}))
                    .hasMessage("histogram \"none\" of step 5 has no finite value of 1");
        }
    }

    @Test
    void filesOfOneRunAreOrderedByName() throws IOException {
        List<Path> made = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            try (EventFile events = EventFile.create(directory, i)) {
                made.add(events.file());
            }
        }
        assertThat(made).isSorted().doesNotHaveDuplicates();
    }

    @Test
    void aStepIsWrittenEveryFewAndAtTheEnd() throws IOException {
        try (TensorBoard board = new TensorBoard(directory, 4)) {
            for (int step = 3; step <= 10; step++) {
                board.accept(report(step, 10));
            }
        }
        List<Path> files;
        try (Stream<Path> list = Files.list(directory)) {
            files = list.toList();
        }
        List<Map<Integer, List<Object>>> read = records(Files.readAllBytes(files.get(0)));
        assertThat(number(read.get(1), 2)).as("begins where the run went on").isEqualTo(3);
        Map<String, List<Long>> steps = new LinkedHashMap<>();
        for (Map<Integer, List<Object>> event : read.subList(2, read.size())) {
            steps.computeIfAbsent(text(value(event), 1), tag -> new ArrayList<>())
                    .add(number(event, 2));
        }
        assertThat(steps).containsKeys("loss/total", "batch R@1/text to image", "active words/image");
        assertThat(steps.values()).allMatch(List.of(4L, 8L, 10L)::equals);
    }

    /** Whatever else a report says is 1. */
    private static StepReport report(int step, int steps) {
        ObjectNode tree = JsonNodeFactory.instance.objectNode();
        for (RecordComponent component : StepReport.class.getRecordComponents()) {
            tree.put(component.getName(), 1);
        }
        tree.putPOJO("memory", new MemoryUse(1, 2, 3));
        tree.put("step", step).put("steps", steps);
        return new ObjectMapper().convertValue(tree, StepReport.class);
    }

    // ---- an independent decoder ----

    private static List<Map<Integer, List<Object>>> records(byte[] file) {
        List<Map<Integer, List<Object>>> records = new ArrayList<>();
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            byte[] length = new byte[8];
            in.get(length);
            assertThat(in.getInt()).as("checksum of a length").isEqualTo(masked(length));
            byte[] data = new byte
                    [(int) ByteBuffer.wrap(length)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong()];
            in.get(data);
            assertThat(in.getInt()).as("checksum of an event").isEqualTo(masked(data));
            records.add(fields(data));
        }
        return records;
    }

    /** Values by field: Long, Double, Float or byte[]. */
    private static Map<Integer, List<Object>> fields(byte[] message) {
        Map<Integer, List<Object>> fields = new LinkedHashMap<>();
        ByteBuffer in = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            long key = varint(in);
            Object value = switch ((int) (key & 7)) {
                case 0 -> varint(in);
                case 1 -> in.getDouble();
                case 5 -> in.getFloat();
                case 2 -> {
                    byte[] bytes = new byte[(int) varint(in)];
                    in.get(bytes);
                    yield bytes;
                }
                default -> throw new AssertionError("wire type " + (key & 7));
            };
            fields.computeIfAbsent((int) (key >> 3), field -> new ArrayList<>()).add(value);
        }
        return fields;
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = in.get();
            value |= (long) (next & 0x7f) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }

    private static Map<Integer, List<Object>> message(Map<Integer, List<Object>> fields, int field) {
        return fields((byte[]) fields.get(field).get(0));
    }

    private static Map<Integer, List<Object>> value(Map<Integer, List<Object>> event) {
        return message(message(event, 5), 1);
    }

    private static String text(Map<Integer, List<Object>> fields, int field) {
        return new String((byte[]) fields.get(field).get(0), StandardCharsets.UTF_8);
    }

    private static long number(Map<Integer, List<Object>> fields, int field) {
        return (long) fields.get(field).get(0);
    }

    private static double[] doubles(Map<Integer, List<Object>> fields, int field) {
        ByteBuffer in = ByteBuffer.wrap((byte[]) fields.get(field).get(0)).order(ByteOrder.LITTLE_ENDIAN);
        double[] values = new double[in.remaining() / 8];
        for (int i = 0; i < values.length; i++) {
            values[i] = in.getDouble();
        }
        return values;
    }

    private static int masked(byte[] bytes) {
        int crc = crc32c(bytes);
        return (crc >>> 15 | crc << 17) + 0xa282ead8;
    }

    /** By the polynomial 0x1edc6f41, reflected, one bit after the other. */
    private static int crc32c(byte[] bytes) {
        int crc = -1;
        for (byte b : bytes) {
            crc ^= b & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = crc >>> 1 ^ ((crc & 1) == 0 ? 0 : 0x82f63b78);
            }
        }
        return ~crc;
    }
}
