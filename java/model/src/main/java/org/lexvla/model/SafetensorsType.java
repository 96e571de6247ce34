package org.lexvla.model;

import org.bytedeco.pytorch.global.torch.ScalarType;

/** The element types of the safetensors format, by their names in a header. */
enum SafetensorsType {
    F64(8, ScalarType.Double),
    F32(4, ScalarType.Float),
    F16(2, ScalarType.Half),
    BF16(2, ScalarType.BFloat16),
    F8_E5M2(1, ScalarType.Float8_e5m2),
    F8_E4M3(1, ScalarType.Float8_e4m3fn),
    I64(8, ScalarType.Long),
    I32(4, ScalarType.Int),
    I16(2, ScalarType.Short),
    I8(1, ScalarType.Char),
    U64(8, ScalarType.UInt64),
    U32(4, ScalarType.UInt32),
    U16(2, ScalarType.UInt16),
    U8(1, ScalarType.Byte),
    BOOL(1, ScalarType.Bool);

    private final int bytes;
    private final ScalarType scalar;

    SafetensorsType(int bytes, ScalarType scalar) {
        this.bytes = bytes;
        this.scalar = scalar;
    }

    int bytes() {
        return bytes;
    }

    ScalarType scalar() {
        return scalar;
    }

    /** The type of this name, or null. */
    static SafetensorsType named(String name) {
        for (SafetensorsType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }

    /** The type for LibTorch's, or null. */
    static SafetensorsType of(ScalarType scalar) {
        for (SafetensorsType type : values()) {
            if (type.scalar == scalar.intern()) {
                return type;
            }
        }
        return null;
    }

    /** The name in a Hugging Face {@code torch_dtype}. */
    static String torchName(ScalarType scalar) {
        return switch (scalar.intern()) {
            case BFloat16 -> "bfloat16";
            case Half -> "float16";
            case Double -> "float64";
            default -> "float32";
        };
    }
}
