package org.lexvla.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.lexvla.cli.demo.Html;
import org.lexvla.evaluation.LineChart;

/**
 * {@code RUN/report.html}: how a run goes, made of the files of the run alone ({@code metrics.jsonl}, {@code evaluation.jsonl},
 * {@code training.yaml}). One page that refers to nothing outside itself, and loads itself anew while the run goes on.
 */
final class RunPage {
    static final String FILE = "report.html";

    /** Seconds between two writings of a page, and between two loadings. */
    private static final int BETWEEN = 15;
    /** Points of a line; each is the mean of as many steps as it takes. */
    private static final int POINTS = 300;

    private static final int WIDTH = 440;
    private static final int HEIGHT = 240;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path run;
    private long written;
    private long cost;

    RunPage(Path run) {
        this.run = run;
    }

    /** Writes the page if the last writing is long enough ago: it takes no more than a fiftieth of the time. */
    void refresh() throws IOException {
        long now = System.nanoTime();
        if (written == 0 || now - written > Math.max(BETWEEN * 1_000_000_000L, 50 * cost)) {
            write(true);
        }
    }

    /** @param running whether more is to come */
    void write(boolean running) throws IOException {
        long start = System.nanoTime();
        Page page = new Page(read(run.resolve("metrics.jsonl")), read(run.resolve(RunWatch.EVALUATIONS)));
        NewFile.writeBytes(run.resolve(FILE), page.html(run, running).getBytes(StandardCharsets.UTF_8));
        written = System.nanoTime();
        cost = written - start;
    }

    private static List<JsonNode> read(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        if (Files.exists(file)) {
            try (BufferedReader reader = Files.newBufferedReader(file)) {
                for (String line; (line = reader.readLine()) != null; ) {
                    JsonNode node = parse(line);
                    if (node != null) {
                        lines.add(node);
                    }
                }
            }
        }
        return lines;
    }

    /** A line of a file of the run; null if it was cut off in the middle. */
    static JsonNode parse(String line) {
        try {
            return JSON.readTree(line);
        } catch (JsonProcessingException e) {
            return null;
        }
    }

    /** What stands on the page. */
    private static final class Page {
        private final List<JsonNode> metrics;
        private final List<JsonNode> evaluations;
        private final StringBuilder out = new StringBuilder();

        Page(List<JsonNode> metrics, List<JsonNode> evaluations) {
            this.metrics = metrics;
            this.evaluations = evaluations;
        }

        String html(Path run, boolean running) throws IOException {
            JsonNode last = metrics.isEmpty() ? null : metrics.get(metrics.size() - 1);
            boolean ended = last != null
                    && last.path("step").asInt() == last.path("steps").asInt();
            String name = run.toAbsolutePath().normalize().getFileName().toString();
            out.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
                    .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
            if (running && !ended) {
                out.append("<meta http-equiv=\"refresh\" content=\"")
                        .append(BETWEEN)
                        .append("\">");
            }
            out.append("<title>").append(Html.escape(name)).append("</title><style>");
            out.append(style()).append("</style></head><body><main>\n");
            header(name, last, ended ? "finished" : running ? "running" : "stopped");
            if (last != null) {
                tiles(last);
                training();
            }
            if (!evaluations.isEmpty()) {
                heldOut();
                words();
            }
            settings(run.resolve("training.yaml"));
            return out.append("</main></body></html>\n").toString();
        }

        private void header(String name, JsonNode last, String state) {
            out.append("<header><h1>").append(Html.escape(name)).append("</h1>");
            int step = last == null ? 0 : last.path("step").asInt();
            int steps = last == null ? 0 : last.path("steps").asInt();
            double share = steps == 0 ? 0 : 100.0 * step / steps;
            String left = !state.equals("running") || last == null
                    ? ""
                    : ", about " + span(secondsPerStep() * (steps - step)) + " to go";
            add(
                    "<p class=state><b>%s</b> step %,d of %,d%s <span>written %s</span></p>"
                            + "<div class=done><i style=\"width:%.1f%%\"></i></div></header>\n",
                    state,
                    step,
                    steps,
                    left,
                    LocalDateTime.now()
                            .truncatedTo(ChronoUnit.SECONDS)
                            .toString()
                            .replace('T', ' '),
                    share);
        }

