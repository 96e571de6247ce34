package org.lexvla.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import javax.imageio.ImageIO;
import org.lexvla.evaluation.LineChart;
import org.lexvla.evaluation.WordUsage;
import org.lexvla.model.LexVla;
import org.lexvla.training.EventFile;
import org.lexvla.training.StepReport;
import org.lexvla.training.TensorBoard;
import org.lexvla.training.TrainingConfig;

/**
 * Follows a run: lines on the console, {@code tensorboard/}, {@code report.html}, and every so many steps figures on held-out pictures,
 * which are kept in {@code evaluation.jsonl}.
 */
final class RunWatch implements Consumer<StepReport>, AutoCloseable {
    /** A line per measurement. */
    static final String EVALUATIONS = "evaluation.jsonl";

    private static final ObjectMapper JSON = new ObjectMapper();

    private final LexVla model;
    private final TrainingConfig config;
    private final Path run;
    private final Progress progress;
    private final HeldOut heldOut;
    private final TensorBoard board;
    private final RunPage page;
    private boolean begun;
    private StepReport last;
    /** Since the last line on the console. */
    private double pictures;

    private double seconds;
    private double waited;

    /**
     * Nothing is written before the first step.
     *
     * @param heldOut null: nothing is measured
     */
    RunWatch(LexVla model, TrainingConfig config, Path run, HeldOut heldOut, Progress progress) {
        this.model = model;
        this.config = config;
        this.run = run;
        this.heldOut = heldOut;
        this.progress = progress;
        this.board = new TensorBoard(run.resolve("tensorboard"), config.logEvery());
        this.page = new RunPage(run);
    }

