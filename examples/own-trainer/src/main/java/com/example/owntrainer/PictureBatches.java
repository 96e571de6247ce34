package com.example.owntrainer;

import java.util.List;
import java.util.Random;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Stands for whatever makes the batches of a real trainer: an Arrow reader, Flight, Spark. Made-up pictures, each of three of the
 * words; every patch carries the features of one of them, with noise.
 */
final class PictureBatches implements AutoCloseable {
    private static final int SHOWN = 3;

    private final Random random = new Random(1);
    private final int pictures;
    private final int patches;
    private final int words;
    private final float[][] featuresOfWord;
    private final VectorSchemaRoot root;

    PictureBatches(BufferAllocator allocator, int pictures, int patches, int features, int words) {
        this.pictures = pictures;
        this.patches = patches;
        this.words = words;
        this.featuresOfWord = new float[words][features];
        for (float[] row : featuresOfWord) {
            for (int i = 0; i < features; i++) {
                row[i] = (float) random.nextGaussian();
            }
        }
        Schema schema = new Schema(List.of(lists("patches", patches * features), lists("words", words)));
        this.root = VectorSchemaRoot.create(schema, allocator);
        for (FieldVector column : root.getFieldVectors()) {
            FixedSizeListVector lists = (FixedSizeListVector) column;
            lists.setInitialCapacity(pictures);
            lists.allocateNew();
            for (int picture = 0; picture < pictures; picture++) {
                lists.setNotNull(picture);
            }
        }
    }

    private static Field lists(String name, int size) {
        ArrowType float32 = new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
        return new Field(
                name,
                FieldType.notNullable(new ArrowType.FixedSizeList(size)),
                List.of(new Field("item", FieldType.notNullable(float32), null)));
    }

    /** The next batch, in the memory of the one before: {@code patches} [P × features], {@code words} [V], of norm 1. */
    VectorSchemaRoot next() {
        Float4Vector features = values("patches");
        Float4Vector shown = values("words");
        for (int i = 0; i < pictures * words; i++) {
            shown.set(i, 0);
        }
        for (int picture = 0, at = 0; picture < pictures; picture++) {
            int[] seen = random.ints(0, words).distinct().limit(SHOWN).toArray();
            for (int word : seen) {
                shown.set(picture * words + word, (float) (1 / Math.sqrt(SHOWN)));
            }
            for (int patch = 0; patch < patches; patch++) {
                for (float feature : featuresOfWord[seen[random.nextInt(SHOWN)]]) {
                    features.set(at++, feature + 0.3f * (float) random.nextGaussian());
                }
            }
        }
        root.setRowCount(pictures);
        return root;
    }

    private Float4Vector values(String column) {
        return (Float4Vector) ((FixedSizeListVector) root.getVector(column)).getDataVector();
    }

    @Override
    public void close() {
        root.close();
    }
}
