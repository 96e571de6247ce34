package org.lexvla.training;

import java.util.Locale;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Stat;
import org.bytedeco.pytorch.cuda.CUDAAllocator;
import org.bytedeco.pytorch.cuda.DeviceStats;
import org.bytedeco.pytorch.global.torch_cuda;
import org.lexvla.lexical.Device;

/**
 * Memory at a moment, in bytes. LibTorch counts what it takes from a GPU, not what it takes from the machine: on the CPU its tensors
 * are the greater part of what {@code resident} has beyond {@code heap}.
 *
 * @param heap     of the Java heap in use, rubbish included
 * @param resident of the process in physical memory, everything included
 * @param device   that LibTorch's tensors take on the GPU, 0 on the CPU
 */
public record MemoryUse(long heap, long resident, long device) {
    /** @param device on which the tensors are */
    public static MemoryUse now(Device device) {
        Runtime java = Runtime.getRuntime();
        return new MemoryUse(java.totalMemory() - java.freeMemory(), Pointer.physicalBytes(), onGpu(device));
    }

    private static long onGpu(Device device) {
        if (device.isCpu()) {
            return 0;
        }
        try (CUDAAllocator allocator = torch_cuda.getAllocator();
                DeviceStats stats = allocator.getDeviceStats((byte) device.index());
                // The first of its kinds is all memory.
                Stat all = stats.allocated_bytes()) {
            return all.current();
        }
    }

    @Override
    public String toString() {
        String host = gigabytes(resident) + " (heap " + gigabytes(heap) + ")";
        return device == 0 ? host : host + ", GPU " + gigabytes(device);
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f GB", bytes / 1e9);
    }
}
