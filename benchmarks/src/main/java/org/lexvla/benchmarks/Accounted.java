package org.lexvla.benchmarks;

import java.util.Map;

/** What a benchmark knows beyond its times. A benchmark need not know it. */
interface Accounted {
    /** A fact of this name is a map of methods, to a map of parts of their work, to the milliseconds of each; it becomes a table. */
    String PARTS = "parts";

    /** What the answer's proof found, in a few words; called after the set-up. */
    String proof();

    /** What a method cannot do without, or null: its share of the machine's peak is then not reported. */
    Work work(String method);

    /** Bytes of what a method returns to its caller: not counted as extra memory. */
    default long resultBytes(String method) {
        return 0;
    }

    /** Facts of the data that the figures depend on, such as its density. */
    default Map<String, Object> facts() {
        return Map.of();
    }

    /**
     * Work of one call.
     *
     * @param peak   what the work is measured by, a name of {@link MachinePeak}
     * @param amount operations (a multiply-add is two), or bytes
     */
    record Work(String peak, double amount) {}
}
