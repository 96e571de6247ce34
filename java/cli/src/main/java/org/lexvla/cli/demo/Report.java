package org.lexvla.cli.demo;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.lexvla.evaluation.HeatMap;
import org.lexvla.evaluation.LineChart;
import org.lexvla.evaluation.PatchDis;
import org.lexvla.evaluation.SparsitySweep;
import org.lexvla.evaluation.WordCloud;
import org.lexvla.lexical.WeightedWord;

/** The demo's report: one HTML page that holds its pictures, charts and style, and refers to nothing outside itself. */
public final class Report {
    private static final int CLOUD_WORDS = 40;
    private static final int FRAMED = 6;
    private static final int COMPARED = 4;

    private final ReportData data;
    private final StringBuilder page = new StringBuilder();

    private Report(ReportData data) {
        this.data = data;
    }

    /** Writes the page. */
    public static void write(ReportData data, Path file) throws IOException {
        Files.writeString(file, html(data));
    }

    /** The page as text. */
    public static String html(ReportData data) {
        return new Report(data).build();
    }

    private String build() {
        page.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
                .append("<title>LexVLA demo</title><style>")
                .append(style())
                .append("</style></head><body><main>\n");
        page.append("<header><h1>Lex<b>VLA</b> demo</h1>");
        paragraphs(data.about());
        page.append("</header>\n");
        figures();
        charts();
        pictures();
        compared();
        patches();
        section("What the stand-ins were trained on");
        paragraphs(data.standIns());
        page.append("</section>\n");
        facts();
        return page.append("</main></body></html>\n").toString();
    }

