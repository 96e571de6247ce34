package org.lexvla.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;

/**
 * How much memory a piece of work takes on top of what it began with: the peak of the resident set while it runs, which
 * Linux keeps and lets us reset. Counts the results, and every page that was touched and freed again.
 */
final class ResidentMemory {
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");
    private static final Path STATUS = Path.of("/proc/self/status");

    private ResidentMemory() {}

    /** Bytes that the work takes at its peak; −1 where the system does not say. */
    static long extra(Runnable work) {
        System.gc();
        Pointer.trimMemory(); // what was freed before must be asked for, and so be counted, again
        try {
            Files.writeString(CLEAR, "5");
            long before = kilobytes("VmRSS:");
            work.run();
            return Math.max(0, kilobytes("VmHWM:") - before) * 1024;
        } catch (IOException e) {
            return -1;
        }
    }

    private static long kilobytes(String field) throws IOException {
        for (String line : Files.readAllLines(STATUS)) {
            if (line.startsWith(field)) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException(STATUS + " has no " + field);
    }
}
