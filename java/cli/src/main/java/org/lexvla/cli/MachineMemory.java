package org.lexvla.cli;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.lexvla.lexical.Device;

/**
 * Memory that a device has, in bytes.
 *
 * @param total all of it
 * @param free  what others have not taken
 */
record MachineMemory(long total, long free) {
    private static final Path MEMINFO = Path.of("/proc/meminfo");
    private static final long SECONDS = 10;

    /** Of this machine; empty if it does not say. */
    static Optional<MachineMemory> of(Device device) {
        return device.isCpu() ? ofHost() : ofGpu(device.index());
    }

    /** A container's limit counts as its total. */
    private static Optional<MachineMemory> ofHost() {
        if (!(ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean host)) {
            return Optional.empty();
        }
        long total = host.getTotalMemorySize();
        return Optional.of(new MachineMemory(total, Math.min(total, available(host.getFreeMemorySize()))));
    }

    /** What Linux would give without swapping; elsewhere what is free. */
    private static long available(long free) {
        try {
            for (String line : Files.readAllLines(MEMINFO)) {
                if (line.startsWith("MemAvailable:")) {
                    return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
        } catch (IOException e) {
            // No Linux.
        }
        return free;
    }

    /** LibTorch does not say without taking some of it; the driver's own tool does. */
    private static Optional<MachineMemory> ofGpu(int index) {
        try {
            Process tool = new ProcessBuilder(
                            "nvidia-smi",
                            "--query-gpu=memory.total,memory.free",
                            "--format=csv,noheader,nounits",
                            "--id=" + index)
                    .redirectErrorStream(true)
                    .start();
            if (!tool.waitFor(SECONDS, TimeUnit.SECONDS)) {
                tool.destroyForcibly();
                return Optional.empty();
            }
            return parse(new String(tool.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    /** Mebibytes, as {@code 81559, 81000}. */
    static Optional<MachineMemory> parse(String said) {
        String[] parts = said.strip().split(",\\s*");
        if (parts.length != 2 || !parts[0].matches("\\d+") || !parts[1].matches("\\d+")) {
            return Optional.empty();
        }
        return Optional.of(new MachineMemory(Long.parseLong(parts[0]) << 20, Long.parseLong(parts[1]) << 20));
    }
}
