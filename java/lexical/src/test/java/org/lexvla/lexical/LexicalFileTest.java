package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class LexicalFileTest extends ArrowTest {
    @TempDir
    Path directory;

    @RepeatedTest(10)
    void whatIsWrittenIsRead(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(1 + random.nextInt(100));
        int rows = random.nextInt(20);
        LexicalBatch batch = random(vocabulary, rows, random);
        int from = random.nextInt(rows + 1);
        LexicalBatch slice = keep(batch.slice(from, rows));
        List<String> ids = names(rows - from);
        Path file = directory.resolve("vectors.arrow");
        batch.write(file, names(rows));
        slice.write(file, ids);

        LexicalBatch.Stored stored = keep(LexicalBatch.read(file, vocabulary, allocator));

        assertThat(stored.ids()).isEqualTo(ids);
        assertThat(stored.batch().size()).isEqualTo(ids.size());
        for (int row = 0; row < ids.size(); row++) {
            assertThat(stored.batch().get(row)).isEqualTo(batch.get(from + row));
        }
        assertThat(stored.batch().dot(slice)).isDeepEqualTo(slice.dot(slice));
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void isAnOrdinaryArrowFile(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(50);
        LexicalBatch batch = random(vocabulary, 4, random);
        Path file = directory.resolve("vectors.arrow");
        batch.write(file, List.of("a", "ü", "", "d/e.png"));
        try (FileChannel channel = FileChannel.open(file);
                ArrowFileReader reader = new ArrowFileReader(channel, allocator)) {
            assertThat(reader.loadNextBatch()).isTrue();
            Schema schema = reader.getVectorSchemaRoot().getSchema();
            assertThat(schema.getCustomMetadata())
                    .containsEntry("lexvla.vocabulary", vocabulary.fingerprint())
                    .containsEntry("lexvla.format", "1");
            assertThat(schema.toString())
                    .contains("id: Utf8 not null")
                    .contains(
                            "words: Map(true)<entries: Struct<key: Int(32, true) not null, value: FloatingPoint(SINGLE)");
            assertThat(reader.getVectorSchemaRoot().getVector("id").getObject(1))
                    .hasToString("ü");
        }
    }

    @Test
    void severalRecordBatchesAreOneBatch(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(30);
        Path file = directory.resolve("vectors.arrow");
        LexicalBatch first = random(vocabulary, 3, random);
        LexicalBatch second = random(vocabulary, 5, random);
        writeRaw(file, vocabulary, null, first.vector(), second.vector());
        LexicalBatch.Stored stored = keep(LexicalBatch.read(file, vocabulary, allocator));
        assertThat(stored.ids()).containsExactly("0", "1", "2", "0", "1", "2", "3", "4");
        for (int row = 0; row < 8; row++) {
            assertThat(stored.batch().get(row)).isEqualTo(row < 3 ? first.get(row) : second.get(row - 3));
        }
    }

    @Test
    void isWrittenBatchByBatch(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(30);
        Path file = directory.resolve("vectors.arrow");
        LexicalBatch first = random(vocabulary, 5, random);
        // A slice begins in the middle of its buffers, and another allocator is nothing special.
        LexicalBatch middle = keep(first.slice(2, 4));
        try (BufferAllocator other = new RootAllocator();
                LexicalFileWriter writer = LexicalFileWriter.create(file, vocabulary, other)) {
            writer.write(names(5), first);
            writer.write(List.of(), keep(first.slice(0, 0)));
            writer.write(List.of("x", "y"), middle);
            assertThat(file).doesNotExist();
            assertThatThrownBy(() -> writer.write(names(1), random(vocabulary(31), 1, random)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("another vocabulary");
            writer.commit();
        }
        LexicalBatch.Stored stored = keep(LexicalBatch.read(file, vocabulary, allocator));
        assertThat(stored.ids())
                .containsExactly("picture 0", "picture 1", "picture 2", "picture 3", "picture 4", "x", "y");
        for (int row = 0; row < 7; row++) {
            assertThat(stored.batch().get(row)).isEqualTo(first.get(row < 5 ? row : row - 3));
        }
    }

    @Test
    void leavesNothingWhereItWasNotEnded(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(30);
        try (LexicalFileWriter writer =
                LexicalFileWriter.create(directory.resolve("vectors.arrow"), vocabulary, allocator)) {
            writer.write(names(3), random(vocabulary, 3, random));
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void refusesAnotherVocabulary(RandomSource random) throws IOException {
        Path file = directory.resolve("vectors.arrow");
        random(vocabulary(30), 3, random).write(file, names(3));
        assertThatThrownBy(() -> LexicalBatch.read(file, vocabulary(31), allocator))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(vocabulary(30).fingerprint())
                .hasMessageContaining(vocabulary(31).fingerprint())
                .hasMessageContaining("take the model that wrote it");
    }

    @Test
    void refusesIdsThatDoNotFit(RandomSource random) {
        LexicalBatch batch = random(vocabulary(30), 3, random);
        Path file = directory.resolve("vectors.arrow");
        assertThatThrownBy(() -> batch.write(file, names(2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 ids for 3 rows");
        assertThatThrownBy(() -> batch.write(file, Arrays.asList("a", null, "c")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("row 1 is null");
        assertThatThrownBy(() -> batch.write(directory.resolve("absent").resolve("x"), names(3)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("not a directory");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void saysThatThereIsNoFile() {
        assertThatThrownBy(() -> LexicalBatch.read(directory.resolve("absent"), vocabulary(3), allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no lexical vectors at");
    }

    @Test
    void refusesEveryTruncation(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(20);
        Path file = directory.resolve("vectors.arrow");
        random(vocabulary, 5, random).write(file, names(5));
        byte[] bytes = Files.readAllBytes(file);
        for (int length = 0; length < bytes.length; length++) {
            Files.write(file, Arrays.copyOf(bytes, length));
            assertThatThrownBy(() -> LexicalBatch.read(file, vocabulary, allocator))
                    .as("cut to %d of %d bytes", length, bytes.length)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("perhaps cut short");
            assertThat(allocator.getAllocatedMemory()).isEqualTo(keptMemory());
        }
    }

    @RepeatedTest(300)
    void damageIsAnErrorOrHarmless(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(20);
        Path file = directory.resolve("vectors.arrow");
        random(vocabulary, 5, random).write(file, names(5));
        byte[] bytes = Files.readAllBytes(file);
        for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
        Files.write(file, bytes);
        try (LexicalBatch.Stored stored = LexicalBatch.read(file, vocabulary, allocator)) {
            // What was read satisfies all that the kernels ask for.
            stored.batch().dot(stored.batch());
            stored.batch().toString();
        } catch (IOException | IllegalArgumentException e) {
            assertThat(e.getMessage()).contains("vectors.arrow");
        }
        assertThat(allocator.getAllocatedMemory()).isEqualTo(keptMemory());
    }

    @Test
    void refusesContentsThatKernelsCannotTake() throws IOException {
        Vocabulary vocabulary = vocabulary(20);
        refusesRow(vocabulary, "outside the 20 words", 3, 20);
        refusesRow(vocabulary, "lexical id -1", -1, 3);
        refusesRow(vocabulary, "must ascend strictly", 4, 4);
        refusesRow(vocabulary, "must ascend strictly", 4, 3);
    }

    @Test
    void refusesOtherSchemas(RandomSource random) throws IOException {
        Vocabulary vocabulary = vocabulary(20);
        LexicalBatch batch = random(vocabulary, 2, random);
        Path file = directory.resolve("vectors.arrow");
        writeRaw(file, vocabulary, Map.of("lexvla.format", "2"), batch.vector());
        assertThatThrownBy(() -> LexicalBatch.read(file, vocabulary, allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("lexvla.format is 2, expected 1");
        writeRaw(file, vocabulary, Map.of(), batch.vector());
        assertThatThrownBy(() -> LexicalBatch.read(file, vocabulary, allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("lexvla.format is null");
        try (VarCharVector words = new VarCharVector(Field.notNullable("words", ArrowType.Utf8.INSTANCE), allocator)) {
            words.allocateNew();
            words.setValueCount(0);
            writeRaw(file, vocabulary, null, words);
        }
        assertThatThrownBy(() -> LexicalBatch.read(file, vocabulary, allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("expected a map of int32 to float32");
    }

    private void refusesRow(Vocabulary vocabulary, String message, int... row) throws IOException {
        Path file = directory.resolve("vectors.arrow");
        try (ArrowBuf offsets = allocator.buffer(8);
                ArrowBuf ids = allocator.buffer(8);
                ArrowBuf weights = allocator.buffer(8)) {
            offsets.setInt(0, 0);
            offsets.setInt(4, 2);
            ids.setInt(0, row[0]);
            ids.setInt(4, row[1]);
            weights.setFloat(0, 1);
            weights.setFloat(4, 1);
            Field field = WordColumn.field(vocabulary);
            try (MapVector words = WordColumn.of(field, 1, 2, offsets, ids, weights, allocator)) {
                writeRaw(file, vocabulary, null, words);
            }
        }
        assertThatThrownBy(() -> LexicalBatch.read(file, vocabulary, allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("row 0")
                .hasMessageContaining(message);
    }

    /** A file as another program may write it: a record batch for each vector. */
    private void writeRaw(Path file, Vocabulary vocabulary, Map<String, String> metadata, FieldVector... vectors)
            throws IOException {
        Map<String, String> given = metadata != null
                ? metadata
                : Map.of("lexvla.format", "1", "lexvla.vocabulary", vocabulary.fingerprint());
        Field id = Field.notNullable("id", ArrowType.Utf8.INSTANCE);
        Schema schema = new Schema(List.of(id, vectors[0].getField()), given);
        Files.deleteIfExists(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                VectorSchemaRoot root = VectorSchemaRoot.create(schema, allocator);
                ArrowFileWriter writer = new ArrowFileWriter(root, null, channel)) {
            writer.start();
            for (FieldVector vector : vectors) {
                root.allocateNew();
                for (int row = 0; row < vector.getValueCount(); row++) {
                    ((VarCharVector) root.getVector(0))
                            .setSafe(row, String.valueOf(row).getBytes());
                    root.getVector(1).copyFromSafe(row, row, vector);
                }
                root.setRowCount(vector.getValueCount());
                writer.writeBatch();
            }
            writer.end();
        }
    }

    private long keptMemory;

    private long keptMemory() {
        return keptMemory;
    }

    private LexicalBatch random(Vocabulary vocabulary, int rows, RandomSource random) {
        LexicalBatch batch = keep(LexicalBatch.of(
                IntStream.range(0, rows)
                        .mapToObj(row -> vector(vocabulary, row % 3 == 1 ? 0 : random.nextDouble(), random))
                        .toList(),
                vocabulary,
                allocator));
        keptMemory = allocator.getAllocatedMemory();
        return batch;
    }

    private static List<String> names(int count) {
        return IntStream.range(0, count).mapToObj(i -> "picture " + i).toList();
    }
}