        /** Of the last steps that are known. */
        private double secondsPerStep() {
            List<JsonNode> recent = recent();
            double sum = 0;
            for (JsonNode report : recent) {
                sum += report.path("seconds").asDouble();
            }
            return sum / recent.size();
        }

        private List<JsonNode> recent() {
            int few = Math.max(1, Math.min(20, metrics.size() / 20));
            return metrics.subList(metrics.size() - few, metrics.size());
        }

        private double recentMean(String key) {
            return recent().stream()
                    .mapToDouble(report -> report.path(key).asDouble())
                    .average()
                    .orElse(0);
        }

        private void tiles(JsonNode last) {
            out.append("<div class=tiles>");
            tile("loss", "%.3f", recentMean("loss"), "lately");
            tile(
                    "R@1 in the batch",
                    "%.1f %%",
                    50 * (recentMean("imageToTextR1") + recentMean("textToImageR1")),
                    "mean of both ways");
            tile("words of a picture", "%.1f", recentMean("activeImage"), "active");
            tile("words of a caption", "%.1f", recentMean("activeText"), "active");
            tile("temperature", "%.4f", last.path("temperature").asDouble(), "τ");
            tile("pictures a second", "%.1f", recentMean("picturesPerSecond"), "");
            tile("waiting for data", "%.1f %%", 100 * recentMean("dataWait") / secondsPerStep(), "of the time");
            tile("memory", "%.2f GB", last.path("memory").path("resident").asDouble() / 1e9, "of the process");
            out.append("</div>\n");
        }

        private void tile(String name, String format, double value, String note) {
            add("<div><span>%s</span><b>" + format + "</b><em>%s</em></div>", name, value, note);
        }

        private void training() {
            out.append("<section><h2>Training</h2><div class=charts>");
            chart(
                    "Loss",
                    LineChart.of("step", "loss").fromZero(),
                    List.of("loss", "imageToText", "textToImage"),
                    List.of("total", "i → t", "t → i"));
            chart(
                    "R@1 in the batch",
                    LineChart.of("step", "share").fromZero(),
                    List.of("imageToTextR1", "textToImageR1"),
                    List.of("i → t", "t → i"));
            chart(
                    "Active words",
                    LineChart.of("step", "words").fromZero(),
                    List.of("activeImage", "activeText"),
                    List.of("picture", "caption"));
            chart(
                    "Penalty, before its weight",
                    LineChart.of("step", "penalty").fromZero(),
                    List.of("imagePenalty", "textPenalty"),
                    List.of("pictures", "captions"));
            chart("Temperature", LineChart.of("step", ""), List.of("temperature"), List.of("τ"));
            chart("Gradient norm", LineChart.of("step", "norm").fromZero(), List.of("gradientNorm"), List.of("norm"));
            chart(
                    "Learning rate",
                    LineChart.of("step", "rate · 1000").fromZero(),
                    1e3,
                    List.of("learningRate"),
                    List.of("rate"));
            chart(
                    "Speed",
                    LineChart.of("step", "pictures a second").fromZero(),
                    List.of("picturesPerSecond"),
                    List.of("speed"));
            chart(
                    "A step",
                    LineChart.of("step", "seconds").fromZero(),
                    List.of("seconds", "dataWait"),
                    List.of("all", "waiting"));
            chart(
                    "Memory",
                    LineChart.of("step", "gigabytes").fromZero(),
                    1e-9,
                    List.of("memory/resident", "memory/heap", "memory/device"),
                    List.of("process", "heap", "GPU"));
            out.append("</div></section>\n");
        }

        private void chart(String title, LineChart chart, List<String> keys, List<String> names) {
            chart(title, chart, 1, keys, names);
        }

        private void chart(String title, LineChart chart, double unit, List<String> keys, List<String> names) {
            boolean any = false;
            for (int i = 0; i < keys.size(); i++) {
                double[] x = new double[metrics.size()];
                double[] y = new double[metrics.size()];
                boolean used = false;
                for (int p = 0; p < x.length; p++) {
                    JsonNode report = metrics.get(p);
                    x[p] = report.path("step").asDouble();
                    JsonNode value = report.at("/" + keys.get(i));
                    y[p] = value.isNumber() ? unit * value.asDouble() : Double.NaN;
                    used |= y[p] > 0;
                }
                if (used) {
                    chart.line(names.get(i), thinned(x), thinned(y));
                    any = true;
                }
            }
            if (any) {
                figure(title, chart);
            }
        }

