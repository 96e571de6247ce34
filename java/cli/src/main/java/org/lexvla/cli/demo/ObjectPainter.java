package org.lexvla.cli.demo;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Shape;
import java.awt.geom.Arc2D;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Line2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.geom.RoundRectangle2D;

/**
 * Draws the objects in the unit square. The body is cut from paper of the object's colour with a pattern of its kind ({@link
 * PatternedPaper}); details (sails, windows, wheels, stems …) have colours of their own.
 */
final class ObjectPainter {
    private static final Color INK = new Color(0x26, 0x24, 0x2B);
    private static final Color WOOD = new Color(0x6B, 0x44, 0x23);
    private static final Color CREAM = new Color(0xFF, 0xF3, 0xDC);
    private static final Color GLASS = new Color(0xCF, 0xEC, 0xF7);
    private static final Color GOLD = new Color(0xFF, 0xC8, 0x2E);

    private final Graphics2D graphics;
    private final Color body;
    private final Color dark;
    private final Color light;
    private PatternedPaper paper;

    /**
     * @param graphics scaled so that the object's box is the unit square
     * @param body colour of the object
     */
    ObjectPainter(Graphics2D graphics, Color body) {
        this.graphics = graphics;
        this.body = body;
        this.dark = mix(body, Color.BLACK, 0.42);
        this.light = mix(body, Color.WHITE, 0.45);
    }

    void paint(Kind kind) {
        paper = new PatternedPaper(kind, body);
        switch (kind) {
            case BOAT -> boat();
            case TREE -> tree();
            case HOUSE -> house();
            case FISH -> fish();
            case CAR -> car();
            case STAR -> star();
            case FLOWER -> flower();
            case UMBRELLA -> umbrella();
            case BALL -> ball();
            case KITE -> kite();
            case MUSHROOM -> mushroom();
            case GIFT -> gift();
        }
    }

    /** Hull and one sail of paper, one sail white. */
    private void boat() {
        fill(polygon(0.55, 0.03, 0.55, 0.5, 0.93, 0.5), Color.WHITE, INK);
        cut(polygon(0.47, 0.06, 0.47, 0.5, 0.06, 0.5));
        line(0.51, 0.02, 0.51, 0.58, 0.04, WOOD);
        cut(polygon(0.01, 0.54, 0.99, 0.54, 0.84, 0.97, 0.16, 0.97));
    }

    /** Round crown on a brown trunk. */
    private void tree() {
        fill(polygon(0.43, 0.6, 0.57, 0.6, 0.62, 0.99, 0.38, 0.99), WOOD, mix(WOOD, Color.BLACK, 0.4));
        Path2D crown = new Path2D.Double(Path2D.WIND_NON_ZERO);
        double[][] puffs = {
            {0.5, 0.24, 0.23},
            {0.26, 0.36, 0.22},
            {0.74, 0.36, 0.22},
            {0.33, 0.55, 0.2},
            {0.67, 0.55, 0.2},
            {0.5, 0.45, 0.25}
        };
        for (double[] puff : puffs) {
            crown.append(circle(puff[0], puff[1], puff[2]), false);
        }
        for (double[] puff : puffs) {
            graphics.setColor(dark);
            graphics.fill(circle(puff[0], puff[1], puff[2] + 0.02));
        }
        paper.fill(graphics, crown);
    }

    /** Wall of paper, slate roof, lit window, door. */
    private void house() {
        cut(new Rectangle2D.Double(0.07, 0.36, 0.86, 0.62));
        fill(polygon(0.01, 0.38, 0.5, 0.03, 0.99, 0.38), new Color(0x4A, 0x4E, 0x5A), INK);
        for (double y = 0.14; y < 0.36; y += 0.08) {
            double half = (y - 0.03) / 0.35 * 0.47;
            line(0.5 - half, y, 0.5 + half, y, 0.018, new Color(0x80, 0x86, 0x94));
        }
        fill(new Rectangle2D.Double(0.17, 0.5, 0.18, 0.16), GOLD, INK);
        line(0.26, 0.5, 0.26, 0.66, 0.02, INK);
        line(0.17, 0.58, 0.35, 0.58, 0.02, INK);
        fill(new Rectangle2D.Double(0.63, 0.64, 0.17, 0.34), WOOD, INK);
        fill(circle(0.76, 0.82, 0.02), GOLD, null);
    }

    /** Body of paper, forked tail, one large eye. */
    private void fish() {
        cut(polygon(0.7, 0.5, 0.99, 0.2, 0.92, 0.5, 0.99, 0.8));
        cut(polygon(0.3, 0.26, 0.6, 0.04, 0.66, 0.28));
        fill(polygon(0.42, 0.74, 0.6, 0.94, 0.62, 0.72), light, dark);
        cut(new Ellipse2D.Double(0.01, 0.18, 0.82, 0.64));
        graphics.setColor(dark);
        graphics.setStroke(new BasicStroke(0.025f));
        graphics.draw(new Arc2D.Double(0.16, 0.3, 0.16, 0.4, -80, 160, Arc2D.OPEN));
        fill(circle(0.17, 0.43, 0.085), Color.WHITE, INK);
        fill(circle(0.15, 0.43, 0.04), INK, null);
    }

