package org.lexvla.lexical;

/** The types of array elements that the kernels know. */
public enum ElementType {
    /** IEEE 754 binary32. */
    FLOAT32(4),
    /** The upper 16 bits of a binary32. */
    BFLOAT16(2),
    /** IEEE 754 binary16; CUDA only. */
    FLOAT16(2),
    /** Signed 32-bit integer. */
    INT32(4),
    /** Unsigned byte; in masks 0 is false and all else true. */
    UINT8(1);

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }
}
