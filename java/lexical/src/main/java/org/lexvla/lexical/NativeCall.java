package org.lexvla.lexical;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.lexvla.kernels.global.kernels;
import org.lexvla.kernels.lexvla_exec;

/** One call of a kernel: where it runs, raw addresses as JavaCPP's pointers, and the status as an exception. */
@FunctionalInterface
interface NativeCall {
    /** Calls the kernel and returns its status. */
    int on(lexvla_exec exec);

    /**
     * Runs a kernel.
     *
     * @throws IllegalArgumentException      a size, pointer, type or option is not valid, or the result does not fit
     * @throws OutOfMemoryError              the kernel could not have memory for temporary use
     * @throws UnsupportedOperationException the device, or the operation on it, is not in this build or machine
     * @throws IllegalStateException         the CUDA runtime reported an error
     */
    static void run(Device device, int threads, NativeCall call) {
        lexvla_exec exec = new lexvla_exec();
        int status;
        try {
            exec.device(device.isCpu() ? kernels.LEXVLA_CPU : device.index());
            exec.threads(threads);
            exec.math(Kernels.allowsTf32() ? kernels.LEXVLA_MATH_TF32 : kernels.LEXVLA_MATH_FLOAT32);
            status = device.isCpu() ? call.on(exec) : onStream(CudaStream.current(), exec, call);
        } finally {
            // Not left to the garbage collector, nor to a PointerScope that the caller may have open.
            exec.deallocate();
        }
        if (status != kernels.LEXVLA_OK) {
            throw failure(status, kernels.lexvla_last_error().getString());
        }
    }

    /** Calls the kernel on a CUDA stream: where the stream has a workspace, first to learn how much of it, then with it. */
    private static int onStream(CudaStream stream, lexvla_exec exec, NativeCall call) {
        exec.stream(Address.of(stream.handle()));
        if (stream.workspace() != null) {
            long needed;
            try (LongPointer answer = new LongPointer(1)) {
                exec.workspace_needed(answer.put(0));
                int status = call.on(exec);
                if (status != kernels.LEXVLA_OK) {
                    return status;
                }
                needed = answer.get();
            }
            exec.workspace_needed(null);
            if (needed > 0) {
                exec.workspace(Address.of(stream.workspace().applyAsLong(needed)));
                exec.workspace_bytes(needed);
            }
        }
        return call.on(exec);
    }

    /** The message begins with the operation, as the library calls it. */
    private static RuntimeException failure(int status, String message) {
        return switch (status) {
            case kernels.LEXVLA_INVALID_ARGUMENT, kernels.LEXVLA_CAPACITY -> new IllegalArgumentException(message);
            case kernels.LEXVLA_OUT_OF_MEMORY -> throw new OutOfMemoryError(message);
            case kernels.LEXVLA_UNSUPPORTED -> new UnsupportedOperationException(message);
            default -> new IllegalStateException(message + " (status " + status + ")");
        };
    }

    /** A pointer to memory that somebody else owns: no deallocator, so nothing to close and nothing that can leak. */
    final class Address extends Pointer {
        private Address(long address) {
            this.address = address;
        }

        static Pointer of(long address) {
            return address == 0 ? null : new Address(address);
        }

        static Pointer of(DenseView view) {
            return view == null ? null : new Address(view.address());
        }

        static FloatPointer floats(DenseView view) {
            return view == null ? null : floats(view.address());
        }

        static IntPointer ints(DenseView view) {
            return view == null ? null : ints(view.address());
        }

        static BytePointer bytes(DenseView view) {
            return view == null ? null : new BytePointer(new Address(view.address()));
        }

        static LongPointer longs(long address) {
            return address == 0 ? null : new LongPointer(new Address(address));
        }

        static FloatPointer floats(long address) {
            return address == 0 ? null : new FloatPointer(new Address(address));
        }

        static IntPointer ints(long address) {
            return address == 0 ? null : new IntPointer(new Address(address));
        }
    }
}
