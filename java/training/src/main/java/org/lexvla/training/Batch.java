package org.lexvla.training;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.UInt1Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.bytedeco.pytorch.Tensor;

/**
 * Pictures, resized and cropped, and their captions, in Arrow memory: one buffer for all pixels, [B, 3, side, side] as uint8, which
 * begins at a multiple of 64 bytes. As bytes they take a quarter of what the model's float32 would, in memory and on the way to a
 * GPU; {@link org.lexvla.model.ImageTransform#normalized} makes the one of the other, for as many pictures as go through the towers together. LibTorch and Arrow read it where it lies; it is freed when the batch is closed and the last tensor
 * over it is gone.
 */
final class Batch implements AutoCloseable {
    static final String KEY = "key";
    static final String CAPTION = "caption";
    static final String PIXELS = "pixels";

    private static final int ALIGNMENT = 64;

    private final BufferAllocator allocator;
    private final ArrowBuf pixels;
    private final int side;
    private final String[] keys;
    private final String[] captions;
    private final DataPosition after;

    /**
     * @param size  pictures, all of whose pixels and texts are to be set
     * @param side  of a picture
     * @param after where the next batch begins
     */
    Batch(BufferAllocator allocator, int size, int side, DataPosition after) {
        this.allocator = allocator;
        this.side = side;
        this.keys = new String[size];
        this.captions = new String[size];
        this.after = after;
        // Arrow's own buffers begin at multiples of 16.
        ArrowBuf whole = allocator.buffer((long) size * bytes() + ALIGNMENT - 1);
        long skip = -whole.memoryAddress() & ALIGNMENT - 1;
        this.pixels = whole.slice(skip, (long) size * bytes());
    }

    private int bytes() {
        return 3 * side * side;
    }

    /** Pairs. */
    int size() {
        return captions.length;
    }

    /** One for each picture. */
    List<String> captions() {
        return List.of(captions);
    }

    /** What each picture is of; all are different. */
    List<String> keys() {
        return List.of(keys);
    }

    /** Where the next batch begins. */
    DataPosition after() {
        return after;
    }

    void set(int row, String key, String caption) {
        keys[row] = key;
        captions[row] = caption;
    }

    /** Where the pixels of a picture are written. They are valid as long as somebody holds {@link #memory}. */
    ByteBuffer place(int row) {
        return pixels.nioBuffer((long) row * bytes(), bytes());
    }

    /** The memory of all pixels. */
    ArrowBuf memory() {
        return pixels;
    }

    /** Pixels of some pictures without a copy: [to - from, 3, side, side], uint8, on the CPU; the caller's {@code PointerScope}'s. */
    Tensor pixels(int from, int to) {
        if (from < 0 || from >= to || to > size()) {
            throw new IllegalArgumentException("pictures " + from + " to " + to + " of a batch of " + size()
                    + ": take one at least, and none beyond");
        }
        return ArrowTensor.bytes(pixels, (long) from * bytes(), to - from, 3, side, side);
    }

    /**
     * The same memory as Arrow's record batch with the columns {@code key} and {@code caption} (utf8) and {@code pixels} (list of 3 ·
     * side · side uint8). The caller closes it.
     */
    VectorSchemaRoot records() {
        int size = size();
        long numbers = (long) size * bytes();
        if (numbers > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(size + " pictures of " + side + "x" + side + " have " + numbers
                    + " numbers, a column of Arrow holds " + Integer.MAX_VALUE + ": lower batch");
        }
        VarCharVector keyColumn = texts(KEY, keys);
        VarCharVector captionColumn = texts(CAPTION, captions);
        Field pixel = Field.notNullable("pixel", new ArrowType.Int(Byte.SIZE, false));
        FieldType list = FieldType.notNullable(new ArrowType.FixedSizeList(bytes()));
        FixedSizeListVector pixelColumn =
                (FixedSizeListVector) new Field(PIXELS, list, List.of(pixel)).createVector(allocator);
        try (ArrowBuf allValid = allocator.buffer((size + 7) / 8)) {
            allValid.setOne(0, allValid.capacity());
            pixelColumn.loadFieldBuffers(new ArrowFieldNode(size, 0), List.of(allValid));
        }
        try (ArrowBuf allValid = allocator.buffer((numbers + 7) / 8)) {
            allValid.setOne(0, allValid.capacity());
            ((UInt1Vector) pixelColumn.getDataVector())
                    .loadFieldBuffers(new ArrowFieldNode(numbers, 0), List.of(allValid, pixels));
        }
        VectorSchemaRoot root = VectorSchemaRoot.of(keyColumn, captionColumn, pixelColumn);
        root.setRowCount(size);
        return root;
    }

    private VarCharVector texts(String name, String[] texts) {
        VarCharVector vector = new VarCharVector(
                new Field(name, FieldType.notNullable(ArrowType.Utf8.INSTANCE), List.of()), allocator);
        vector.allocateNew(texts.length);
        IntStream.range(0, texts.length)
                .forEach(row -> vector.setSafe(row, texts[row].getBytes(java.nio.charset.StandardCharsets.UTF_8)));
        vector.setValueCount(texts.length);
        return vector;
    }

    @Override
    public void close() {
        pixels.close();
    }
}
