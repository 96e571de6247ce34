package org.lexvla.evaluation;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A chart of lines over one pair of axes, as SVG or as a picture. Axes begin and end at round numbers; each line is named at its right end.
 *
 * <pre>{@code
 * String svg = LineChart.of("training step", "loss").line("image", steps, losses).toSvg(480, 260);
 * }</pre>
 */
public final class LineChart {
    private static final Color[] COLOURS = {
        new Color(0x832681),
        new Color(0xE75263),
        new Color(0x1F77B4),
        new Color(0x2A9D5C),
        new Color(0xB8730A),
        new Color(0x51127C)
    };
    private static final Color BASE = new Color(0x999999);
    private static final Color RULE = new Color(0xE6E3EA);
    private static final Color TICK = new Color(0x666666);
    private static final Color LABEL = new Color(0x444444);
    private static final double LETTERS = 12;
    /** Points of a line that has no more than these are marked. */
    private static final int MARKED = 12;

    private static final int LEFT = 56;
    private static final int TOP = 14;
    private static final int BOTTOM = 46;
    private static final int NAME_HEIGHT = 15;

    private record Line(String name, double[] x, double[] y) {}

    private final String xLabel;
    private final String yLabel;
    private final List<Line> lines = new ArrayList<>();
    private boolean fromZero;
    private boolean logarithmic;

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

    /** Makes each factor of ten of the horizontal axis as wide as any other; points at 0 or below are left out. */
    public LineChart logarithmic() {
        logarithmic = true;
        return this;
    }

    /** The chart as an SVG element of the given size; the vertical axis begins at 0 if that is near. */
    public String toSvg(int width, int height) {
        SvgDrawing svg = new SvgDrawing(width, height, yLabel + " against " + xLabel);
        draw(svg, width, height);
        return svg.finish();
    }

    /** The same as a picture on white, of twice the size in pixels; needs a font of the machine. */
    public BufferedImage toImage(int width, int height) {
        try (ImageDrawing drawing = new ImageDrawing(width, height)) {
            draw(drawing, width, height);
            return drawing.image();
        }
    }

    private void draw(Drawing drawing, int width, int height) {
        int edge = width - rightMargin();
        Axis horizontal = axis(true, LEFT, edge);
        Axis vertical = axis(false, height - BOTTOM, TOP);
        for (double tick : vertical.ticks()) {
            double y = vertical.at(tick);
            drawing.line(LEFT, y, edge, y, tick == vertical.from ? BASE : RULE);
            drawing.text(LEFT - 8, y + 4, Drawing.Anchor.END, LETTERS, TICK, vertical.write(tick));
        }
        for (double tick : horizontal.ticks()) {
            double x = horizontal.at(tick);
            drawing.line(x, height - BOTTOM, x, height - BOTTOM + 4, BASE);
            drawing.text(x, height - BOTTOM + 18, Drawing.Anchor.MIDDLE, LETTERS, TICK, horizontal.write(tick));
        }
        drawing.text((LEFT + edge) / 2.0, height - 8, Drawing.Anchor.MIDDLE, LETTERS, LABEL, xLabel);
        drawing.upright(14, (TOP + height - BOTTOM) / 2.0, Drawing.Anchor.MIDDLE, LETTERS, LABEL, yLabel);
        drawLines(drawing, horizontal, vertical, edge);
    }

