package org.lexvla.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.LongArrayRef;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.lexvla.lexical.CudaStream;
import org.lexvla.lexical.Device;

/** Where our words for devices, shapes and element types become those of LibTorch. */
final class LibTorch {
    static final Scalar ONE = keep(new Scalar(1.0));

    private LibTorch() {}

    /** LibTorch's device; an error when this build or this machine has no such one. */
    static org.bytedeco.pytorch.Device device(Device device) {
        if (device.type() == Device.Type.CPU) {
            return new org.bytedeco.pytorch.Device(torch.DeviceType.CPU);
        }
        int present = torch.cuda_is_available() ? torch.cuda_device_count() : 0;
        if (device.index() >= present) {
            throw new IllegalStateException("device cuda:" + device.index() + " asked for, but LibTorch sees " + present
                    + " CUDA devices: use cpu, or build with -Pcuda on a machine with a driver");
        }
        return new org.bytedeco.pytorch.Device(torch.DeviceType.CUDA, (byte) device.index());
    }

    /**
     * Calls kernels on LibTorch's current stream of a device, so that they follow what LibTorch has put there and come
     * before what it puts there next. Their temporary memory is LibTorch's, which gives it to others in the order of the stream.
     */
    static void onCurrentStream(Device device, Runnable kernels) {
        if (device.isCpu()) {
            kernels.run();
            return;
        }
        long handle;
        try (CUDAStream stream = torch_cuda.getCurrentCUDAStream((byte) device.index());
                CUstream_st raw = stream.stream()) {
            // The default stream is a null pointer.
            handle = raw == null ? 0 : raw.address();
        }
        List<Tensor> workspaces = new ArrayList<>();
        try {
            CudaStream.on(
                    handle,
                    bytes -> {
                        Tensor workspace = keep(empty(ScalarType.Byte, device, bytes));
                        workspaces.add(workspace);
                        return workspace.data_ptr().address();
                    },
                    kernels);
        } finally {
            workspaces.forEach(Tensor::close);
        }
    }

    /** Options for a new tensor on a device. */
    static TensorOptions options(ScalarType type, Device device) {
        return new TensorOptions().dtype(new ScalarTypeOptional(type)).device(new DeviceOptional(device(device)));
    }

    /** A new tensor whose elements are not set. */
    static Tensor empty(ScalarType type, Device device, long... shape) {
        return torch.empty(shape, options(type, device), null);
    }

    /** A CPU tensor of a copy of these numbers. */
    static Tensor of(float[] values, long... shape) {
        Tensor tensor = empty(ScalarType.Float, Device.cpu(), shape);
        // The address of an empty tensor is null.
        if (values.length > 0) {
            tensor.data_ptr_float().put(values);
        }
        return tensor;
    }

    /** A CPU int64 tensor of a copy of these numbers. */
    static Tensor of(long[] values, long... shape) {
        Tensor tensor = empty(ScalarType.Long, Device.cpu(), shape);
        if (values.length > 0) {
            tensor.data_ptr_long().put(values);
        }
        return tensor;
    }

    /** The elements of any tensor of whole numbers, in row-major order. */
    static long[] longs(Tensor tensor) {
        Tensor plain = tensor.cpu().to(ScalarType.Long).contiguous();
        long[] values = new long[Math.toIntExact(plain.numel())];
        if (values.length > 0) {
            plain.data_ptr_long().get(values);
        }
        return values;
    }

    /** The shape as an array. */
    static long[] shape(TensorBase tensor) {
        LongArrayRef sizes = tensor.sizes();
        long[] shape = new long[Math.toIntExact(sizes.size())];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = sizes.get(i);
        }
        return shape;
    }

    /** Refuses a tensor that lies on another device than the model. */
    static void requireDevice(String what, TensorBase tensor, Device device) {
        org.bytedeco.pytorch.Device at = tensor.device();
        boolean same = device.type() == Device.Type.CPU ? at.is_cpu() : at.is_cuda() && at.index() == device.index();
        if (!same) {
            throw new IllegalArgumentException(
                    what + " is on " + at.str().getString() + ", the model on " + name(device) + ": move one of them");
        }
    }

    /** Refuses a shape; {@code -1} in {@code expected} stands for any size. */
    static void requireShape(String what, TensorBase tensor, String meaning, long... expected) {
        long[] shape = shape(tensor);
        boolean same = shape.length == expected.length;
        for (int i = 0; same && i < shape.length; i++) {
            same = expected[i] == -1 || shape[i] == expected[i];
        }
        if (!same) {
            throw new IllegalArgumentException(what + " has shape " + Arrays.toString(shape) + ", expected " + meaning);
        }
    }

    static String name(Device device) {
        return device.type() == Device.Type.CPU ? "cpu" : "cuda:" + device.index();
    }

    /**
     * Frees all that a computation leaves behind but its result, which goes to the scope around. Without it every intermediate
     * tensor of a pass lives as long as the caller's scope, whether or not the graph needs it.
     */
    @SuppressWarnings("try")
    static Tensor scoped(Supplier<Tensor> computation) {
        PointerScope outer = PointerScope.getInnerScope();
        try (PointerScope inner = new PointerScope()) {
            Tensor result = computation.get();
            if (outer != null) {
                outer.attach(result);
            } else {
                keep(result);
            }
            return result;
        }
    }

    /** Lets a pointer outlive the scope it was made in; whoever calls this closes it. */
    static <P extends Pointer> P keep(P pointer) {
        return pointer.retainReference();
    }
}
