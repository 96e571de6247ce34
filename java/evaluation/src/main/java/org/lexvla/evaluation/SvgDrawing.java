package org.lexvla.evaluation;

import java.awt.Color;
import java.util.Locale;

/** A drawing as an SVG element, which scales with its container. */
final class SvgDrawing implements Drawing {
    private final StringBuilder svg = new StringBuilder();

    SvgDrawing(int width, int height, String label) {
        add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\""
                        + " font-family=\"system-ui, DejaVu Sans, sans-serif\">",
                width, height, Markup.escape(label));
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }

    @Override
    public void line(double x0, double y0, double x1, double y1, Color colour) {
        add("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>", x0, y0, x1, y1, Magma.hex(colour));
    }

    @Override
    public void polyline(double[] x, double[] y, Color colour) {
        StringBuilder points = new StringBuilder();
        for (int i = 0; i < x.length; i++) {
            points.append(String.format(Locale.ROOT, i == 0 ? "%.1f,%.1f" : " %.1f,%.1f", x[i], y[i]));
        }
        add(
                "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"/>",
                points, Magma.hex(colour));
    }

    @Override
    public void disc(double x, double y, double radius, Color colour) {
        add("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>", x, y, radius, Magma.hex(colour));
    }

    @Override
    public void rectangle(double x, double y, double width, double height, Color colour) {
        add(
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>",
                x, y, width, height, Magma.hex(colour));
    }

    @Override
    public void text(double x, double y, Anchor anchor, double size, Color colour, String text) {
        write(x, y, anchor, size, colour, "", text);
    }

    @Override
    public void upright(double x, double y, Anchor anchor, double size, Color colour, String text) {
        write(
                x,
                y,
                anchor,
                size,
                colour,
                String.format(Locale.ROOT, " transform=\"rotate(-90 %.1f %.1f)\"", x, y),
                text);
    }

    private void write(double x, double y, Anchor anchor, double size, Color colour, String turned, String text) {
        add(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%.1f\" fill=\"%s\"%s>%s</text>",
                x, y, anchor.name().toLowerCase(Locale.ROOT), size, Magma.hex(colour), turned, Markup.escape(text));
    }

    /** The whole element. */
    String finish() {
        return svg + "</svg>";
    }
}
