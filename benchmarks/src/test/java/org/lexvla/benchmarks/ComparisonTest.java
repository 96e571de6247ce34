package org.lexvla.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Kernels;

/** The benchmarks on shapes of a few thousand numbers: that they prove, time, record and print, not what they find. */
class ComparisonTest {
    private static final Map<String, Double> PEAKS = Map.of(MachinePeak.FLOAT32, 1e12, MachinePeak.READ, 1e11);

    @TempDir
    Path directory;

    private static Map<String, String> head(String dtype) {
        return Map.of("dtype", dtype, "batch", "2", "tokens", "5", "width", "40", "vocabulary", "300");
    }

    @Test
    void everyMethodOfTheHeadIsTimedAgainstItsOpponent() {
        for (String dtype : List.of("float32", "bfloat16")) {
            try (Comparison comparison = Comparison.open(HeadBenchmark.class, head(dtype), List.of())) {
                assertThat(comparison.proof()).startsWith("matches");
                assertThat(comparison.parameters())
                        .containsEntry("device", "cpu")
                        .containsEntry("batch", 2);
                List<Comparison.Timing> timings = comparison.run(0, PEAKS);
                assertThat(timings)
                        .extracting(Comparison.Timing::method)
                        .contains("forwardFused", "forwardLibTorch", "matmulLibTorch", "trainFused", "trainLibTorch");
                for (Comparison.Timing timing : timings) {
                    assertThat(timing.medianMillis()).isPositive();
                    assertThat(timing.ratios().values()).allMatch(ratio -> ratio > 0);
                    assertThat(timing.ratios().isEmpty())
                            .isEqualTo(timing.method().contains("LibTorch"));
                    assertThat(timing.peak()).isEqualTo(dtype.equals("float32") ? "float32" : null);
                }
            }
        }
    }

    @Test
    void theOtherBenchmarksProveAndRun() {
        Map<String, String> rows = Map.of("batch", "3", "tokens", "4", "width", "32", "vocabulary", "300");
        for (String rule : List.of("threshold", "top")) {
            Map<String, String> settings = new LinkedHashMap<>(rows);
            settings.put("rule", rule);
            try (Comparison comparison = Comparison.open(SparsifyBenchmark.class, settings, List.of())) {
                assertThat(comparison.proof()).startsWith("matches");
                assertThat((double) comparison.facts().get("density")).isBetween(0.001, 0.5);
                assertThat(comparison.run(0, PEAKS)).hasSizeGreaterThan(3);
            }
        }
        Map<String, String> tiny = Map.of(
                "batch", "2", "vision", "24x1x2", "text", "16x1x2", "image", "28", "width", "32", "vocabulary", "200");
        try (Comparison comparison = Comparison.open(EncodeBenchmark.class, tiny, List.of())) {
            assertThat(comparison.proof()).startsWith("matches");
            assertThat(comparison.run(0, PEAKS))
                    .extracting(Comparison.Timing::method)
                    .containsExactly("pictures", "picturesLibTorch", "texts", "textsLibTorch");
        }
        tiny = new LinkedHashMap<>(tiny);
        tiny.put("prompt", "5");
        try (Comparison comparison = Comparison.open(TrainBenchmark.class, tiny, List.of())) {
            assertThat(comparison.proof()).startsWith("matches").contains("gradients off by");
            assertThat(comparison.run(0, PEAKS))
                    .extracting(Comparison.Timing::method)
                    .containsExactly("step", "stepLibTorch", "stepLibTorchPoolFirst");
            assertThat((Map<?, ?>) comparison.facts().get(Accounted.PARTS))
                    .hasSize(2)
                    .allSatisfy((step, parts) -> assertThat(
                                    ((Map<?, ?>) parts).keySet().toArray())
                            .containsExactly("decoding, aside", "vision", "text", "head", "loss", "optimiser"));
        }
        Map<String, String> thumbnails = Map.of("pictures", "3", "width", "70", "height", "50", "size", "28");
        try (Comparison comparison = Comparison.open(PreprocessBenchmark.class, thumbnails, List.of())) {
            assertThat(comparison.proof()).startsWith("matches");
            assertThat(comparison.facts()).containsKey("bytesPerFile");
            assertThat(comparison.run(0, PEAKS)).hasSize(6);
        }
        Map<String, String> batches = Map.of("device", "cpu", "rows", "30", "width", "20");
        try (Comparison comparison = Comparison.open(CopyBenchmark.class, batches, List.of())) {
            assertThat(comparison.proof()).startsWith("matches: both batches arrive");
            List<Comparison.Timing> timings = comparison.run(0, Map.of(Gpu.PCIE, 1e15));
            assertThat(timings)
                    .extracting(Comparison.Timing::method)
                    .containsExactly(
                            "batchesBeside",
                            "batchesOneAfterTheOther",
                            "batchesWithoutCopies",
                            "copyOrdinary",
                            "copyPinned");
            assertThat(timings)
                    .allMatch(timing -> (timing.share() > 0) == timing.method().startsWith("copy"));
        }
    }

