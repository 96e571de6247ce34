package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.convert.GroupRecordConverter;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.LocalInputFile;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.schema.MessageType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

/** What a long encoding leaves on disk, and the files it becomes. */
class VectorPartsTest {
    private static final Vocabulary WORDS = Vocabulary.select(
            List.of(new Token(0, "a", true), new Token(1, "b", true), new Token(2, "c", true)),
            Vocabulary.Rule.standard(),
            null);

    @TempDir
    Path directory;

    private BufferAllocator allocator;

    @BeforeEach
    void openAllocator() {
        allocator = new RootAllocator();
    }

    @AfterEach
    void everythingWasClosed() {
        allocator.close();
    }

    @Test
    void goesOnAfterTheLastWholePart() throws IOException {
        Map<String, String> settings = Map.of("model", "m", "what", "IMAGES");
        VectorParts first = open(settings);
        add(first, 3, List.of("x", "y"), List.of("z: broken"));
        add(first, 1, List.of("w"), List.of());
        // Cut off in the middle of the next: the vectors are there, the note is not.
        try (LexicalBatch batch = batch(1)) {
            batch.write(parts().resolve("00002.arrow"), List.of("lost"));
        }
        VectorParts again = open(settings);
        assertThat(again.inputs()).isEqualTo(4);
        assertThat(again.skipped()).containsExactly("z: broken");
        add(again, 1, List.of("v"), List.of());
        List<String> ids = new ArrayList<>();
        again.read((names, batch) -> ids.addAll(names));
        assertThat(ids).containsExactly("x", "y", "w", "v");
        again.delete();
        assertThat(parts()).doesNotExist();
    }

    @Test
    void partsOfAnotherRunAreRefused() throws IOException {
        add(open(Map.of("model", "m", "what", "IMAGES")), 1, List.of("x"), List.of());
        assertThatThrownBy(() -> open(Map.of("model", "n", "what", "IMAGES")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("another run: model was m and is n")
                .hasMessageContaining("Remove it");
    }

    @Test
    void parquetHoldsWhatWasWritten() throws IOException {
        Path file = directory.resolve("vectors.parquet");
        try (LexicalBatch batch = batch(2500);
                VectorFormat.Output output = VectorFormat.PARQUET.create(file, WORDS, allocator)) {
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < batch.size(); i++) {
                ids.add("ü" + i);
            }
            output.write(ids, batch);
            assertThat(file).doesNotExist();
            output.commit();
            int row = 0;
            try (ParquetFileReader reader = new ParquetFileReader(
                    new LocalInputFile(file),
                    org.apache.parquet.ParquetReadOptions.builder(new PlainParquetConfiguration())
                            .build())) {
                assertThat(reader.getFileMetaData().getKeyValueMetaData())
                        .containsEntry("lexvla.vocabulary", WORDS.fingerprint());
                MessageType schema = reader.getFileMetaData().getSchema();
                assertThat(schema.toString()).contains("binary id (STRING)", "group words (MAP)");
                for (PageReadStore pages = reader.readNextRowGroup();
                        pages != null;
                        pages = reader.readNextRowGroup()) {
                    RecordReader<Group> records = new ColumnIOFactory()
                            .getColumnIO(schema)
                            .getRecordReader(pages, new GroupRecordConverter(schema));
                    for (long i = 0; i < pages.getRowCount(); i++, row++) {
                        Group record = records.read();
                        assertThat(record.getString("id", 0)).isEqualTo("ü" + row);
                        Group words = record.getGroup("words", 0);
                        LexicalVector expected = batch.get(row);
                        assertThat(words.getFieldRepetitionCount("key_value")).isEqualTo(expected.active());
                        for (int w = 0; w < expected.active(); w++) {
                            Group entry = words.getGroup("key_value", w);
                            assertThat(entry.getInteger("key", 0)).isEqualTo(expected.ids()[w]);
                            assertThat(entry.getFloat("value", 0)).isEqualTo(expected.weights()[w]);
                        }
                    }
                }
            }
            assertThat(row).isEqualTo(2500);
        }
    }

    @Test
    void filesThatAreNotEndedLeaveNothing() throws IOException {
        for (VectorFormat format : VectorFormat.values()) {
            try (LexicalBatch batch = batch(3);
                    VectorFormat.Output output =
                            format.create(directory.resolve("vectors." + format.label()), WORDS, allocator)) {
                output.write(List.of("a", "b", "c"), batch);
            }
            assertThat(directory).as(format.label()).isEmptyDirectory();
        }
    }

    private VectorParts open(Map<String, String> settings) throws IOException {
        return VectorParts.open(parts(), settings, WORDS, allocator);
    }

    private Path parts() {
        return directory.resolve("vectors.arrow.parts");
    }

    private void add(VectorParts parts, int inputs, List<String> ids, List<String> skipped) throws IOException {
        try (LexicalBatch batch = batch(ids.size())) {
            parts.add(inputs, ids, batch, skipped);
        }
    }

    /** Rows of 0 to 3 words. */
    private LexicalBatch batch(int rows) {
        List<LexicalVector> vectors = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            int[] ids = new int[row % 4];
            float[] weights = new float[ids.length];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = i;
                weights[i] = 1 / (float) (1 + row + i);
            }
            vectors.add(LexicalVector.of(WORDS, ids, weights));
        }
        return LexicalBatch.of(vectors, WORDS, allocator);
    }
}
