package org.lexvla.benchmarks;

import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Kernels;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Times the methods of a benchmark in turn and adds the figures to a file of results. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        description = "Times the methods of a benchmark in turn, within one process, and adds the figures to a file.",
        footer = "Example: compare HeadBenchmark -p dtype=bfloat16 -p batch=8 -m trainFused")
final class CompareCommand implements Callable<Integer> {
    @Parameters(paramLabel = "BENCHMARK", description = "Name of the class, such as HeadBenchmark.")
    private String benchmark;

    @Option(names = "-p", paramLabel = "NAME=VALUE", description = "A parameter; else its first value.")
    private Map<String, String> settings = new LinkedHashMap<>();

    @Option(
            names = "-m",
            split = ",",
            paramLabel = "METHOD",
            description = "Methods to time, with their opponents; else all.")
    private List<String> methods = List.of();

    @Option(
            names = "--seconds",
            description = "Time for the rounds; at least three are made. Default: ${DEFAULT-VALUE}.")
    private double seconds = 20;

    @Option(names = "--threads", description = "Of the kernels and of LibTorch. Default: one per core.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--out", description = "File to add to. Default: benchmarks/results/<date>-<machine>.json.")
    private Path out;

    @Override
    public Integer call() throws Exception {
        Kernels.setThreads(threads);
        torch.set_num_threads(threads);
        List<Comparison.Timing> timings;
        Results.Run run;
        Gpu gpu;
        Class<?> type = Class.forName(CompareCommand.class.getPackageName() + "." + benchmark);
        try (Comparison comparison = Comparison.open(type, settings, methods)) {
            System.out.println(benchmark + " " + comparison.parameters());
            System.out.println(comparison.proof());
            gpu = "cuda".equals(comparison.parameters().get("device")) ? Gpu.first() : null;
            Map<String, Double> peaks = gpu == null ? MachinePeak.measure(threads) : gpu.peaks();
            timings = comparison.run(seconds, peaks);
            String time = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
            run = new Results.Run(
                    benchmark,
                    comparison.parameters(),
                    threads,
                    Machine.commit(),
                    time,
                    comparison.proof(),
                    comparison.facts(),
                    peaks,
                    timings);
        }
        timings.forEach(timing -> System.out.println(line(timing)));
        String date = LocalDate.now(ZoneOffset.UTC).toString();
        Path file = out != null ? out : Path.of("benchmarks/results", date + "-" + Machine.kind(gpu) + ".json");
        Results.add(file, new Results(date, Machine.machine(gpu), Machine.versions(), List.of(run)));
        return 0;
    }

    private static String line(Comparison.Timing timing) {
        StringBuilder line = new StringBuilder(String.format(
                Locale.ROOT,
                "%-26s %10.3f ms (%.3f to %.3f, %d rounds)",
                timing.method(),
                timing.medianMillis(),
                timing.lowestMillis(),
                timing.highestMillis(),
                timing.rounds()));
        timing.ratios()
                .forEach((opponent, ratio) -> line.append(String.format(Locale.ROOT, ", %.2f x %s", ratio, opponent)));
        if (timing.peak() != null) {
            line.append(String.format(Locale.ROOT, ", %.0f %% of %s peak", 100 * timing.share(), timing.peak()));
        }
        line.append(String.format(Locale.ROOT, ", %.1f MB extra", timing.extraBytes() / 1e6));
        return line.toString();
    }
}
