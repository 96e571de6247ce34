package org.lexvla.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import org.lexvla.cli.demo.Html;
import org.lexvla.evaluation.ExplanationSheet;
import org.lexvla.lexical.WeightedWord;

/** An explanation as one HTML page that holds its pictures and style, and refers to nothing outside itself. */
final class ExplainPage {
    /**
     * Words in numbers.
     *
     * @param title what they are
     * @param note  how to read them
     * @param words strongest first
     */
    record Listed(String title, String note, List<WeightedWord> words) {}

    private ExplainPage() {}

    static String html(String title, ExplanationSheet sheet, List<Listed> lists) {
        StringBuilder page = new StringBuilder();
        page.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>")
                .append(Html.escape(title))
                .append("</title><style>")
                .append(style())
                .append("</style></head><body><main>\n<h1>")
                .append(Html.escape(title))
                .append("</h1>\n<div class=panels>");
        for (ExplanationSheet.Panel panel : sheet.panels()) {
            page.append("<figure><figcaption>")
                    .append(Html.escape(panel.title()))
                    .append("</figcaption>")
                    .append(panel.image() == null ? panel.cloud().toSvg() : Html.image(panel.image(), panel.title()))
                    .append("<p>")
                    .append(Html.escape(panel.note()))
                    .append("</p></figure>\n");
        }
        page.append("</div>\n<div class=lists>");
        for (Listed list : lists) {
            list(page, list);
        }
        return page.append("</div></main></body></html>\n").toString();
    }

    private static void list(StringBuilder page, Listed list) {
        page.append("<section><h2>")
                .append(Html.escape(list.title))
                .append("</h2><p>")
                .append(Html.escape(list.note))
                .append("</p><ol>");
        double largest = list.words.isEmpty() ? 1 : list.words.get(0).weight();
        for (WeightedWord word : list.words) {
            page.append(String.format(
                    Locale.ROOT,
                    "<li><i style=\"width:%.1f%%\"></i><b>%s</b><span>%.4f</span></li>",
                    100 * Math.max(0, word.weight() / largest),
                    Html.escape(word.word()),
                    word.weight()));
        }
        page.append("</ol></section>\n");
    }

    private static String style() {
        try (InputStream in = ExplainPage.class.getResourceAsStream("explain.css")) {
            if (in == null) {
                throw new IllegalStateException("explain.css is not on the class path beside "
                        + ExplainPage.class.getName() + ": build the command line module again");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException("cannot read explain.css: " + e.getMessage(), e);
        }
    }
}
