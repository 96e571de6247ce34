package org.lexvla.benchmarks;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A file of results: one machine, one day.
 *
 * @param date     of the runs, UTC
 * @param machine  what they ran on
 * @param versions of what they ran
 * @param runs     one for each benchmark, setting of its parameters and choice of methods
 */
record Results(String date, Map<String, Object> machine, Map<String, String> versions, List<Run> runs) {
    /**
     * One benchmark with one setting.
     *
     * @param benchmark  simple name of the class
     * @param parameters of it
     * @param threads    of the kernels and of LibTorch
     * @param commit     of the sources, with -dirty if they were changed
     * @param time       when it ended, UTC
     * @param proof      what the proof of the answer found
     * @param facts      of the data
     * @param peaks      of the machine in the same run, operations and bytes per second
     * @param timings    the methods
     */
    record Run(
            String benchmark,
            Map<String, Object> parameters,
            int threads,
            String commit,
            String time,
            String proof,
            Map<String, Object> facts,
            Map<String, Double> peaks,
            List<Comparison.Timing> timings) {
        /** Whether both measured the same: the later one then takes the place. */
        boolean sameSetting(Run other) {
            return sameParameters(other) && methods().equals(other.methods());
        }

        private boolean sameParameters(Run other) {
            return benchmark.equals(other.benchmark) && threads == other.threads && parameters.equals(other.parameters);
        }

        /** This run without the ratios of methods that one of the others has timed at the same setting at a later time. */
        Run without(List<Run> others) {
            List<String> again = others.stream()
                    .filter(other -> sameParameters(other) && other.time.compareTo(time) > 0)
                    .flatMap(other -> other.timings.stream())
                    .filter(timing -> !timing.ratios().isEmpty())
                    .map(Comparison.Timing::method)
                    .toList();
            return new Run(
                    benchmark,
                    parameters,
                    threads,
                    commit,
                    time,
                    proof,
                    facts,
                    peaks,
                    timings.stream()
                            .map(timing -> again.contains(timing.method()) ? timing.withoutRatios() : timing)
                            .toList());
        }

        /** Whether a method is held against another. */
        boolean hasRatios() {
            return timings.stream().anyMatch(timing -> !timing.ratios().isEmpty());
        }

        private List<String> methods() {
            return timings.stream().map(Comparison.Timing::method).sorted().toList();
        }
    }

    private static ObjectMapper json() {
        return new ObjectMapper()
                .enable(SerializationFeature.INDENT_OUTPUT)
                .setDefaultPropertyInclusion(JsonInclude.Include.NON_NULL);
    }

    static Results read(Path file) throws IOException {
        return json().readValue(Files.readAllBytes(file), Results.class);
    }

    /**
     * Adds a run to a file, made where there is none.
     *
     * @throws IllegalArgumentException if the file is of another machine, or of other versions
     */
    static void add(Path file, Results one) throws IOException {
        Results all = one;
        if (Files.exists(file)) {
            Results old = read(file);
            if (!old.machine.equals(one.machine) || !old.versions.equals(one.versions)) {
                throw new IllegalArgumentException(file + " is of " + old.machine + " with " + old.versions
                        + ", this is " + one.machine + " with " + one.versions + ": write to another file");
            }
            List<Run> runs = new ArrayList<>(old.runs);
            for (Run run : one.runs) {
                int at = 0;
                while (at < runs.size() && !runs.get(at).sameSetting(run)) {
                    at++;
                }
                if (at < runs.size()) {
                    runs.set(at, run);
                } else {
                    runs.add(run);
                }
            }
            all = new Results(one.date, one.machine, one.versions, runs);
        }
        Files.createDirectories(file.toAbsolutePath().getParent());
        Path beside = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(beside, json().writeValueAsString(all) + "\n");
        Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
    }
}
