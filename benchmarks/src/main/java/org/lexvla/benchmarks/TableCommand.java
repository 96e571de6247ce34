package org.lexvla.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes the tables of all results between two marks of a Markdown file. */
@Command(
        name = "table",
        mixinStandardHelpOptions = true,
        description = "Writes the figures of benchmarks/results between the marks of a Markdown file.",
        footer = "Example: table README.md")
final class TableCommand implements Callable<Integer> {
    static final String BEGIN = "<!-- benchmarks:begin -->";
    static final String END = "<!-- benchmarks:end -->";

    @Parameters(paramLabel = "FILE", description = "Markdown file with the lines " + BEGIN + " and " + END + ".")
    private Path file;

    @Option(names = "--results", description = "Directory of the results. Default: ${DEFAULT-VALUE}.")
    private Path results = Path.of("benchmarks/results");

    @Override
    public Integer call() throws IOException {
        String text = Files.readString(file);
        int begin = text.indexOf(BEGIN);
        int end = text.indexOf(END, Math.max(begin, 0));
        if (begin < 0 || end < 0) {
            throw new IllegalArgumentException(file + " lacks " + (begin < 0 ? BEGIN : END)
                    + ": put both marks, each on a line of its own, where the tables belong");
        }
        List<Results> all = new ArrayList<>();
        try (Stream<Path> files = Files.list(results)) {
            for (Path json : files.filter(path -> path.toString().endsWith(".json"))
                    .sorted()
                    .toList()) {
                all.add(Results.read(json));
            }
        }
        String tables = tables(all);
        Path beside = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(beside, text.substring(0, begin) + BEGIN + "\n" + tables + text.substring(end));
        Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
        return 0;
    }

    /** The newest results first; what was measured again on the same machine is left out. */
    static String tables(List<Results> all) {
        return all.stream()
                .sorted(Comparator.comparing(Results::date).reversed())
                .map(results -> {
                    List<Results.Run> same = all.stream()
                            .filter(other -> other.machine().equals(results.machine()))
                            .flatMap(other -> other.runs().stream())
                            .toList();
                    return table(
                            results,
                            results.runs().stream()
                                    .map(run -> run.without(same))
                                    .filter(Results.Run::hasRatios)
                                    .toList());
                })
                .filter(table -> !table.isEmpty())
                .collect(Collectors.joining("\n"));
    }

    /** Runs of one machine: a table for each benchmark, a line for each method that has opponents. */
    private static String table(Results results, List<Results.Run> runs) {
        if (runs.isEmpty()) {
            return "";
        }
        StringBuilder text = new StringBuilder(String.format(
                "%s, %s: %s%s, %s cores, %s (%s); LibTorch %s, %s.%n",
                results.date(),
                results.machine().get("system"),
                results.machine().containsKey("gpu")
                        ? results.machine().get("gpu") + ", driver "
                                + results.machine().get("driver") + "; "
                        : "",
                results.machine().get("cpu"),
                results.machine().get("cores"),
                results.machine().get("isa"),
                results.machine().get("extensions"),
                results.versions().get("libtorch"),
                results.versions().get("java")));
        Map<String, List<Results.Run>> byBenchmark =
                runs.stream().collect(Collectors.groupingBy(Results.Run::benchmark, TreeMap::new, Collectors.toList()));
        byBenchmark.forEach((benchmark, its) -> text.append(table(benchmark, its)));
        return text.toString();
    }

    private static String table(String benchmark, List<Results.Run> runs) {
        List<String> varying = settings(runs.get(0)).keySet().stream()
                .filter(name -> runs.stream()
                                .map(run -> settings(run).get(name))
                                .distinct()
                                .count()
                        > 1)
                .toList();
        String fixed = settings(runs.get(0)).entrySet().stream()
                .filter(setting -> !varying.contains(setting.getKey()))
                .map(setting -> setting.getKey() + " " + setting.getValue())
                .collect(Collectors.joining(", "));
        StringBuilder table = new StringBuilder(String.format("%n`%s`: %s%n%n", benchmark, fixed));
        table.append("| method |");
        varying.forEach(name -> table.append(' ').append(name).append(" |"));
        table.append(" ours | of peak | extra memory | against (time, extra memory) |\n|---|");
        table.append("---|".repeat(varying.size())).append("---:|---:|---:|---|\n");
        runs.stream()
                .sorted((a, b) -> order(a, b, varying))
                .forEach(run -> run.timings().stream()
                        .filter(timing -> !timing.ratios().isEmpty())
                        .forEach(timing -> table.append(row(run, varying, timing))));
        return table + parts(runs, varying);
    }

