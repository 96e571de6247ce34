package com.example.owntrainer;

import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** LibTorch's view of Arrow memory. */
final class ArrowTensors {
    private ArrowTensors() {}

    /**
     * A column of lists of float32 as a CPU tensor, without a copy. The tensor reads the column's own buffer: it is valid until the
     * batch is closed or filled anew.
     *
     * @param shape rows of the batch first
     */
    static Tensor floats(VectorSchemaRoot batch, String column, long... shape) {
        FixedSizeListVector lists = (FixedSizeListVector) batch.getVector(column);
        BaseFixedWidthVector values = (BaseFixedWidthVector) lists.getDataVector();
        long elements = 1;
        for (long size : shape) {
            elements *= size;
        }
        if (values.getValueCount() != elements || values.getNullCount() > 0) {
            throw new IllegalArgumentException("column " + column + " has " + values.getValueCount() + " values, "
                    + values.getNullCount() + " of them null; expected " + elements + ", none null");
        }
        return torch.from_blob(new Borrowed(values.getDataBuffer().memoryAddress()), shape);
    }

    /** An address that belongs to somebody else. */
    private static final class Borrowed extends FloatPointer {
        Borrowed(long address) {
            this.address = address;
        }
    }
}
