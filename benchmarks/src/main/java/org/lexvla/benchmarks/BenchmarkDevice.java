package org.lexvla.benchmarks;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Kernels;

/** The parameters {@code device} and {@code dtype} of the benchmarks in LibTorch's words. */
final class BenchmarkDevice {
    private BenchmarkDevice() {}

    /** @throws IllegalArgumentException if there is no such device in this build or machine */
    static Device of(String name) {
        if (name.equals("cpu")) {
            return new Device(torch.DeviceType.CPU);
        }
        if (!name.equals("cuda")) {
            throw new IllegalArgumentException("device is " + name + ": cpu or cuda");
        }
        if (!Kernels.hasCuda()) {
            throw new IllegalArgumentException(
                    "device is cuda, but this build has no CUDA kernels: build with -Pcuda, or take device=cpu");
        }
        if (!torch.cuda_is_available()) {
            throw new IllegalArgumentException(
                    "device is cuda, but LibTorch sees no CUDA device: install its driver, or take device=cpu");
        }
        return new Device(torch.DeviceType.CUDA);
    }

    static ScalarType type(String name) {
        return switch (name) {
            case "float32" -> ScalarType.Float;
            case "bfloat16" -> ScalarType.BFloat16;
            case "float16" -> ScalarType.Half;
            default ->
                throw new IllegalArgumentException("dtype is " + name + ": float32, bfloat16 or, on cuda, float16");
        };
    }
}
