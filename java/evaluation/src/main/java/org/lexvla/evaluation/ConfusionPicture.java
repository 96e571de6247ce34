package org.lexvla.evaluation;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.util.List;
import java.util.Locale;

/**
 * A confusion matrix as a picture: a row per true class, a column per predicted one, the darker a cell the larger its share of the
 * row. In a matrix of few classes the shares stand in the cells, in percent.
 */
public final class ConfusionPicture {
    private static final Color FULL = new Color(0x51127C);
    private static final Color GRID = new Color(0xEFEDF2);
    private static final Color NAMES = new Color(0x444444);
    /** Up to so many classes the cells are large enough for numbers. */
    private static final int NUMBERED = 25;

    private final ConfusionMatrix matrix;
    private final List<String> names;
    private final int cell;
    private final double letters;
    private final int margin;

    /**
     * @param matrix the counts
     * @param names  of its classes
     */
    public ConfusionPicture(ConfusionMatrix matrix, List<String> names) {
        if (names.size() != matrix.classes()) {
            throw new IllegalArgumentException(
                    names.size() + " names for " + matrix.classes() + " classes: give one for each");
        }
        this.matrix = matrix;
        this.names = List.copyOf(names);
        boolean numbered = names.size() <= NUMBERED;
        this.cell = numbered ? 28 : 12;
        this.letters = numbered ? 12 : 9;
        int longest = names.stream().mapToInt(String::length).max().orElse(0);
        this.margin = 44 + (int) Math.ceil(0.62 * letters * longest);
    }

    /** As an SVG element. */
    public String toSvg() {
        SvgDrawing svg = new SvgDrawing(side(), side(), "confusion matrix, true against predicted class");
        draw(svg);
        return svg.finish();
    }

    /** As a picture on white, at twice the size in pixels; needs a font of the machine. */
    public BufferedImage toImage() {
        try (ImageDrawing drawing = new ImageDrawing(side(), side())) {
            draw(drawing);
            return drawing.image();
        }
    }

    private int side() {
        return margin + cell * names.size() + 12;
    }

    private void draw(Drawing drawing) {
        int classes = names.size();
        double end = margin + (double) cell * classes;
        for (int truth = 0; truth < classes; truth++) {
            long pixels = 0;
            for (int predicted = 0; predicted < classes; predicted++) {
                pixels += matrix.count(truth, predicted);
            }
            for (int predicted = 0; predicted < classes && pixels > 0; predicted++) {
                cell(drawing, truth, predicted, matrix.count(truth, predicted) / (double) pixels);
            }
        }
        for (int i = 0; i <= classes; i++) {
            double at = margin + (double) i * cell;
            drawing.line(margin, at, end, at, GRID);
            drawing.line(at, margin, at, end, GRID);
        }
        for (int i = 0; i < classes; i++) {
            double middle = margin + (i + 0.5) * cell + letters / 3;
            drawing.text(margin - 6, middle, Drawing.Anchor.END, letters, NAMES, names.get(i));
            drawing.upright(middle, margin - 6, Drawing.Anchor.START, letters, NAMES, names.get(i));
        }
        if (classes > NUMBERED) {
            scale(drawing);
        }
        double centre = (margin + end) / 2;
        drawing.upright(16, centre, Drawing.Anchor.MIDDLE, 13, NAMES, "true class");
        drawing.text(centre, 18, Drawing.Anchor.MIDDLE, 13, NAMES, "predicted class (share of the row, %)");
    }

    /** In the corner that the names leave free: which shade is which share, where the cells do not say it. */
    private void scale(Drawing drawing) {
        int steps = 5;
        double left = 28;
        double top = 30;
        for (int step = 0; step < steps; step++) {
            Color shade = Magma.mix(Color.WHITE, FULL, step / (steps - 1.0));
            drawing.rectangle(left + step * cell, top, cell, cell, shade);
        }
        double right = left + (double) steps * cell;
        for (int line = 0; line < 2; line++) {
            double across = top + (double) line * cell;
            double down = line == 0 ? left : right;
            drawing.line(left, across, right, across, GRID);
            drawing.line(down, top, down, top + cell, GRID);
        }
        double below = top + cell + letters + 1;
        drawing.text(left, below, Drawing.Anchor.START, letters, NAMES, "0");
        drawing.text(right, below, Drawing.Anchor.END, letters, NAMES, "100 %");
    }

    private void cell(Drawing drawing, int truth, int predicted, double share) {
        double x = margin + (double) predicted * cell;
        double y = margin + (double) truth * cell;
        drawing.rectangle(x, y, cell, cell, Magma.mix(Color.WHITE, FULL, share));
        long percent = Math.round(100 * share);
        if (names.size() <= NUMBERED && percent > 0) {
            drawing.text(
                    x + cell / 2.0,
                    y + cell / 2.0 + 4,
                    Drawing.Anchor.MIDDLE,
                    11,
                    share > 0.45 ? Color.WHITE : NAMES,
                    String.format(Locale.ROOT, "%d", percent));
        }
    }
}