        private void figure(String title, LineChart chart) {
            add("<figure><figcaption>%s</figcaption>", title);
            out.append(chart.toSvg(WIDTH, HEIGHT)).append("</figure>");
        }

        /** Means of neighbours, so that no more than POINTS are left; of the finite ones. */
        private static double[] thinned(double[] values) {
            int group = (values.length + POINTS - 1) / POINTS;
            double[] means = new double[(values.length + group - 1) / group];
            for (int i = 0; i < means.length; i++) {
                double sum = 0;
                int count = 0;
                for (int p = i * group; p < Math.min(values.length, (i + 1) * group); p++) {
                    if (Double.isFinite(values[p])) {
                        sum += values[p];
                        count++;
                    }
                }
                means[i] = count == 0 ? Double.NaN : sum / count;
            }
            return means;
        }

        private void heldOut() {
            JsonNode last = evaluations.get(evaluations.size() - 1);
            add(
                    "<section><h2>Held out</h2><p class=note>%s and %s that are not trained on."
                            + " A tie counts against the model.</p><div class=charts>",
                    Count.of(last.path("pictures").asInt(), "picture"),
                    Count.of(last.path("captions").asInt(), "caption"));
            recalls("Text → image", "textToImage");
            recalls("Image → text", "imageToText");
            figure(
                    "Active words",
                    LineChart.of("step", "words")
                            .fromZero()
                            .line("picture", steps(), values("activeImage"))
                            .line("caption", steps(), values("activeText")));
            out.append("</div></section>\n");
        }

        private void recalls(String title, String key) {
            LineChart chart = LineChart.of("step", "recall").fromZero();
            for (int k : new int[] {10, 5, 1}) {
                chart.line("R@" + k, steps(), values(key + "/r" + k));
            }
            figure(title, chart);
        }

        private double[] steps() {
            return values("step");
        }

        private double[] values(String key) {
            return evaluations.stream()
                    .mapToDouble(figures -> figures.at("/" + key).asDouble(Double.NaN))
                    .toArray();
        }

        private void words() {
            JsonNode last = evaluations.get(evaluations.size() - 1);
            JsonNode words = last.path("words");
            double most = words.isEmpty() ? 1 : words.get(0).path("mean").asDouble();
            add(
                    "<section><h2>Most used words</h2><p class=note>Mean activation over the held-out pictures after step %,d,"
                            + " and in how many of them the word is active. Words that say nothing at the top, in nearly all"
                            + " pictures, mean that the penalty is too weak.</p><div class=used><ol>",
                    last.path("step").asInt());
            for (JsonNode word : words) {
                add(
                        "<li><i style=\"width:%.1f%%\"></i><b>%s</b><span>%.4f</span><em>%.1f %%</em></li>",
                        100 * word.path("mean").asDouble() / most,
                        Html.escape(word.path("word").asText()),
                        word.path("mean").asDouble(),
                        100 * word.path("share").asDouble());
            }
            out.append("</ol><div class=charts>");
            double[] usage = new double[last.path("usage").size()];
            for (int i = 0; i < usage.length; i++) {
                usage[i] = last.path("usage").get(i).asDouble();
            }
            figure("Mean activation by rank", RunWatch.usageChart(usage));
            figure(
                    "Overuse, V · Σ s̄³ / Σ s̄",
                    LineChart.of("step", "overuse").fromZero().line("pictures", steps(), values("overuse")));
            out.append("</div></div></section>\n");
        }

        private void settings(Path yaml) throws IOException {
            if (Files.exists(yaml)) {
                out.append("<section><h2>Settings</h2><details><summary>training.yaml</summary><pre>")
                        .append(Html.escape(Files.readString(yaml)))
                        .append("</pre></details></section>\n");
            }
        }

        private void add(String format, Object... values) {
            out.append(String.format(Locale.ROOT, format, values));
        }

        private static String span(double seconds) {
            long whole = Math.round(seconds);
            return whole < 90
                    ? whole + " s"
                    : whole < 5400
                            ? whole / 60 + " min"
                            : String.format(Locale.ROOT, "%d h %02d min", whole / 3600, whole % 3600 / 60);
        }

        private static String style() throws IOException {
            try (InputStream in = RunPage.class.getResourceAsStream("run.css")) {
                if (in == null) {
                    throw new IllegalStateException("run.css is not on the class path beside " + RunPage.class.getName()
                            + ": build the command line module again");
                }
                return new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
        }
    }
}