    private void drawLines(Drawing drawing, Axis horizontal, Axis vertical, int edge) {
        List<double[]> ends = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            Line line = lines.get(i);
            double[] x = new double[line.x.length];
            double[] y = new double[line.x.length];
            int count = 0;
            int rightmost = 0;
            for (int p = 0; p < line.x.length; p++) {
                if (horizontal.has(line.x[p]) && Double.isFinite(line.y[p])) {
                    x[count] = horizontal.at(line.x[p]);
                    y[count] = vertical.at(line.y[p]);
                    rightmost = x[count] >= x[rightmost] ? count : rightmost;
                    count++;
                }
            }
            if (count == 0) {
                continue;
            }
            drawing.polyline(Arrays.copyOf(x, count), Arrays.copyOf(y, count), colour(i));
            for (int p = 0; p < count && count <= MARKED; p++) {
                drawing.disc(x[p], y[p], 3, colour(i));
            }
            ends.add(new double[] {y[rightmost], i});
        }
        writeNames(drawing, ends, edge, vertical.start);
    }

    /** Names in the order of their ends, pushed apart where they would overlap, none below the axis. */
    private void writeNames(Drawing drawing, List<double[]> ends, int edge, double bottom) {
        ends.sort((a, b) -> Double.compare(a[0], b[0]));
        double[] y = new double[ends.size()];
        for (int i = 0; i < y.length; i++) {
            y[i] = Math.max(ends.get(i)[0] + 4, i == 0 ? Double.NEGATIVE_INFINITY : y[i - 1] + NAME_HEIGHT);
        }
        for (int i = y.length - 1; i >= 0; i--) {
            y[i] = Math.min(y[i], i == y.length - 1 ? bottom : y[i + 1] - NAME_HEIGHT);
            int line = (int) ends.get(i)[1];
            drawing.text(edge + 8, y[i], Drawing.Anchor.START, LETTERS, colour(line), lines.get(line).name);
        }
    }

    /** Room for the longest name of a line. */
    private int rightMargin() {
        int longest = lines.stream().mapToInt(line -> line.name.length()).max().orElse(0);
        return 18 + 7 * longest;
    }

    private static Color colour(int line) {
        return COLOURS[line % COLOURS.length];
    }

    private Axis axis(boolean horizontal, double start, double end) {
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (Line line : lines) {
            for (double value : horizontal ? line.x : line.y) {
                if (Double.isFinite(value) && !(horizontal && logarithmic && value <= 0)) {
                    low = Math.min(low, value);
                    high = Math.max(high, value);
                }
            }
        }
        if (low > high) {
            low = 0;
            high = 1;
        }
        if (horizontal && logarithmic) {
            low = low > 0 ? low : 0.1;
            return new Axis(round(low, false), round(Math.max(high, 2 * low), true), 0, start, end);
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

    /** The next of 1, 2, 5, 10, … and 0.5, 0.2, 0.1, …. */
    private static double round(double value, boolean up) {
        double power = Math.pow(10, Math.floor(Math.log10(value) + 1e-9));
        double best = up ? 10 * power : power;
        for (double factor : new double[] {2, 5}) {
            double round = factor * power;
            if (up && round >= value * (1 - 1e-9)) {
                best = Math.min(best, round);
            } else if (!up && round <= value * (1 + 1e-9)) {
                best = Math.max(best, round);
            }
        }
        return up && power >= value * (1 - 1e-9) ? power : best;
    }

    /**
     * A scale from round number to round number, and where it lies in pixels.
     *
     * @param step 0 if it is logarithmic
     */
    private record Axis(double from, double to, double step, double start, double end) {
        boolean has(double value) {
            return Double.isFinite(value) && (step > 0 || value > 0);
        }

        double at(double value) {
            double share = step > 0 ? (value - from) / (to - from) : Math.log(value / from) / Math.log(to / from);
            return start + share * (end - start);
        }

        List<Double> ticks() {
            List<Double> ticks = new ArrayList<>();
            if (step == 0) {
                // Powers of ten, and what is between where these are few.
                boolean few = to / from < 100;
                for (double power = Math.pow(10, Math.floor(Math.log10(from) + 1e-9));
                        power <= to * 1.001;
                        power *= 10) {
                    for (double factor : few ? new double[] {1, 2, 5} : new double[] {1}) {
                        double tick = factor * power;
                        if (tick >= from * 0.999 && tick <= to * 1.001) {
                            ticks.add(tick);
                        }
                    }
                }
                return ticks;
            }
            int count = (int) Math.round((to - from) / step);
            for (int i = 0; i <= count; i++) {
                ticks.add(from + i * step);
            }
            return ticks;
        }

        String write(double tick) {
            int digits = Math.max(0, (int) Math.ceil(-Math.log10(step > 0 ? step : tick) - 1e-9));
            return String.format(Locale.ROOT, "%." + digits + "f", Math.abs(tick) < step * 1e-6 ? 0.0 : tick);
        }
    }
}
