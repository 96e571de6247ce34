package org.lexvla.evaluation;

/** Text for SVG and HTML. */
final class Markup {
    private Markup() {}

    /** The text with the five characters that mean something to XML written as entities. */
    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }
}
