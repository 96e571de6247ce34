package org.lexvla.benchmarks;

import java.util.Map;

/**
 * The first GPU of the machine, as nvidia-smi knows it.
 *
 * @param name   such as NVIDIA H200
 * @param driver its version
 * @param bus    bytes per second that its PCI Express can carry one way, less the line code; 0 if not known
 */
record Gpu(String name, String driver, double bus) {
    /** Bytes from the host to the device. */
    static final String PCIE = "pcie";

    /** Bits per second of a lane, by generation from 1 on, with what the line code leaves of them. */
    private static final double[] LANE = {
        2.5e9 * 8 / 10, 5e9 * 8 / 10, 8e9 * 128 / 130, 16e9 * 128 / 130, 32e9 * 128 / 130, 64e9 * 242 / 256
    };

    /** Asks nvidia-smi; where it is not there, name and driver are unknown. */
    static Gpu first() throws InterruptedException {
        return parse(Machine.answer(
                "nvidia-smi",
                "--query-gpu=name,driver_version,pcie.link.gen.max,pcie.link.width.max",
                "--format=csv,noheader",
                "--id=0"));
    }

    /** @param line such as {@code NVIDIA H200, 580.65.06, 5, 16} */
    static Gpu parse(String line) {
        String[] parts = line.strip().split(", *");
        if (parts.length != 4) {
            return new Gpu("unknown GPU", "unknown", 0);
        }
        boolean known = parts[2].matches("[1-" + LANE.length + "]") && parts[3].matches("[0-9]{1,2}");
        double bus = known ? LANE[Integer.parseInt(parts[2]) - 1] * Integer.parseInt(parts[3]) / 8 : 0;
        return new Gpu(parts[0], parts[1], bus);
    }

    /** What the machine can do at most, as far as it is known without measuring. */
    Map<String, Double> peaks() {
        return bus > 0 ? Map.of(PCIE, bus) : Map.of();
    }
}