    /** Body of paper, pale windows, black wheels with grey hubs. */
    private void car() {
        Path2D cabin = new Path2D.Double();
        cabin.moveTo(0.16, 0.5);
        cabin.quadTo(0.24, 0.16, 0.38, 0.16);
        cabin.lineTo(0.66, 0.16);
        cabin.quadTo(0.77, 0.18, 0.88, 0.5);
        cabin.closePath();
        cut(cabin);
        fill(polygon(0.3, 0.43, 0.36, 0.28, 0.49, 0.28, 0.49, 0.43), GLASS, INK);
        fill(polygon(0.54, 0.43, 0.54, 0.28, 0.65, 0.28, 0.73, 0.43), GLASS, INK);
        cut(new RoundRectangle2D.Double(0.01, 0.46, 0.98, 0.33, 0.16, 0.2));
        line(0.515, 0.47, 0.515, 0.78, 0.018, dark);
        fill(new Rectangle2D.Double(0.56, 0.58, 0.08, 0.03), INK, null);
        fill(new Ellipse2D.Double(0.02, 0.56, 0.07, 0.09), GOLD, INK);
        fill(new Rectangle2D.Double(0.93, 0.56, 0.05, 0.08), new Color(0xFF, 0x4D, 0x4D), INK);
        for (double x : new double[] {0.26, 0.76}) {
            fill(circle(x, 0.78, 0.14), INK, null);
            fill(circle(x, 0.78, 0.075), new Color(0xC9, 0xCD, 0xD4), null);
            fill(circle(x, 0.78, 0.025), INK, null);
        }
    }

    /** Five points with creases from the middle. */
    private void star() {
        Path2D outline = new Path2D.Double();
        for (int i = 0; i < 10; i++) {
            double[] tip = starTip(i);
            if (i == 0) {
                outline.moveTo(tip[0], tip[1]);
            } else {
                outline.lineTo(tip[0], tip[1]);
            }
        }
        outline.closePath();
        cut(outline);
        for (int i = 0; i < 10; i++) {
            double[] tip = starTip(i);
            line(0.5, 0.54, tip[0], tip[1], 0.012, dark);
        }
        stroke(outline, 0.035, dark);
    }

    private static double[] starTip(int i) {
        double radius = i % 2 == 0 ? 0.54 : 0.29;
        double angle = Math.PI * (i / 5.0 - 0.5);
        return new double[] {0.5 + radius * Math.cos(angle), 0.54 + radius * Math.sin(angle)};
    }

    /** Round petals about a dotted heart, on a green stem. */
    private void flower() {
        line(0.5, 0.5, 0.5, 0.99, 0.05, new Color(0x2F, 0x8F, 0x3A));
        fill(new Arc2D.Double(0.5, 0.72, 0.34, 0.22, 60, 200, Arc2D.CHORD), new Color(0x46, 0xAF, 0x4C), INK);
        for (int i = 0; i < 7; i++) {
            double angle = 2 * Math.PI * i / 7 - Math.PI / 2;
            double x = 0.5 + 0.24 * Math.cos(angle);
            double y = 0.38 + 0.24 * Math.sin(angle);
            cut(circle(x, y, 0.15));
        }
        Color heart = new Color(0xFF, 0xE2, 0x66);
        fill(circle(0.5, 0.38, 0.11), heart, WOOD);
        for (int i = 0; i < 7; i++) {
            double angle = 2 * Math.PI * i / 7;
            fill(circle(0.5 + 0.06 * Math.cos(angle), 0.38 + 0.06 * Math.sin(angle), 0.017), WOOD, null);
        }
    }

    /** Canopy of paper with ribs; hooked handle. */
    private void umbrella() {
        Path2D handle = new Path2D.Double();
        handle.moveTo(0.5, 0.3);
        handle.lineTo(0.5, 0.88);
        handle.quadTo(0.52, 0.97, 0.6, 0.95);
        handle.quadTo(0.66, 0.93, 0.65, 0.86);
        stroke(handle, 0.075, INK);
        stroke(handle, 0.035, new Color(0xC9, 0x9A, 0x62));
        Path2D canopy = new Path2D.Double();
        canopy.moveTo(0.01, 0.58);
        canopy.curveTo(0.05, -0.1, 0.95, -0.1, 0.99, 0.58);
        double width = 0.98 / 5;
        for (int i = 5; i > 0; i--) {
            double right = 0.01 + i * width;
            canopy.quadTo(right - width / 2, 0.48, right - width, 0.58);
        }
        canopy.closePath();
        cut(canopy);
        for (int i = 1; i < 5; i++) {
            double x = 0.01 + i * width;
            Path2D rib = new Path2D.Double();
            rib.moveTo(0.5, 0.06);
            rib.quadTo(0.5 + (x - 0.5) * 0.95, 0.18, x, 0.58);
            stroke(rib, 0.016, dark);
        }
    }