    @Test
    void aGpuIsNamedByWhatWasFoundOfIt() throws Exception {
        Gpu gpu = Gpu.parse("NVIDIA H100 80GB HBM3, 580.65.06, 5, 16");
        assertThat(gpu.name()).isEqualTo("NVIDIA H100 80GB HBM3");
        assertThat(gpu.driver()).isEqualTo("580.65.06");
        assertThat(gpu.peaks())
                .hasEntrySatisfying(Gpu.PCIE, rate -> assertThat(rate).isCloseTo(63.0e9, within(0.1e9)));
        assertThat(Machine.kind(gpu)).isEqualTo("nvidia-h100-80gb-hbm3");
        assertThat(Machine.machine(gpu))
                .containsEntry("gpu", "NVIDIA H100 80GB HBM3")
                .containsEntry("driver", "580.65.06");
        assertThat(Machine.machine(null)).doesNotContainKey("gpu");
        assertThat(Gpu.parse("NVIDIA A30, 550.1, [N/A], [N/A]").peaks()).isEmpty();
        assertThat(Gpu.parse("unknown").name()).isEqualTo("unknown GPU");
        assertThat(Machine.answer("no-such-program")).isEqualTo("unknown");
        Results results = results(8, 2.5, "cpu A", "2026-01-01");
        Map<String, Object> machine = new LinkedHashMap<>(results.machine());
        machine.put("gpu", gpu.name());
        machine.put("driver", gpu.driver());
        assertThat(TableCommand.tables(
                        List.of(new Results(results.date(), machine, results.versions(), results.runs()))))
                .contains(": NVIDIA H100 80GB HBM3, driver 580.65.06; cpu A, 2 cores,");
    }

    @Test
    void aChosenMethodBringsItsOpponent() {
        try (Comparison comparison = Comparison.open(HeadBenchmark.class, head("float32"), List.of("trainFused"))) {
            assertThat(comparison.run(0, PEAKS))
                    .extracting(Comparison.Timing::method)
                    .containsExactly("trainFused", "trainLibTorch", "trainLibTorchPoolFirst");
        }
    }

    @Test
    void wrongUseIsRefused() {
        assertThatThrownBy(() -> Comparison.open(HeadBenchmark.class, Map.of("words", "3"), List.of()))
                .hasMessageContaining("no parameter words: it has [device, dtype, batch,");
        assertThatThrownBy(() -> Comparison.open(HeadBenchmark.class, Map.of(), List.of("train")))
                .hasMessageContaining("no method train: it has [forwardFused,");
        assertThatThrownBy(() -> Comparison.open(HeadBenchmark.class, Map.of("dtype", "int8"), List.of()))
                .hasMessage("dtype is int8: float32, bfloat16 or, on cuda, float16");
        if (!Kernels.hasCuda()) {
            assertThatThrownBy(() -> Comparison.open(HeadBenchmark.class, Map.of("device", "cuda"), List.of()))
                    .hasMessageContaining("no CUDA kernels: build with -Pcuda");
        }
    }

