package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.evaluation.Retrieval;
import org.lexvla.evaluation.SparsitySweep;
import org.lexvla.lexical.WeightedWord;

class ReportTest {
    @Test
    void thePageRefersToNothingOutsideItself(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("report.html");
        Report.write(data(12, figures(0.9)), file);
        String page = Files.readString(file);
        assertThat(page).startsWith("<!DOCTYPE html>").endsWith("</html>\n");
        assertThat(page.replace("http://www.w3.org/2000/svg", "")).doesNotContain("://");
        Matcher sources = Pattern.compile("(src|href)=\"([^\"]{0,30})").matcher(page);
        int pictures = 0;
        while (sources.find()) {
            assertThat(sources.group(2)).startsWith("data:image/png;base64,");
            pictures++;
        }
        assertThat(pictures).isEqualTo(12 * 2 + 4 + 3);
        assertThat(page).doesNotContain("<script").doesNotContain("@import").doesNotContain("url(");
        assertThat(Files.size(file)).isLessThan(6_000_000);
    }

    @Test
    void figuresStandInTheTable() {
        String page = Report.html(data(1, figures(0.8125)));
        assertThat(page).contains("<td class=after>81.3 %</td>").contains("<th>FLOPs penalty</th>");
        assertThat(page).as("chance at 1 of 50 pictures").contains("<td>2.0 %</td>");
        assertThat(page).as("chance at 10 of 50 pictures").contains("<td>20.0 %</td>");
        assertThat(page).as("2.5 times the random baseline of 2.5 %").contains("≥ 6.3 %");
        assertThat(Report.html(data(1, null))).doesNotContain("<th>FLOPs penalty</th>");
    }

    @Test
    void wordsAreMarkedTrueMissingAndWrong() {
        String page = Report.html(data(1, null));
        assertThat(page)
                .contains("<b class=hit>boat</b>")
                .contains("<b class=miss>sea</b>")
                .contains("<b class=wrong>kite</b>")
                .doesNotContain("<b class=hit>ship</b>");
    }

    @Test
    void textsCannotBecomeMarkup() {
        assertThat(Report.html(data(1, null)))
                .contains("1 &lt; 2 &amp; &quot;x&quot;")
                .doesNotContain("1 < 2");
    }

    private static ReportData data(int shown, DemoFigures flops) {
        Scene scene = new Scene(
                "x",
                112,
                1,
                Background.SEA,
                List.of(new Scene.Party(Kind.BOAT, Colour.RED, List.of(new Scene.Box(30, 30, 56)))),
                null,
                List.of("a red boat on the sea"));
        DrawnScene drawn = scene.draw();
        List<WeightedWord> words = List.of(
                new WeightedWord("ship", 0.5f),
                new WeightedWord("boat", 0.4f),
                new WeightedWord("red", 0.3f),
                new WeightedWord("kite", 0.2f),
                new WeightedWord("sea", 0.1f));
        List<ReportData.ShownPicture> pictures = new ArrayList<>();
        for (int i = 0; i < shown; i++) {
            pictures.add(new ReportData.ShownPicture(
                    drawn.picture(),
                    scene.captions().get(0),
                    words,
                    scene.truth(),
                    new float[64],
                    8,
                    List.of(new ReportData.ScoredText("1 < 2 & \"x\"", 0.5, true))));
        }
        int[] prediction = new int[64];
        return new ReportData(
                List.of("about"),
                List.of("stand-ins"),
                figures(0.1),
                figures(0.8125),
                flops,
                List.of(new ReportData.Curve("overuse", new double[] {0, 1}, new double[] {2, 1})),
                List.of(),
                List.of(new SparsitySweep.Point(
                        0.1, 10, 5, new Retrieval.Recalls(0.5, 1, 1), new Retrieval.Recalls(0.5, 1, 1))),
                pictures,
                flops == null ? List.of() : pictures,
                flops == null
                        ? List.of()
                        : List.of(new ReportData.NamedPatches(drawn.picture(), drawn.classes(), prediction, 8, 0.5)),
                Map.of("seed", "7"));
    }

    private static DemoFigures figures(double share) {
        DemoFigures.Recall recall = new DemoFigures.Recall(share, share, share);
        return new DemoFigures(
                recall,
                recall,
                new DemoFigures.Words(share, share, share, share),
                new DemoFigures.Patches(share, 0.025),
                10,
                5,
                100,
                50);
    }
}