    /** Where the time of the methods goes, for the runs that know it. */
    private static String parts(List<Results.Run> runs, List<String> varying) {
        List<Results.Run> knowing = runs.stream()
                .filter(run -> run.facts().get(Accounted.PARTS) instanceof Map)
                .sorted((a, b) -> order(a, b, varying))
                .toList();
        if (knowing.isEmpty()) {
            return "";
        }
        List<String> names = knowing.stream()
                .flatMap(run -> partsOf(run).values().stream())
                .flatMap(parts -> parts.keySet().stream())
                .distinct()
                .toList();
        StringBuilder rows = new StringBuilder();
        knowing.forEach(run -> partsOf(run).forEach((method, parts) -> {
            rows.append("| ").append(method).append(" |").append(values(run, varying));
            names.forEach(name -> rows.append(
                    parts.containsKey(name) ? " " + millis(parts.get(name).doubleValue()) + " |" : " |"));
            rows.append('\n');
        }));
        return String.format("%nWhere their time goes:%n%n| method |")
                + varying.stream().map(name -> " " + name + " |").collect(Collectors.joining())
                + names.stream().map(name -> " " + name + " |").collect(Collectors.joining())
                + "\n|---|" + "---|".repeat(varying.size()) + "---:|".repeat(names.size()) + "\n" + rows;
    }

    /** By method and part. */
    @SuppressWarnings("unchecked")
    private static Map<String, Map<String, Number>> partsOf(Results.Run run) {
        return (Map<String, Map<String, Number>>) run.facts().get(Accounted.PARTS);
    }

    private static int order(Results.Run a, Results.Run b, List<String> varying) {
        for (String name : varying) {
            Object left = settings(a).get(name);
            Object right = settings(b).get(name);
            int order = left instanceof Number one && right instanceof Number other
                    ? Double.compare(one.doubleValue(), other.doubleValue())
                    : String.valueOf(left).compareTo(String.valueOf(right));
            if (order != 0) {
                return order;
            }
        }
        return 0;
    }

    private static Map<String, Object> settings(Results.Run run) {
        Map<String, Object> settings = new LinkedHashMap<>(run.parameters());
        settings.put("threads", run.threads());
        return settings;
    }

    private static String values(Results.Run run, List<String> varying) {
        return varying.stream()
                .map(name -> " " + settings(run).get(name) + " |")
                .collect(Collectors.joining());
    }

    private static String row(Results.Run run, List<String> varying, Comparison.Timing ours) {
        String opponents = ours.ratios().entrySet().stream()
                .map(ratio -> opponent(run, ratio.getKey(), ratio.getValue()))
                .collect(Collectors.joining("<br>"));
        return String.format(
                "| %s |%s %s | %s | %s | %s |%n",
                ours.method(),
                values(run, varying),
                millis(ours.medianMillis()),
                ours.peak() == null ? "" : number(100 * ours.share(), 0) + " % of " + ours.peak(),
                megabytes(ours.extraBytes()),
                opponents);
    }

    private static String opponent(Results.Run run, String name, double ratio) {
        Comparison.Timing theirs = run.timings().stream()
                .filter(timing -> timing.method().equals(name))
                .findFirst()
                .orElseThrow();
        return String.format(
                "**%s×** %s (%s, %s)",
                number(ratio, ratio < 10 ? 2 : ratio < 100 ? 1 : 0),
                name,
                millis(theirs.medianMillis()),
                megabytes(theirs.extraBytes()));
    }

    private static String millis(double value) {
        return number(value, value < 10 ? 2 : value < 100 ? 1 : 0) + " ms";
    }

    private static String megabytes(long bytes) {
        return bytes < 0 ? "not known" : number(bytes / 1e6, bytes < 10_000_000 ? 1 : 0) + " MB";
    }

    private static String number(double value, int decimals) {
        return String.format(Locale.ROOT, "%." + decimals + "f", value);
    }
}
