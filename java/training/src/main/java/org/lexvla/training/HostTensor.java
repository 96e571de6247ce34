package org.lexvla.training;

import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/** Tensors that hold a copy of Java arrays; they belong to the caller's {@code PointerScope}. */
final class HostTensor {
    private HostTensor() {}

    /** A float32 tensor on the CPU whose elements are not set. */
    static Tensor floats(long... shape) {
        return torch.empty(
                shape, new TensorOptions().dtype(new ScalarTypeOptional(ScalarType.Float)), new MemoryFormatOptional());
    }

    static Tensor of(float[] values, long... shape) {
        Tensor tensor = floats(shape);
        tensor.data_ptr_float().put(values);
        return tensor;
    }

    static Tensor of(double[] values, long... shape) {
        Tensor tensor = torch.empty(
                shape,
                new TensorOptions().dtype(new ScalarTypeOptional(ScalarType.Double)),
                new MemoryFormatOptional());
        tensor.data_ptr_double().put(values);
        return tensor;
    }

    static Tensor of(long[] values, long... shape) {
        Tensor tensor = torch.empty(
                shape, new TensorOptions().dtype(new ScalarTypeOptional(ScalarType.Long)), new MemoryFormatOptional());
        tensor.data_ptr_long().put(values);
        return tensor;
    }

    /** The elements in row-major order, narrowed to float32. */
    static float[] floats(Tensor tensor) {
        Tensor plain = tensor.detach().cpu().to(ScalarType.Float).contiguous();
        float[] values = new float[Math.toIntExact(plain.numel())];
        if (values.length > 0) {
            plain.data_ptr_float().get(values);
        }
        return values;
    }

    /** The tensor itself, or its copy, on a device. */
    static Tensor to(Tensor tensor, Device device) {
        if (device.type() == Device.Type.CPU) {
            return tensor;
        }
        return tensor.to(
                new TensorOptions()
                        .device(new DeviceOptional(
                                new org.bytedeco.pytorch.Device(torch.DeviceType.CUDA, (byte) device.index()))),
                false,
                false,
                new MemoryFormatOptional());
    }
}
