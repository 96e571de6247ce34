package org.lexvla.lexical;

import java.util.Arrays;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * A contiguous row-major array in memory that somebody else owns: an address, an element type, a device and a shape.
 * This is what the kernels take, and how a LibTorch tensor, an Arrow buffer or a direct byte buffer reaches them
 * without a copy.
 *
 * <p>A view owns nothing: the caller keeps the owner of the memory open, and reachable, for as long as the view is used.
 * Immutable.
 */
public final class DenseView {
    private final long address;
    private final ElementType type;
    private final Device device;
    private final long[] shape;
    private final long elements;

    private DenseView(long address, ElementType type, Device device, long[] shape, long elements) {
        this.address = address;
        this.type = type;
        this.device = device;
        this.shape = shape;
        this.elements = elements;
    }

    /**
     * Describes an array.
     *
     * @param address of the first element; aligned to the element; may be 0 if the array has no elements
     * @param shape   sizes, the fastest last; each 0 or more
     * @throws IllegalArgumentException if the address is 0 or misaligned, or the shape negative or beyond 2^63 - 1 bytes
     */
    public static DenseView of(long address, ElementType type, Device device, long... shape) {
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(device, "device");
        long[] sizes = shape.clone();
        long elements = 1;
        for (long size : sizes) {
            if (size < 0) {
                throw new IllegalArgumentException("shape " + Arrays.toString(sizes) + " has a negative size");
            }
            try {
                elements = Math.multiplyExact(elements, size);
                Math.multiplyExact(elements, (long) type.bytes());
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException(
                        "shape " + Arrays.toString(sizes) + " of " + type + " has more than 2^63 - 1 bytes", e);
            }
        }
        if (address == 0 && elements > 0) {
            throw new IllegalArgumentException("an array of shape " + Arrays.toString(sizes)
                    + " cannot lie at address 0: its owner is probably closed");
        }
        if (address % type.bytes() != 0) {
            throw new IllegalArgumentException("address 0x" + Long.toHexString(address) + " is not a multiple of "
                    + type.bytes() + ", the size of " + type + ": copy the array to aligned memory");
        }
        return new DenseView(address, type, device, sizes, elements);
    }

    /** Address of the first element, in the memory of {@link #device()}. */
    public long address() {
        return address;
    }

    /** Type of the elements. */
    public ElementType type() {
        return type;
    }

    /** Where the memory is. */
    public Device device() {
        return device;
    }

    /** The sizes, the fastest last. */
    public long[] shape() {
        return shape.clone();
    }

    /** Number of dimensions. */
    public int dimensions() {
        return shape.length;
    }

    /** Size of one dimension, counted from 0. */
    public long size(int dimension) {
        return shape[Objects.checkIndex(dimension, shape.length)];
    }

    /** Number of elements: the product of the sizes. */
    public long elements() {
        return elements;
    }

    /** Number of bytes. */
    public long bytes() {
        return elements * type.bytes();
    }

    /** Whether two arrays share a byte. */
    boolean overlaps(DenseView other) {
        return device.equals(other.device)
                && address < other.address + other.bytes()
                && other.address < address + bytes();
    }

    /** Type, shape and device, such as {@code FLOAT32[2, 257, 768] on cpu}. */
    @Override
    public String toString() {
        return type
                + Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"))
                + " on " + device;
    }
}