    /** A disc with a gleam. */
    private void ball() {
        Shape disc = circle(0.5, 0.5, 0.48);
        cut(disc);
        graphics.setColor(new Color(255, 255, 255, 120));
        graphics.fill(new Ellipse2D.Double(0.2, 0.13, 0.24, 0.17));
    }

    /** Diamond with a cross of spars and a bowed tail. */
    private void kite() {
        Path2D tail = new Path2D.Double();
        tail.moveTo(0.5, 0.74);
        tail.curveTo(0.42, 0.84, 0.62, 0.88, 0.5, 0.99);
        stroke(tail, 0.025, INK);
        fill(polygon(0.4, 0.8, 0.5, 0.84, 0.4, 0.88), GOLD, INK);
        fill(polygon(0.62, 0.84, 0.5, 0.87, 0.62, 0.93), GOLD, INK);
        cut(polygon(0.5, 0.01, 0.97, 0.34, 0.5, 0.8, 0.03, 0.34));
        line(0.5, 0.01, 0.5, 0.8, 0.03, CREAM);
        line(0.03, 0.34, 0.97, 0.34, 0.03, CREAM);
    }

    /** Cap of paper on a cream stem with gills. */
    private void mushroom() {
        Path2D stem = new Path2D.Double();
        stem.moveTo(0.37, 0.55);
        stem.quadTo(0.4, 0.8, 0.3, 0.98);
        stem.lineTo(0.7, 0.98);
        stem.quadTo(0.6, 0.8, 0.63, 0.55);
        stem.closePath();
        fill(stem, CREAM, WOOD);
        for (double x = 0.42; x < 0.62; x += 0.08) {
            line(x, 0.62, x, 0.92, 0.014, new Color(0xD9, 0xC3, 0x9A));
        }
        cut(new Arc2D.Double(0.01, 0.03, 0.98, 1.2, 0, 180, Arc2D.CHORD));
    }

    /** Box of paper under a pale ribbon with a bow. */
    private void gift() {
        cut(new Rectangle2D.Double(0.06, 0.28, 0.88, 0.7));
        Color ribbon = new Color(0xF4, 0xF0, 0xFF);
        fill(new Rectangle2D.Double(0.45, 0.28, 0.1, 0.7), ribbon, INK);
        fill(new Rectangle2D.Double(0.02, 0.26, 0.96, 0.1), ribbon, INK);
        fill(new Ellipse2D.Double(0.2, 0.06, 0.3, 0.21), ribbon, INK);
        fill(new Ellipse2D.Double(0.5, 0.06, 0.3, 0.21), ribbon, INK);
        fill(circle(0.5, 0.2, 0.07), ribbon, INK);
    }

    /** Cuts a shape from the kind's paper. */
    private void cut(Shape shape) {
        paper.fill(graphics, shape);
        stroke(shape, 0.03, dark);
    }

    private void fill(Shape shape, Color inside, Color outline) {
        graphics.setColor(inside);
        graphics.fill(shape);
        if (outline != null) {
            stroke(shape, 0.03, outline);
        }
    }

    private void stroke(Shape shape, double width, Color colour) {
        graphics.setColor(colour);
        graphics.setStroke(new BasicStroke((float) width, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
        graphics.draw(shape);
    }

    private void line(double x0, double y0, double x1, double y1, double width, Color colour) {
        graphics.setColor(colour);
        graphics.setStroke(new BasicStroke((float) width));
        graphics.draw(new Line2D.Double(x0, y0, x1, y1));
    }

    private static Shape circle(double x, double y, double radius) {
        return new Ellipse2D.Double(x - radius, y - radius, 2 * radius, 2 * radius);
    }

    private static Shape polygon(double... points) {
        Path2D path = new Path2D.Double();
        path.moveTo(points[0], points[1]);
        for (int i = 2; i < points.length; i += 2) {
            path.lineTo(points[i], points[i + 1]);
        }
        path.closePath();
        return path;
    }

    private static Color mix(Color one, Color other, double share) {
        return new Color(
                (int) Math.round(one.getRed() + (other.getRed() - one.getRed()) * share),
                (int) Math.round(one.getGreen() + (other.getGreen() - one.getGreen()) * share),
                (int) Math.round(one.getBlue() + (other.getBlue() - one.getBlue()) * share));
    }
}