    @Override
    public void accept(StepReport report) {
        try {
            if (!begun) {
                forgetFrom(report.step());
                begun = true;
            }
            last = report;
            board.accept(report);
            say(report);
            int every = config.evaluation().every();
            if (heldOut != null && every > 0 && (report.step() % every == 0 || report.step() == report.steps())) {
                measure(report.step());
            }
            page.refresh();
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "what is told of the run cannot be written in " + run + "; when that is mended go on with --resume",
                    e);
        }
    }

    /** The last report; null before the first. */
    StepReport last() {
        return last;
    }

    private void say(StepReport report) {
        seconds += report.seconds();
        pictures += report.picturesPerSecond() * report.seconds();
        waited += report.dataWait();
        progress.note(String.format(
                Locale.ROOT,
                "loss %.3f, R@1 in batch %.2f, %.0f words",
                report.loss(),
                (report.imageToTextR1() + report.textToImageR1()) / 2,
                report.activeImage()));
        if (report.step() % config.logEvery() == 0 || report.step() == report.steps()) {
            progress.line(line(report, pictures / seconds, waited / seconds));
            pictures = 0;
            seconds = 0;
            waited = 0;
        }
        progress.to(report.step());
    }

    /**
     * A step as one line.
     *
     * @param speed pictures per second, since the line before
     * @param wait  share of the time since then in which a step waited for pictures
     */
    static String line(StepReport report, double speed, double wait) {
        return String.format(
                        Locale.ROOT,
                        "step %d/%d  loss %.4f = i2t %.4f + t2i %.4f + λ %.1e·%.3g + %.1e·%.3g  R@1 %.2f %.2f  words %.1f %.1f"
                                + "  τ %.4f  lr %.2e  |g| %.3g  %.1f pictures/s  data wait %.1f %%  memory %s",
                        report.step(),
                        report.steps(),
                        report.loss(),
                        report.imageToText(),
                        report.textToImage(),
                        report.imageLambda(),
                        report.imagePenalty(),
                        report.textLambda(),
                        report.textPenalty(),
                        report.imageToTextR1(),
                        report.textToImageR1(),
                        report.activeImage(),
                        report.activeText(),
                        report.temperature(),
                        report.learningRate(),
                        report.gradientNorm(),
                        speed,
                        100 * wait,
                        report.memory())
                + left(report);
    }

    /** What was left out up to now; nothing, most of the time. */
    private static String left(StepReport report) {
        return (report.skipped() == 0 ? "" : "  skipped " + Count.of(report.skipped(), "sample"))
                + (report.skippedSteps() == 0 ? "" : "  not finite " + Count.of(report.skippedSteps(), "step"));
    }

    private void measure(int step) throws IOException {
        HeldOut.Figures figures = heldOut.measure(model, step);
        progress.line(String.format(
                Locale.ROOT,
                "held out after step %d: R@1/5/10 text to image %s, image to text %s, words %.1f %.1f, overuse %.2f, most used %s"
                        + " (%s, %.1f s)",
                step,
                recalls(figures.textToImage()),
                recalls(figures.imageToText()),
                figures.activeImage(),
                figures.activeText(),
                figures.overuse(),
                String.join(
                        ", ",
                        figures.words().stream()
                                .limit(5)
                                .map(WordUsage.Used::word)
                                .toList()),
                Count.of(figures.pictures(), "picture"),
                figures.seconds()));
        Files.writeString(
                run.resolve(EVALUATIONS),
                JSON.writeValueAsString(figures) + "\n",
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
        show(figures);
    }

    private static String recalls(org.lexvla.evaluation.Retrieval.Recalls recalls) {
        return String.format(Locale.ROOT, "%.3f/%.3f/%.3f", recalls.r1(), recalls.r5(), recalls.r10());
    }

    private void show(HeldOut.Figures figures) throws IOException {
        int step = figures.step();
        EventFile events = board.events(step);
        events.scalar("held out/R@1 text to image", step, figures.textToImage().r1());
        events.scalar("held out/R@5 text to image", step, figures.textToImage().r5());
        events.scalar("held out/R@10 text to image", step, figures.textToImage().r10());
        events.scalar("held out/R@1 image to text", step, figures.imageToText().r1());
        events.scalar("held out/R@5 image to text", step, figures.imageToText().r5());
        events.scalar("held out/R@10 image to text", step, figures.imageToText().r10());
        events.scalar("held out/active words image", step, figures.activeImage());
        events.scalar("held out/active words text", step, figures.activeText());
        events.scalar("held out/overuse", step, figures.overuse());
        events.histogram("words/mean activation of the most used", step, figures.usage());
        events.text("words/most used", step, table(figures.words()));
        BufferedImage chart = usageChart(figures.usage()).toImage(480, 280);
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        ImageIO.write(chart, "png", png);
        events.picture("words/mean activation by rank", step, chart.getWidth(), chart.getHeight(), png.toByteArray());
    }

    /** Mean activation of the most used words, by rank. */
    static LineChart usageChart(double[] usage) {
        double[] ranks = new double[usage.length];
        for (int i = 0; i < ranks.length; i++) {
            ranks[i] = i + 1;
        }
        return LineChart.of("rank of the word", "mean activation").fromZero().line("pictures", ranks, usage);
    }

    private static String table(List<WordUsage.Used> words) {
        StringBuilder table = new StringBuilder("| word | mean activation | pictures |\n|---|---|---|\n");
        for (WordUsage.Used word : words) {
            // A word that is the vertical bar itself would end its cell.
            String shown = word.word().replace("|", "\\|");
            table.append(
                    String.format(Locale.ROOT, "| %s | %.4f | %.1f %% |%n", shown, word.mean(), 100 * word.share()));
        }
        return table.toString();
    }

    /** A run that goes on from a checkpoint has not measured what it will measure. */
    private void forgetFrom(int step) throws IOException {
        Path file = run.resolve(EVALUATIONS);
        if (!Files.exists(file)) {
            return;
        }
        StringBuilder kept = new StringBuilder();
        for (String line : Files.readAllLines(file)) {
            JsonNode figures = RunPage.parse(line);
            if (figures != null && figures.path("step").asInt() < step) {
                kept.append(line).append('\n');
            }
        }
        NewFile.writeBytes(file, kept.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    /** Writes the page once more, with what came last. */
    @Override
    public void close() throws IOException {
        board.close();
        if (begun) {
            page.write(false);
        }
    }
}
