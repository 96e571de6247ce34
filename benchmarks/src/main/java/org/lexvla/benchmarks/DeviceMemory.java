package org.lexvla.benchmarks;

import org.bytedeco.pytorch.cuda.DeviceStats;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch_cuda;

/**
 * How much memory of the first CUDA device a piece of work takes on top of what it began with, as LibTorch's allocator counts
 * it. The workspaces of our kernels are in it: the head takes them from the same allocator.
 */
final class DeviceMemory {
    private DeviceMemory() {}

    /** Bytes that the work takes at its peak. */
    static long extra(Runnable work) {
        System.gc();
        torch_cuda.device_synchronize();
        torch.resetPeakStats((byte) 0);
        long before = peak();
        work.run();
        torch_cuda.device_synchronize();
        return Math.max(0, peak() - before);
    }

    /** Bytes at most since the last reset, which sets it to what is allocated. */
    private static long peak() {
        try (DeviceStats stats = torch.getDeviceStats((byte) 0)) {
            return stats.allocated_bytes().peak();
        }
    }
}