    @Test
    void resultsAreKeptOnePerSettingAndPrinted() throws IOException {
        Path file = directory.resolve("results").resolve("one.json");
        Results.add(file, results(8, 2.5, "cpu A", "2026-01-01"));
        Results.add(file, results(1, 1.5, "cpu A", "2026-01-01"));
        Results.add(file, results(8, 3.25, "cpu A", "2026-01-01"));
        assertThat(Results.read(file).runs()).hasSize(2);
        assertThatThrownBy(() -> Results.add(file, results(8, 1, "cpu B", "2026-01-01")))
                .hasMessageContaining("write to another file");

        Path page = directory.resolve("page.md");
        Files.writeString(page, "before\n" + TableCommand.BEGIN + "\nold\n" + TableCommand.END + "\nafter\n");
        String[] arguments = {page.toString(), "--results", file.getParent().toString()};
        assertThat(Benchmarks.commandLine(new TableCommand()).execute(arguments))
                .isZero();
        String once = Files.readString(page);
        assertThat(once)
                .startsWith("before\n")
                .endsWith("after\n")
                .doesNotContain("old")
                .contains("`HeadBenchmark`: threads 2\n")
                .containsSubsequence("| trainFused | 1 |", "| trainFused | 8 |")
                .contains("| trainFused | 8 | 4.00 ms | 50 % of float32 | 1.0 MB "
                        + "| **3.25×** trainLibTorch (13.0 ms, 200 MB) |")
                .contains("Where their time goes:\n\n| method | batch | head | loss |\n|---|---|---:|---:|\n"
                        + "| trainFused | 1 | 3.00 ms | 12.0 ms |\n");
        Benchmarks.commandLine(new TableCommand()).execute(arguments);
        assertThat(Files.readString(page)).isEqualTo(once);

        // Measured again on another day: only the later figure is printed.
        Results.add(file.resolveSibling("two.json"), results(8, 4.5, "cpu A", "2026-01-02"));
        Results.add(file.resolveSibling("other.json"), results(8, 1.25, "cpu B", "2026-01-02"));
        Benchmarks.commandLine(new TableCommand()).execute(arguments);
        assertThat(Files.readString(page))
                .containsSubsequence("2026-01-02,", "**4.50×**", "2026-01-01,", "**1.50×**")
                .contains("**1.25×**")
                .doesNotContain("**3.25×**");

        Files.writeString(page, "no marks");
        assertThat(Benchmarks.commandLine(new TableCommand()).execute(arguments))
                .isNotZero();
    }

    private static Results results(int batch, double ratio, String cpu, String date) {
        Map<String, Object> machine = new LinkedHashMap<>(Map.of("cpu", cpu, "cores", 2));
        List<Comparison.Timing> timings = List.of(
                new Comparison.Timing(
                        "trainFused", 4, 3, 5, 7, Map.of("trainLibTorch", ratio), 1_000_000, 0.5, MachinePeak.FLOAT32),
                new Comparison.Timing("trainLibTorch", 4 * ratio, 9, 20, 7, Map.of(), 200_000_000, 0, null));
        Map<String, Double> parts = new LinkedHashMap<>(Map.of("head", 3.0));
        parts.put("loss", 12.0);
        Results.Run run = new Results.Run(
                "HeadBenchmark",
                Map.of("batch", batch),
                2,
                "abc",
                date + "T00:00:00Z",
                "matches",
                Map.of(Accounted.PARTS, Map.of("trainFused", parts)),
                PEAKS,
                timings);
        return new Results(date, machine, Map.of("java", "17"), List.of(run));
    }
}
