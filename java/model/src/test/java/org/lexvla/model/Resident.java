package org.lexvla.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process occupies of the machine's memory, pages of mapped files included. */
final class Resident {
    private Resident() {}

    /** VmRSS of {@code /proc/self/status}, bytes. */
    static long bytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                .findFirst()
                .orElseThrow();
    }
}
