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

    Device get() {
        return Device.parse(device);
    }
}