    private static String style() {
        try (InputStream in = Report.class.getResourceAsStream("report.css")) {
            if (in == null) {
                throw new IllegalStateException("report.css is not on the class path beside " + Report.class.getName()
                        + ": build the command line module again");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException("cannot read report.css: " + e.getMessage(), e);
        }
    }

    private void section(String title) {
        page.append("<section><h2>").append(Html.escape(title)).append("</h2>");
    }

    private void paragraphs(List<String> texts) {
        for (String text : texts) {
            page.append("<p>").append(Html.escape(text)).append("</p>");
        }
    }

    private void figures() {
        section("Figures");
        page.append(
                "<p class=note>On held-out scenes: every combination of kind, colour and background in them was never seen"
                        + " in training. A tie counts against the model.</p>");
        page.append("<table><thead><tr><th></th><th>chance</th><th>before training</th><th>overuse penalty</th>");
        if (data.flops() != null) {
            page.append("<th>FLOPs penalty</th>");
        }
        page.append("<th>wanted</th></tr></thead><tbody>");
        DemoFigures after = data.after();
        double random = after.patches().random();
        row("Text → image, R@1", percent(after.chance(1)), f -> f.textToImage().r1(), "≥ 50 %");
        row("Text → image, R@5", percent(after.chance(5)), f -> f.textToImage().r5(), "");
        row(
                "Text → image, R@10",
                percent(after.chance(10)),
                f -> f.textToImage().r10(),
                "");
        row("Image → text, R@1", percent(after.chance(1)), f -> f.imageToText().r1(), "≥ 50 %");
        row("Image → text, R@5", percent(after.chance(5)), f -> f.imageToText().r5(), "");
        row(
                "Image → text, R@10",
                percent(after.chance(10)),
                f -> f.imageToText().r10(),
                "");
        row("True words among an image's k strongest", "", f -> f.words().precision(), "≥ 70 %");
        row("The same for object kinds alone", "", f -> f.words().objectPrecision(), "≥ 50 %");
        row("True objects found among the k strongest", "", f -> f.words().objectRecall(), "");
        row(
                "Function and filler words among the ten strongest",
                "",
                f -> f.words().fillerShare(),
                "");
        row(
                "PatchDis, mIoU over objects and backgrounds",
                percent(random),
                f -> f.patches().miou(),
                "≥ " + percent(2.5 * random));
        page.append("<tr><td>Active words of an image, of ")
                .append(data.after().vocabulary())
                .append("</td><td></td>");
        cell(String.format(Locale.ROOT, "%.1f", data.before().activeWords()), "");
        cell(String.format(Locale.ROOT, "%.1f", data.after().activeWords()), "after");
        if (data.flops() != null) {
            cell(String.format(Locale.ROOT, "%.1f", data.flops().activeWords()), "");
        }
        page.append("<td></td></tr></tbody></table></section>\n");
    }

    private void row(String name, String chance, ToDoubleFunction<DemoFigures> figure, String wanted) {
        page.append("<tr><td>").append(Html.escape(name)).append("</td>");
        cell(chance, "");
        cell(percent(figure.applyAsDouble(data.before())), "");
        cell(percent(figure.applyAsDouble(data.after())), "after");
        if (data.flops() != null) {
            cell(percent(figure.applyAsDouble(data.flops())), "");
        }
        cell(wanted, "");
        page.append("</tr>");
    }

    private void cell(String text, String kind) {
        page.append("<td").append(kind.isEmpty() ? "" : " class=" + kind).append('>');
        page.append(Html.escape(text)).append("</td>");
    }

    private static String percent(double share) {
        return Double.isNaN(share) ? "–" : String.format(Locale.ROOT, "%.1f %%", 100 * share);
    }

    private void charts() {
        section("Training");
        page.append("<div class=charts>");
        chart("Loss", "training step", "loss", data.loss());
        chart("Sparsity while training", "training step", "active words of an image", data.active());
        if (!data.sweep().isEmpty()) {
            chart("Retrieval against sparsity", SparsitySweep.chart(data.sweep()));
        }
        page.append("</div></section>\n");
    }

    private void chart(String title, String x, String y, List<ReportData.Curve> curves) {
        if (curves.isEmpty()) {
            return;
        }
        LineChart chart = LineChart.of(x, y).fromZero();
        curves.forEach(curve -> chart.line(curve.name(), curve.x(), curve.y()));
        chart(title, chart);
    }

    private void chart(String title, LineChart chart) {
        page.append("<figure><figcaption>")
                .append(Html.escape(title))
                .append("</figcaption>")
                .append(chart.toSvg(360, 250))
                .append("</figure>");
    }

    private void pictures() {
        section("Held-out pictures");
        page.append("<p class=note>The first ")
                .append(data.pictures().size())
                .append(" of the held-out scenes, not chosen. Left the picture; beside it the ")
                .append(FRAMED)
                .append(" patches most similar to the caption below; right the picture's own words, their height"
                        + " proportional to their weight. Filled words are true and among the k strongest (k = number"
                        + " of true words), outlined ones are true and missing there, crossed ones stand there and are"
                        + " wrong.</p>");
        for (ReportData.ShownPicture shown : data.pictures()) {
            page.append("<article class=card><div class=seen>")
                    .append(Html.image(shown.picture(), "scene"))
                    .append(Html.image(heat(shown), "patches most similar to the caption"))
                    .append("<p class=caption>“")
                    .append(Html.escape(shown.caption()))
                    .append("”</p></div><div class=cloud>")
                    .append(cloud(shown))
                    .append("</div><div class=facts><p class=chips>");
            chips(shown);
            page.append("</p><ol>");
            double best = shown.nearest().isEmpty() ? 1 : shown.nearest().get(0).score();
            for (ReportData.ScoredText text : shown.nearest()) {
                page.append(String.format(
                        Locale.ROOT,
                        "<li%s><i style=\"width:%.0f%%\"></i><span>%.2f</span> %s</li>",
                        text.own() ? " class=own" : "",
                        100 * Math.max(0, Math.min(1, text.score() / best)),
                        text.score(),
                        Html.escape(text.text())));
            }
            page.append("</ol></div></article>\n");
        }
        page.append("</section>\n");
    }

    private static BufferedImage heat(ReportData.ShownPicture shown) {
        return HeatMap.over(shown.picture(), shown.patchScores(), shown.columns(), FRAMED, 2);
    }

    private static String cloud(ReportData.ShownPicture shown) {
        List<WeightedWord> words =
                shown.words().subList(0, Math.min(CLOUD_WORDS, shown.words().size()));
        return WordCloud.of(words, 420, 260).toSvg();
    }

    private void chips(ReportData.ShownPicture shown) {
        List<String> strongest = shown.strongest();
        List<String> truth = shown.truth().stream().map(WordGroup::canonical).toList();
        for (String word : truth) {
            chip(word, strongest.contains(word) ? "hit" : "miss");
        }
        for (String word : strongest) {
            if (!truth.contains(word)) {
                chip(word, "wrong");
            }
        }
    }

    private void chip(String word, String kind) {
        page.append("<b class=")
                .append(kind)
                .append('>')
                .append(Html.escape(word))
                .append("</b> ");
    }

    private void compared() {
        int shown = Math.min(
                COMPARED, Math.min(data.pictures().size(), data.flopsPictures().size()));
        if (shown == 0) {
            return;
        }
        section("Overuse penalty and FLOPs penalty");
        page.append(
                "<p class=note>The same pictures after the same training with either penalty: left the picture, then its"
                        + " words with the overuse penalty, then with the FLOPs penalty.</p><div class=compared>");
        for (int i = 0; i < shown; i++) {
            page.append("<figure>")
                    .append(Html.image(data.pictures().get(i).picture(), "scene"))
                    .append("<div class=cloud>")
                    .append(cloud(data.pictures().get(i)))
                    .append("</div><div class=cloud>")
                    .append(cloud(data.flopsPictures().get(i)))
                    .append("</div></figure>");
        }
        page.append("</div></section>\n");
    }

    private void patches() {
        if (data.patches().isEmpty()) {
            return;
        }
        section("Patches that name what they show");
        page.append("<p class=note>PatchDis: every patch takes the class whose name, through the text encoder, is most"
                + " similar to it. Picture, true mask, prediction. Training saw captions only, never a mask.</p>"
                + "<div class=named>");
        for (ReportData.NamedPatches named : data.patches()) {
            int size = named.picture().getWidth();
            int patch = size / named.columns();
            int[] pixels = PatchDis.enlarge(named.prediction(), named.columns(), patch);
            byte[] prediction = new byte[pixels.length];
            for (int i = 0; i < pixels.length; i++) {
                prediction[i] = (byte) pixels[i];
            }
            page.append("<figure><div>")
                    .append(Html.image(named.picture(), "scene"))
                    .append(Html.image(SceneFiles.mask(named.mask(), size), "true mask"))
                    .append(Html.image(SceneFiles.mask(prediction, size), "prediction"))
                    .append("</div><figcaption>");
            for (int label : named.classes()) {
                Color colour = SceneFiles.colourOf(label);
                page.append(String.format(
                        "<span><i style=\"background:#%06x\"></i>%s</span> ",
                        colour.getRGB() & 0xFFFFFF,
                        Html.escape(Scene.classNames().get(label))));
            }
            page.append(String.format(Locale.ROOT, "<em>mIoU %.0f %%</em></figcaption></figure>", 100 * named.iou()));
        }
        page.append("</div></section>\n");
    }

    private void facts() {
        page.append("<footer>");
        data.facts()
                .forEach((name, value) -> page.append("<span>")
                        .append(Html.escape(name))
                        .append(": <b>")
                        .append(Html.escape(value))
                        .append("</b></span> "));
        page.append("</footer>");
    }
}
