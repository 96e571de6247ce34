package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.lexvla.lexical.Device;
import org.lexvla.training.TrainingConfig;
import org.lexvla.training.TrainingPlan;

/** A plan of a run in words and numbers, and what of it would not fit. */
final class PlanReport {
    private final TrainingPlan plan;
    private final long samples;
    private final TrainingConfig config;
    private final Device device;
    private final Console console;

    /** @param samples of the data */
    PlanReport(TrainingPlan plan, long samples, TrainingConfig config, Device device, Console console) {
        this.plan = plan;
        this.samples = samples;
        this.config = config;
        this.device = device;
        this.console = console;
    }

    /**
     * Prints it.
     *
     * @param out   where the run will be
     * @param given memory of the device in gigabytes; null: what this machine has
     */
    void print(Path out, Double given) throws IOException {
        console.line(
                "%-26s %,14d  of %,d pairs each, %.2f epochs", "steps", plan.steps(), config.batch(), plan.epochs());
        console.line("%-26s %,14d  of a prompt with its caption, at most", "tokens", plan.tokens());
        for (TrainingPlan.Part part : plan.parameters()) {
            console.line(
                    "%-26s %,14d  %s, %s",
                    part.name(), part.count(), part.trained() ? "trained" : "frozen", size(part.bytes()));
        }
        console.line("");
        console.line("Memory on %s, estimated:", name());
        plan.memory().forEach((what, bytes) -> console.line("  %-24s %14s", what, size(bytes)));
        console.line("  %-24s %14s", "at the highest", size(plan.peak()));
        console.line("");
        Optional<MachineMemory> memory = given == null
                ? MachineMemory.of(device)
                : Optional.of(new MachineMemory((long) (given * 1e9), (long) (given * 1e9)));
        memory.ifPresent(has -> console.line(
                "%s",
                given == null
                        ? name() + " has " + size(has.total()) + ", " + size(has.free()) + " of it free"
                        : name() + " is taken to have " + size(has.free()) + " (--memory)"));
        long disk = disk(out);
        console.line("A checkpoint takes %s, the disk of %s has %s free", size(plan.checkpoint()), out, size(disk));
        List<String> problems = problems(memory, disk);
        problems.forEach(problem -> console.line("%s", problem));
        if (problems.isEmpty()) {
            console.line(
                    "%s",
                    memory.isPresent() ? "It fits." : "How much memory " + name() + " has is not known: give --memory");
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("device", name());
        result.put("plan", plan);
        result.put("trained", plan.trained());
        result.put("peak", plan.peak());
        result.put("checkpoint", plan.checkpoint());
        result.put("memory", memory.orElse(null));
        result.put("disk", disk);
        result.put("problems", problems);
        console.result(result);
    }

    private List<String> problems(Optional<MachineMemory> memory, long disk) {
        List<String> problems = new ArrayList<>();
        if (config.batch() > samples) {
            problems.add(String.format(
                    Locale.ROOT,
                    "DOES NOT FIT: a batch needs %,d different pictures, the data have %,d samples (lower batch)",
                    config.batch(),
                    samples));
        }
        if (memory.isPresent() && plan.peak() > memory.get().free()) {
            long activations = plan.memory().get("activations");
            long rest = plan.peak() - activations;
            String remedy = rest > memory.get().free()
                    ? "even without any activations; the lines above say what it is for"
                    : config.microBatch() == 0 || config.microBatch() >= config.batch()
                            ? "microBatch=64, say, takes less and gives the same gradient"
                            : config.text().checkpointing()
                                    ? "a smaller microBatch would help"
                                    : "a smaller microBatch or text.checkpointing=true would help";
            problems.add(String.format(
                    Locale.ROOT,
                    "DOES NOT FIT: %s needs %s and has %s free (%s)",
                    name(),
                    size(plan.peak()),
                    size(memory.get().free()),
                    remedy));
        }
        if (config.checkpoint().every() > 0 && plan.checkpoint() > disk) {
            problems.add(String.format(
                    Locale.ROOT,
                    "DOES NOT FIT: checkpoints of %s, and the disk has %s",
                    size(plan.checkpoint()),
                    size(disk)));
        }
        return problems;
    }

    private String name() {
        return device.isCpu() ? "cpu" : "cuda:" + device.index();
    }

    /** Free bytes where the run will be. */
    private static long disk(Path out) throws IOException {
        Path there = out.toAbsolutePath();
        while (!Files.exists(there)) {
            there = there.getParent();
        }
        return Files.getFileStore(there).getUsableSpace();
    }

    private static String size(long bytes) {
        return bytes < 1e9
                ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
                : String.format(Locale.ROOT, "%.2f GB", bytes / 1e9);
    }
}
