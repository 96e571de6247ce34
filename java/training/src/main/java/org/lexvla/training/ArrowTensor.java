package org.lexvla.training;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.apache.arrow.memory.ArrowBuf;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.PointerConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** Tensors over Arrow's memory, which they keep alive: LibTorch tells when the last view of it is gone. */
final class ArrowTensor {
    /** What each address that LibTorch was given lies in, as often as it was given. */
    private static final Map<Long, Deque<ArrowBuf>> HELD = new HashMap<>();

    /** One for all: native code can call a few Java objects only, and each must stay reachable, whatever scope it was made in. */
    private static final PointerConsumer RELEASE = new Release().retainReference();

    private static final class Release extends PointerConsumer {
        @Override
        public void call(Pointer data) {
            release(data.address());
        }
    }

    private ArrowTensor() {}

    /**
     * Uint8 on the CPU.
     *
     * @param from  bytes into the buffer
     * @param shape at least one element
     */
    static Tensor bytes(ArrowBuf buffer, long from, long... shape) {
        long elements = 1;
        for (long size : shape) {
            elements = Math.multiplyExact(elements, size);
        }
        buffer.checkBytes(from, from + elements);
        long address = buffer.memoryAddress() + from;
        hold(address, buffer);
        try (At data = new At(address)) {
            return torch.from_blob(
                    data,
                    shape,
                    RELEASE,
                    new TensorOptions().dtype(new org.bytedeco.pytorch.ScalarTypeOptional(torch.ScalarType.Byte)));
        } catch (RuntimeException e) {
            release(address);
            throw e;
        }
    }

    private static final class At extends BytePointer {
        At(long address) {
            this.address = address;
        }
    }

    private static synchronized void hold(long address, ArrowBuf buffer) {
        buffer.getReferenceManager().retain();
        HELD.computeIfAbsent(address, at -> new ArrayDeque<>()).add(buffer);
    }

    private static synchronized void release(long address) {
        Deque<ArrowBuf> buffers = HELD.get(address);
        ArrowBuf buffer = buffers.remove();
        if (buffers.isEmpty()) {
            HELD.remove(address);
        }
        buffer.getReferenceManager().release();
    }
}
