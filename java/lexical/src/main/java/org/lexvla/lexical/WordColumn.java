package org.lexvla.lexical;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.lexvla.lexical.SparseKernels.Csr;

/**
 * The Arrow column of a {@link LexicalBatch}: {@code map<int32, float32>} with sorted keys. Its offsets, keys and values
 * are the three arrays of a CSR matrix. Builds such columns from buffers, and checks those that others built.
 */
final class WordColumn {
    /** Name of the column, and key of the metadata that holds the vocabulary's fingerprint. */
    static final String NAME = "words";

    static final String VOCABULARY_KEY = "lexvla.vocabulary";

    private static final ArrowType KEY = new ArrowType.Int(32, true);
    private static final ArrowType VALUE = new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);

    private WordColumn() {}

    /** The column's field; it carries the fingerprint, so that it crosses the C Data Interface. */
    static Field field(Vocabulary vocabulary) {
        Field key = new Field(MapVector.KEY_NAME, FieldType.notNullable(KEY), null);
        Field value = new Field(MapVector.VALUE_NAME, FieldType.notNullable(VALUE), null);
        Field entries = new Field(
                MapVector.DATA_VECTOR_NAME, FieldType.notNullable(ArrowType.Struct.INSTANCE), List.of(key, value));
        Map<String, String> metadata = Map.of(VOCABULARY_KEY, vocabulary.fingerprint());
        return new Field(NAME, new FieldType(false, new ArrowType.Map(true), null, metadata), List.of(entries));
    }

    /**
     * A column over these buffers, which it retains.
     *
     * @param offsets [rows + 1] int32 from 0
     * @param ids     [entries] int32
     * @param weights [entries] float32
     */
    static MapVector of(
            Field field,
            int rows,
            int entries,
            ArrowBuf offsets,
            ArrowBuf ids,
            ArrowBuf weights,
            BufferAllocator allocator) {
        MapVector vector = (MapVector) field.createVector(allocator);
        try {
            // With no validity buffer and no nulls, Arrow makes one of ones.
            ArrowBuf valid = allocator.getEmpty();
            ArrowFieldNode perEntry = new ArrowFieldNode(entries, 0);
            offsets.writerIndex((rows + 1L) * Integer.BYTES);
            ids.writerIndex((long) entries * Integer.BYTES);
            weights.writerIndex((long) entries * Float.BYTES);
            vector.loadFieldBuffers(new ArrowFieldNode(rows, 0), List.of(valid, offsets));
            vector.getDataVector().loadFieldBuffers(perEntry, Collections.singletonList(valid));
            keys(vector).loadFieldBuffers(perEntry, List.of(valid, ids));
            values(vector).loadFieldBuffers(perEntry, List.of(valid, weights));
            return vector;
        } catch (RuntimeException | Error e) {
            vector.close();
            throw e;
        }
    }

    static FieldVector keys(MapVector vector) {
        return vector.getDataVector().getChildrenFromFields().get(0);
    }

    static FieldVector values(MapVector vector) {
        return vector.getDataVector().getChildrenFromFields().get(1);
    }

    /** The column as the kernels take it. It has at least one row: of no rows, Arrow may have no offsets either. */
    static Csr csr(MapVector vector) {
        return new Csr(
                vector.getOffsetBuffer().memoryAddress(),
                keys(vector).getDataBuffer().memoryAddress(),
                values(vector).getDataBuffer().memoryAddress(),
                vector.getValueCount());
    }

    /** Position of the first entry of a row; of the row after the last, the end. */
    static int offset(MapVector vector, int row) {
        return vector.getValueCount() == 0 ? 0 : vector.getOffsetBuffer().getInt((long) row * Integer.BYTES);
    }

    /**
     * Refuses a column that others made and that is no map of int32 to float32.
     *
     * @throws IllegalArgumentException naming the type found
     */
    static void requireType(Field field) {
        boolean map =
                field.getType() instanceof ArrowType.Map && field.getChildren().size() == 1;
        List<Field> pair = map ? field.getChildren().get(0).getChildren() : List.of();
        if (pair.size() != 2
                || !pair.get(0).getType().equals(KEY)
                || !pair.get(1).getType().equals(VALUE)
                || pair.get(0).getDictionary() != null
                || pair.get(1).getDictionary() != null) {
            throw new IllegalArgumentException(
                    "the column '" + field.getName() + "' is " + field + ", expected a map of int32 to float32");
        }
    }

    /**
     * Checks the contents of a column that others made, before any kernel sees them: sizes of the buffers, offsets, ids
     * ascending and within the vocabulary, no nulls.
     *
     * @throws IllegalArgumentException naming the row and what is wrong with it
     */
    static void requireValid(MapVector vector, Vocabulary vocabulary) {
        requireType(vector.getField());
        int rows = vector.getValueCount();
        if (rows == 0) {
            return;
        }
        requireCapacity("offsets", vector.getOffsetBuffer(), (rows + 1L) * Integer.BYTES);
        requireNoNulls("rows", vector, rows);
        FieldVector entries = vector.getDataVector();
        FieldVector keys = keys(vector);
        FieldVector values = values(vector);
        int end = offset(vector, rows);
        int previous = offset(vector, 0);
        for (int row = 0; row <= rows; row++) {
            int offset = offset(vector, row);
            if (offset < 0 || offset < previous) {
                throw new IllegalArgumentException(
                        "row " + row + " begins at entry " + offset + ", before the row ahead of it at " + previous);
            }
            previous = offset;
        }
        int available = Math.min(entries.getValueCount(), Math.min(keys.getValueCount(), values.getValueCount()));
        if (end > available) {
            throw new IllegalArgumentException("the rows end at entry " + end + ", but there are " + available);
        }
        requireCapacity("ids", keys.getDataBuffer(), (long) end * Integer.BYTES);
        requireCapacity("weights", values.getDataBuffer(), (long) end * Float.BYTES);
        requireNoNulls("entries", entries, end);
        requireNoNulls("ids", keys, end);
        requireNoNulls("weights", values, end);
        requireIds(vector, rows, vocabulary);
    }

    private static void requireIds(MapVector vector, int rows, Vocabulary vocabulary) {
        ArrowBuf ids = keys(vector).getDataBuffer();
        for (int row = 0; row < rows; row++) {
            int before = -1;
            for (int at = offset(vector, row), end = offset(vector, row + 1); at < end; at++) {
                int id = ids.getInt((long) at * Integer.BYTES);
                if (id < 0 || id >= vocabulary.size()) {
                    throw new IllegalArgumentException("row " + row + " has the lexical id " + id + ", outside the "
                            + vocabulary.size() + " words of the vocabulary");
                }
                if (id <= before) {
                    throw new IllegalArgumentException("row " + row + " has the lexical id " + id + " after " + before
                            + ": ids of a row must ascend strictly, sort them");
                }
                before = id;
            }
        }
    }

    private static void requireNoNulls(String what, FieldVector vector, int count) {
        requireCapacity("validity of the " + what, vector.getValidityBuffer(), (count + 7L) / 8);
        int nulls = vector.getNullCount();
        if (nulls > 0) {
            throw new IllegalArgumentException(nulls + " of the " + what
                    + " are null: leave out what is absent, and give empty rows instead of null");
        }
    }

    private static void requireCapacity(String what, ArrowBuf buffer, long bytes) {
        if (buffer.capacity() < bytes) {
            throw new IllegalArgumentException(
                    "the buffer of " + what + " has " + buffer.capacity() + " bytes, needs " + bytes);
        }
    }
}
