package org.lexvla.evaluation;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A chart of lines over one pair of axes, as SVG. Axes begin and end at round numbers; each line is named at its right end.
 *
 * <pre>{@code
 * String svg = LineChart.of("training step", "loss").line("image", steps, losses).toSvg(480, 260);
 * }</pre>
 */
public final class LineChart {
    private static final String[] COLOURS = {"#832681", "#e75263", "#1f77b4", "#2a9d5c", "#b8730a", "#51127c"};
    private static final int LEFT = 56;
    private static final int TOP = 14;
    private static final int BOTTOM = 46;
    private static final int NAME_HEIGHT = 15;

    private record Line(String name, double[] x, double[] y) {}

    private final String xLabel;
    private final String yLabel;
    private final List<Line> lines = new ArrayList<>();
    private boolean fromZero;

    private LineChart(String xLabel, String yLabel) {
        this.xLabel = xLabel;
        this.yLabel = yLabel;
    }

    /** An empty chart with the names of its axes. */
    public static LineChart of(String xLabel, String yLabel) {
        return new LineChart(xLabel, yLabel);
    }

    /**
     * Adds a line.
     *
     * @param name written at its right end
     * @param x in the order in which to join the points
     * @param y as many as x; points with a value that is not finite are left out
     */
    public LineChart line(String name, double[] x, double[] y) {
        if (x.length != y.length) {
            throw new IllegalArgumentException(
                    "line \"" + name + "\" has " + x.length + " x and " + y.length + " y: give one y per x");
        }
        lines.add(new Line(name, x.clone(), y.clone()));
        return this;
    }

    /** Begins the vertical axis at 0 in any case, so that heights compare as the numbers do. */
    public LineChart fromZero() {
        fromZero = true;
        return this;
    }

    /** The chart as an SVG element of the given size; the vertical axis begins at 0 if that is near. */
    public String toSvg(int width, int height) {
        int edge = width - rightMargin();
        Axis horizontal = axis(true, LEFT, edge);
        Axis vertical = axis(false, height - BOTTOM, TOP);
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s against %s\""
                        + " font-family=\"system-ui, DejaVu Sans, sans-serif\" font-size=\"12\" fill=\"#444\">",
                width,
                height,
                Markup.escape(yLabel),
                Markup.escape(xLabel)));
        for (double tick : vertical.ticks()) {
            double y = vertical.at(tick);
            svg.append(segment(LEFT, y, edge, y, tick == vertical.from ? "#999" : "#e6e3ea"));
            svg.append(text(LEFT - 8, y + 4, "end", "#666", vertical.write(tick)));
        }
        for (double tick : horizontal.ticks()) {
            double x = horizontal.at(tick);
            svg.append(segment(x, height - BOTTOM, x, height - BOTTOM + 4, "#999"));
            svg.append(text(x, height - BOTTOM + 18, "middle", "#666", horizontal.write(tick)));
        }
        svg.append(text((LEFT + edge) / 2.0, height - 8, "middle", "#444", xLabel));
        svg.append(String.format(
                Locale.ROOT,
                "<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>",
                (TOP + height - BOTTOM) / 2.0,
                Markup.escape(yLabel)));
        drawLines(svg, horizontal, vertical, edge);
        return svg.append("</svg>").toString();
    }

    private void drawLines(StringBuilder svg, Axis horizontal, Axis vertical, int edge) {
        List<double[]> ends = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            Line line = lines.get(i);
            StringBuilder points = new StringBuilder();
            double end = Double.NaN;
            double right = Double.NEGATIVE_INFINITY;
            int count = 0;
            for (int p = 0; p < line.x.length; p++) {
                if (Double.isFinite(line.x[p]) && Double.isFinite(line.y[p])) {
                    double x = horizontal.at(line.x[p]);
                    double y = vertical.at(line.y[p]);
                    points.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
                    if (x >= right) {
                        right = x;
                        end = y;
                    }
                    count++;
                }
            }
            if (count == 0) {
                continue;
            }
            svg.append(String.format(
                    "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"/>",
                    points.toString().strip(), colour(i)));
            if (count <= 12) {
                for (String point : points.toString().strip().split(" ")) {
                    String[] at = point.split(",");
                    svg.append(String.format(
                            "<circle cx=\"%s\" cy=\"%s\" r=\"3\" fill=\"%s\"/>", at[0], at[1], colour(i)));
                }
            }
            ends.add(new double[] {end, i});
        }
        writeNames(svg, ends, edge, vertical.start);
    }

    /** Names in the order of their ends, pushed apart where they would overlap, none below the axis. */
    private void writeNames(StringBuilder svg, List<double[]> ends, int edge, double bottom) {
        ends.sort((a, b) -> Double.compare(a[0], b[0]));
        double[] y = new double[ends.size()];
        for (int i = 0; i < y.length; i++) {
            y[i] = Math.max(ends.get(i)[0] + 4, i == 0 ? Double.NEGATIVE_INFINITY : y[i - 1] + NAME_HEIGHT);
        }
        for (int i = y.length - 1; i >= 0; i--) {
            y[i] = Math.min(y[i], i == y.length - 1 ? bottom : y[i + 1] - NAME_HEIGHT);
            int line = (int) ends.get(i)[1];
            svg.append(text(edge + 8, y[i], "start", colour(line), lines.get(line).name));
        }
    }

    /** Room for the longest name of a line. */
    private int rightMargin() {
        int longest = lines.stream().mapToInt(line -> line.name.length()).max().orElse(0);
        return 18 + 7 * longest;
    }

    private static String colour(int line) {
        return COLOURS[line % COLOURS.length];
    }

    private static String segment(double x0, double y0, double x1, double y1, String colour) {
        return String.format(
                Locale.ROOT,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>",
                x0,
                y0,
                x1,
                y1,
                colour);
    }

    private static String text(double x, double y, String anchor, String colour, String text) {
        return String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>",
                x,
                y,
                anchor,
                colour,
                Markup.escape(text));
    }

    private Axis axis(boolean horizontal, double start, double end) {
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (Line line : lines) {
            for (double value : horizontal ? line.x : line.y) {
                if (Double.isFinite(value)) {
                    low = Math.min(low, value);
                    high = Math.max(high, value);
                }
            }
        }
        if (low > high) {
            low = 0;
            high = 1;
        }
        if (low > 0 && (low < 0.5 * high || (fromZero && !horizontal))) {
            low = 0;
        }
        if (high == low) {
            high = low + 1;
        }
        double rough = (high - low) / (horizontal ? 4 : 5);
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        double step = rough / power < 1.5
                ? power
                : rough / power < 3.5 ? 2 * power : rough / power < 7.5 ? 5 * power : 10 * power;
        return new Axis(Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step, step, start, end);
    }

    /** A scale from round number to round number, and where it lies in pixels. */
    private record Axis(double from, double to, double step, double start, double end) {
        double at(double value) {
            return start + (value - from) / (to - from) * (end - start);
        }

        List<Double> ticks() {
            List<Double> ticks = new ArrayList<>();
            int count = (int) Math.round((to - from) / step);
            for (int i = 0; i <= count; i++) {
                ticks.add(from + i * step);
            }
            return ticks;
        }

        String write(double tick) {
            int digits = Math.max(0, (int) Math.ceil(-Math.log10(step) - 1e-9));
            return String.format(Locale.ROOT, "%." + digits + "f", Math.abs(tick) < step * 1e-6 ? 0 : tick);
        }
    }
}
