package org.lexvla.lexical;

import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.types.pojo.Field;

/** Columns of words over the Arrow C Data Interface. */
final class ColumnExchange {
    private ColumnExchange() {}

    static void exportTo(MapVector column, ArrowArray array, ArrowSchema schema) {
        Data.exportVector(column.getAllocator(), column, null, array, schema);
    }

    /** Takes the array and the schema, and releases what it refuses. */
    static MapVector importFrom(
            ArrowArray array, ArrowSchema schema, Vocabulary vocabulary, BufferAllocator allocator) {
        MapVector column = null;
        try (CDataDictionaryProvider dictionaries = new CDataDictionaryProvider()) {
            Field field = field(schema, dictionaries, allocator);
            WordColumn.requireType(field);
            String fingerprint = field.getMetadata().get(WordColumn.VOCABULARY_KEY);
            if (fingerprint != null && !fingerprint.equals(vocabulary.fingerprint())) {
                throw new IllegalArgumentException("the imported column has the vocabulary " + fingerprint
                        + " instead of " + vocabulary.fingerprint() + ": encode it with the same model");
            }
            column = (MapVector) field.createVector(allocator);
            try {
                Data.importIntoVector(allocator, array, column, dictionaries, false);
            } catch (RuntimeException e) {
                throw new IllegalArgumentException("the array cannot be imported: " + e.getMessage(), e);
            }
            WordColumn.requireValid(column, vocabulary);
            MapVector imported = column;
            column = null;
            return imported;
        } finally {
            if (column != null) {
                column.close();
            }
            release(array);
        }
    }

    private static Field field(ArrowSchema schema, CDataDictionaryProvider dictionaries, BufferAllocator allocator) {
        try {
            return Data.importField(allocator, schema, dictionaries, false);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("the schema cannot be imported: " + e.getMessage(), e);
        }
    }

    /** Releases an array that was not moved into a vector; one that was is marked as released already. */
    private static void release(ArrowArray array) {
        if (array.snapshot().release != 0) {
            array.release();
        }
    }
}
