package com.example.owntrainer;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * Where the tensors of a run lie.
 *
 * @param device of LibTorch
 */
record Placement(Device device) {
    /** @param name {@code cpu}, {@code cuda} or {@code cuda:N} */
    static Placement of(String name) {
        if (name.startsWith("cuda") && !torch.cuda_is_available()) {
            throw new IllegalArgumentException(
                    "device " + name + " asked for, but LibTorch sees no CUDA device: use cpu, or run with -Pgpu");
        }
        return new Placement(new Device(name));
    }

    /** The tensor itself, or its copy on the device. */
    Tensor move(Tensor tensor) {
        TensorOptions options = new TensorOptions().device(new DeviceOptional(device));
        return tensor.to(options, false, false, new MemoryFormatOptional());
    }
}
