package org.lexvla.cli;

import org.lexvla.lexical.Device;
import picocli.CommandLine.Option;

/** {@code --device}. */
final class DeviceOption {
    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "cpu",
            description = "Where to compute: cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}).")
    private String device;

    /** Each of several processes on a machine has a GPU of its own where none is named. */
    Device get() {
        String own = System.getenv("LOCAL_RANK");
        return Device.parse(device.equals("cuda") && own != null ? "cuda:" + own : device);
    }
}
