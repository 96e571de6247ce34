package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.complex.impl.UnionMapWriter;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class ColumnExchangeTest extends ArrowTest {
    @RepeatedTest(10)
    void whatIsExportedIsImported(RandomSource random) {
        Vocabulary vocabulary = vocabulary(1 + random.nextInt(100));
        List<LexicalVector> rows = IntStream.range(0, random.nextInt(10))
                .mapToObj(row -> vector(vocabulary, row % 3 == 1 ? 0 : random.nextDouble(), random))
                .toList();
        int from = random.nextInt(rows.size() + 1);
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        try (LexicalBatch batch = LexicalBatch.of(rows, vocabulary, allocator);
                LexicalBatch slice = batch.slice(from, rows.size())) {
            slice.exportTo(array, schema);
        }
        // The batch is closed; the exported memory lives until the importer is done with it.
        LexicalBatch imported = keep(LexicalBatch.importFrom(array, schema, vocabulary, allocator));
        assertThat(imported.size()).isEqualTo(rows.size() - from);
        for (int row = 0; row < imported.size(); row++) {
            assertThat(imported.get(row)).isEqualTo(rows.get(from + row));
        }
        LexicalBatch copy = keep(LexicalBatch.of(rows.subList(from, rows.size()), vocabulary, allocator));
        assertThat(imported.dot(imported)).isDeepEqualTo(copy.dot(copy));
    }

    @Test
    void sharesTheMemory(RandomSource random) {
        Vocabulary vocabulary = vocabulary(50);
        LexicalBatch batch = keep(LexicalBatch.of(List.of(vector(vocabulary, 0.9, random)), vocabulary, allocator));
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        batch.exportTo(array, schema);
        LexicalBatch imported = keep(LexicalBatch.importFrom(array, schema, vocabulary, allocator));
        assertThat(WordColumn.csr(imported.vector())).isEqualTo(WordColumn.csr(batch.vector()));
    }

    @Test
    void refusesAnotherVocabulary(RandomSource random) {
        Vocabulary vocabulary = vocabulary(50);
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        try (LexicalBatch batch = LexicalBatch.of(List.of(vector(vocabulary, 0.9, random)), vocabulary, allocator)) {
            batch.exportTo(array, schema);
        }
        refuses(array, schema, vocabulary(51), "has the vocabulary " + vocabulary.fingerprint());
    }

    @Test
    void takesColumnsOfOthers() {
        Vocabulary vocabulary = vocabulary(10);
        LexicalBatch batch = keep(importColumn(vocabulary, new int[][] {{1, 5}, {}, {9}}, false));
        assertThat(batch.get(0).ids()).containsExactly(1, 5);
        assertThat(batch.get(1).active()).isZero();
        assertThat(batch.get(2).weights()).containsExactly(0.5f);
    }

    @Test
    void refusesColumnsThatKernelsCannotTake() {
        Vocabulary vocabulary = vocabulary(10);
        refusesColumn(vocabulary, "row 1 has the lexical id 10, outside the 10 words", new int[][] {{1}, {10}}, false);
        refusesColumn(vocabulary, "row 0 has the lexical id -2", new int[][] {{-2}}, false);
        refusesColumn(vocabulary, "row 2 has the lexical id 3 after 5", new int[][] {{1}, {}, {5, 3}}, false);
        refusesColumn(vocabulary, "row 0 has the lexical id 3 after 3", new int[][] {{3, 3}}, false);
        refusesColumn(vocabulary, "1 of the rows are null", new int[][] {{1}, {2}}, true);
    }

    @Test
    void refusesNullWeights() {
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        try (MapVector column = MapVector.empty("words", allocator, true)) {
            UnionMapWriter writer = column.getWriter();
            writer.setPosition(0);
            writer.startMap();
            writer.startEntry();
            writer.key().integer().writeInt(1);
            writer.value().float4().writeNull();
            writer.endEntry();
            writer.endMap();
            column.setValueCount(1);
            Data.exportVector(allocator, column, null, array, schema);
        }
        refuses(array, schema, vocabulary(10), "1 of the weights are null");
    }

    @Test
    void refusesOtherTypes() {
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        try (FieldVector column = new Float4Vector("words", allocator)) {
            column.allocateNew();
            column.setValueCount(3);
            Data.exportVector(allocator, column, null, array, schema);
        }
        refuses(array, schema, vocabulary(10), "expected a map of int32 to float32");
        Field wide = Field.notNullable("key", new ArrowType.Int(64, true));
        Field value = Field.notNullable(
                "value",
                WordColumn.field(vocabulary(1))
                        .getChildren()
                        .get(0)
                        .getChildren()
                        .get(1)
                        .getType());
        Field entries = new Field("entries", FieldType.notNullable(ArrowType.Struct.INSTANCE), List.of(wide, value));
        Field map = new Field("words", new FieldType(false, new ArrowType.Map(true), null, Map.of()), List.of(entries));
        try (FieldVector column = map.createVector(allocator)) {
            column.allocateNew();
            column.setValueCount(0);
            Data.exportVector(allocator, column, null, array, schema);
        }
        refuses(array, schema, vocabulary(10), "Int(64, true)");
    }

    @Test
    void refusesWhatWasReleased() {
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        array.markReleased();
        schema.markReleased();
        assertThatThrownBy(() -> LexicalBatch.importFrom(array, schema, vocabulary(10), allocator))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("released");
    }

    private void refusesColumn(Vocabulary vocabulary, String message, int[][] rows, boolean lastNull) {
        assertThatThrownBy(() -> importColumn(vocabulary, rows, lastNull))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    private void refuses(ArrowArray array, ArrowSchema schema, Vocabulary vocabulary, String message) {
        assertThatThrownBy(() -> LexicalBatch.importFrom(array, schema, vocabulary, allocator))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
        assertThat(array.snapshot().release).as("the array was released").isZero();
        assertThat(schema.snapshot().release).as("the schema was released").isZero();
    }

    /** A column as Arrow's own writer makes it, all weights 0.5, over the C Data Interface. */
    private LexicalBatch importColumn(Vocabulary vocabulary, int[][] rows, boolean lastNull) {
        ArrowArray array = keep(ArrowArray.allocateNew(allocator));
        ArrowSchema schema = keep(ArrowSchema.allocateNew(allocator));
        try (MapVector column = MapVector.empty("theirs", allocator, false)) {
            UnionMapWriter writer = column.getWriter();
            for (int row = 0; row < rows.length; row++) {
                writer.setPosition(row);
                if (lastNull && row == rows.length - 1) {
                    writer.writeNull();
                    continue;
                }
                writer.startMap();
                for (int id : rows[row]) {
                    writer.startEntry();
                    writer.key().integer().writeInt(id);
                    writer.value().float4().writeFloat4(0.5f);
                    writer.endEntry();
                }
                writer.endMap();
            }
            column.setValueCount(rows.length);
            Data.exportVector(allocator, column, null, array, schema);
        }
        return LexicalBatch.importFrom(array, schema, vocabulary, allocator);
    }
}
