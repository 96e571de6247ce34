package org.lexvla.lexical;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;

/**
 * A dense array in host memory for tests. It begins one element after the start of its buffer, so it is aligned to its
 * element and to no more.
 */
final class HostArray implements AutoCloseable {
    private final ArrowBuf buffer;
    private final DenseView view;

    private HostArray(ArrowBuf buffer, DenseView view) {
        this.buffer = buffer;
        this.view = view;
    }

    static HostArray empty(BufferAllocator allocator, ElementType type, long... shape) {
        long elements = 1;
        for (long size : shape) {
            elements *= size;
        }
        ArrowBuf buffer = allocator.buffer((elements + 1) * type.bytes());
        // What is not written shows as NaN or as a very negative winner.
        for (long i = 0; i < buffer.capacity(); i++) {
            buffer.setByte(i, 0xff);
        }
        return new HostArray(buffer, DenseView.of(buffer.memoryAddress() + type.bytes(), type, Device.cpu(), shape));
    }

    static HostArray floats(BufferAllocator allocator, float[] values, long... shape) {
        HostArray array = empty(allocator, ElementType.FLOAT32, shape);
        for (int i = 0; i < values.length; i++) {
            array.buffer.setFloat(Float.BYTES * (i + 1L), values[i]);
        }
        return array;
    }

    /** Truncates to bfloat16. */
    static HostArray bfloats(BufferAllocator allocator, float[] values, long... shape) {
        HostArray array = empty(allocator, ElementType.BFLOAT16, shape);
        for (int i = 0; i < values.length; i++) {
            array.buffer.setShort(Short.BYTES * (i + 1L), Float.floatToRawIntBits(values[i]) >>> 16);
        }
        return array;
    }

    static HostArray bytes(BufferAllocator allocator, int[] values, long... shape) {
        HostArray array = empty(allocator, ElementType.UINT8, shape);
        for (int i = 0; i < values.length; i++) {
            array.buffer.setByte(i + 1L, values[i]);
        }
        return array;
    }

    static HostArray ints(BufferAllocator allocator, int[] values, long... shape) {
        HostArray array = empty(allocator, ElementType.INT32, shape);
        for (int i = 0; i < values.length; i++) {
            array.buffer.setInt(Integer.BYTES * (i + 1L), values[i]);
        }
        return array;
    }

    DenseView view() {
        return view;
    }

    float[] floats() {
        float[] values = new float[(int) view.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = buffer.getFloat(Float.BYTES * (i + 1L));
        }
        return values;
    }

    int[] ints() {
        int[] values = new int[(int) view.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = buffer.getInt(Integer.BYTES * (i + 1L));
        }
        return values;
    }

    @Override
    public void close() {
        buffer.close();
    }
}
