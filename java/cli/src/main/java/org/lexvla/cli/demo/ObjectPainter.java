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
 * Draws the objects in the unit square. The body takes the object's colour; what lies on it (planks, bricks, scales, dots …), and
 * the second colour in which that is drawn, differ from kind to kind, so that a 14-pixel patch from the middle of an object tells the
 * kind as well as the colour.
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
    private Color accent;

    /**
     * @param graphics scaled so that the object's box is the unit square
     * @param body colour of the object
     */
    ObjectPainter(Graphics2D graphics, Color body) {
        this.graphics = graphics;
        this.body = body;
        this.dark = mix(body, Color.BLACK, 0.42);
    }

    void paint(Kind kind) {
        accent = accent(kind);
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

    /** The second colour of a kind, far from the others and from most bodies. */
    private static Color accent(Kind kind) {
        return new Color(
                switch (kind) {
                    case BOAT -> 0x1B2A6B; // navy
                    case TREE -> 0x0B4F26; // deep green
                    case HOUSE -> 0x7C8494; // slate
                    case FISH -> 0x22E0D0; // turquoise
                    case CAR -> 0x16161A; // black
                    case STAR -> 0xFFF9B0; // pale yellow
                    case FLOWER -> 0xB9F53A; // lime
                    case UMBRELLA -> 0xF6D9B4; // sand
                    case BALL -> 0xFFFFFF;
                    case KITE -> 0xFF3DE8; // magenta
                    case MUSHROOM -> 0xA8F4FF; // ice
                    case GIFT -> 0xFFC82E; // gold
                });
    }

    /** Planked hull, white sail, sail of the colour with horizontal seams. */
    private void boat() {
        fill(polygon(0.53, 0.03, 0.53, 0.53, 0.95, 0.53), Color.WHITE, INK);
        fill(polygon(0.47, 0.08, 0.47, 0.53, 0.1, 0.53), body, dark);
        for (double y = 0.2; y < 0.5; y += 0.11) {
            line(0.47 - 0.37 * (y - 0.08) / 0.45, y, 0.47, y, 0.045, accent);
        }
        line(0.5, 0.02, 0.5, 0.6, 0.04, WOOD);
        Shape hull = polygon(0.01, 0.57, 0.99, 0.57, 0.82, 0.96, 0.18, 0.96);
        fill(hull, body, dark);
        clipped(hull, () -> {
            for (double y = 0.67; y < 0.95; y += 0.1) {
                line(0, y, 1, y, 0.045, accent);
            }
            line(0, 0.6, 1, 0.6, 0.035, Color.WHITE);
        });
    }

    /** Round crown of leaves on a brown trunk. */
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
        graphics.setColor(body);
        graphics.fill(crown);
        clipped(crown, () -> {
            for (int row = 0; row < 8; row++) {
                for (int column = 0; column < 8; column++) {
                    double x = column * 0.15 + (row % 2) * 0.075 - 0.03;
                    double y = 0.05 + row * 0.095;
                    leaf(x, y, accent);
                }
            }
        });
    }

    private void leaf(double x, double y, Color colour) {
        Path2D leaf = new Path2D.Double();
        leaf.moveTo(x, y + 0.05);
        leaf.quadTo(x + 0.01, y - 0.02, x + 0.075, y - 0.02);
        leaf.quadTo(x + 0.065, y + 0.05, x, y + 0.05);
        graphics.setColor(colour);
        graphics.fill(leaf);
    }

    /** Brick wall, slate roof, lit windows. */
    private void house() {
        Shape wall = new Rectangle2D.Double(0.1, 0.38, 0.8, 0.6);
        fill(wall, body, dark);
        clipped(wall, () -> {
            for (int row = 0; row < 6; row++) {
                double y = 0.38 + row * 0.1;
                line(0.1, y, 0.9, y, 0.032, accent);
                for (int column = 0; column < 6; column++) {
                    double x = 0.1 + column * 0.18 + (row % 2) * 0.09;
                    line(x, y, x, y + 0.1, 0.032, accent);
                }
            }
        });
        fill(polygon(0.01, 0.42, 0.5, 0.03, 0.99, 0.42), new Color(0x4A, 0x4E, 0x5A), INK);
        for (double y = 0.17; y < 0.4; y += 0.09) {
            double half = (y - 0.03) / 0.39 * 0.47;
            line(0.5 - half, y, 0.5 + half, y, 0.018, new Color(0x80, 0x86, 0x94));
        }
        fill(new Rectangle2D.Double(0.19, 0.52, 0.2, 0.18), GOLD, INK);
        line(0.29, 0.52, 0.29, 0.7, 0.02, INK);
        line(0.19, 0.61, 0.39, 0.61, 0.02, INK);
        fill(new Rectangle2D.Double(0.57, 0.6, 0.2, 0.38), WOOD, INK);
        fill(circle(0.72, 0.8, 0.02), GOLD, null);
    }

    /** Scaled body, forked tail, one large eye. */
    private void fish() {
        fill(polygon(0.72, 0.5, 0.99, 0.24, 0.92, 0.5, 0.99, 0.76), body, dark);
        for (double s = -1; s <= 1; s += 0.5) {
            line(0.76, 0.5 + 0.03 * s, 0.96, 0.5 + 0.2 * s, 0.03, accent);
        }
        fill(polygon(0.35, 0.28, 0.62, 0.08, 0.66, 0.3), accent, dark);
        fill(polygon(0.42, 0.72, 0.6, 0.9, 0.62, 0.7), accent, dark);
        Shape trunk = new Ellipse2D.Double(0.01, 0.22, 0.8, 0.56);
        fill(trunk, body, dark);
        clipped(trunk, () -> {
            graphics.setStroke(new BasicStroke(0.02f));
            for (int column = 0; column < 6; column++) {
                for (int row = 0; row < 7; row++) {
                    double x = 0.26 + column * 0.1;
                    double y = 0.17 + row * 0.1 + (column % 2) * 0.05;
                    graphics.setColor(accent);
                    graphics.fill(new Arc2D.Double(x, y, 0.1, 0.1, -90, 180, Arc2D.CHORD));
                    graphics.setColor(dark);
                    graphics.draw(new Arc2D.Double(x, y, 0.1, 0.1, -90, 180, Arc2D.OPEN));
                }
            }
            graphics.setColor(body);
            graphics.fill(new Rectangle2D.Double(0, 0.2, 0.3, 0.6));
            graphics.setColor(dark);
            graphics.setStroke(new BasicStroke(0.025f));
            graphics.draw(new Arc2D.Double(0.16, 0.3, 0.16, 0.4, -80, 160, Arc2D.OPEN));
        });
        fill(circle(0.17, 0.43, 0.085), Color.WHITE, INK);
        fill(circle(0.15, 0.43, 0.04), INK, null);
    }

    /** Smooth body, pale windows, black wheels with grey hubs. */
    private void car() {
        Path2D cabin = new Path2D.Double();
        cabin.moveTo(0.2, 0.5);
        cabin.quadTo(0.27, 0.22, 0.4, 0.22);
        cabin.lineTo(0.64, 0.22);
        cabin.quadTo(0.74, 0.24, 0.84, 0.5);
        cabin.closePath();
        fill(cabin, body, dark);
        fill(polygon(0.28, 0.47, 0.35, 0.29, 0.49, 0.29, 0.49, 0.47), GLASS, INK);
        fill(polygon(0.54, 0.47, 0.54, 0.29, 0.66, 0.29, 0.76, 0.47), GLASS, INK);
        Shape lower = new RoundRectangle2D.Double(0.01, 0.47, 0.98, 0.3, 0.16, 0.2);
        fill(lower, body, dark);
        clipped(lower, () -> {
            line(0, 0.55, 1, 0.55, 0.06, accent);
            line(0.515, 0.47, 0.515, 0.8, 0.018, dark);
            line(0, 0.72, 1, 0.72, 0.1, accent);
        });
        fill(new Rectangle2D.Double(0.56, 0.58, 0.08, 0.03), INK, null);
        fill(new Ellipse2D.Double(0.02, 0.56, 0.07, 0.09), GOLD, INK);
        fill(new Rectangle2D.Double(0.93, 0.56, 0.05, 0.08), new Color(0xFF, 0x4D, 0x4D), INK);
        for (double x : new double[] {0.26, 0.76}) {
            fill(circle(x, 0.78, 0.14), INK, null);
            fill(circle(x, 0.78, 0.075), new Color(0xC9, 0xCD, 0xD4), null);
            fill(circle(x, 0.78, 0.025), INK, null);
        }
    }

    /** Five points cut into facets, one half of each lit. */
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
        fill(outline, body, dark);
        for (int i = 0; i < 10; i++) {
            double[] a = starTip(i);
            double[] b = starTip(i + 1);
            fill(polygon(0.5, 0.54, a[0], a[1], b[0], b[1]), i % 2 == 0 ? accent : body, null);
        }
        for (int i = 0; i < 10; i++) {
            double[] tip = starTip(i);
            line(0.5, 0.54, tip[0], tip[1], 0.014, dark);
        }
        stroke(outline, 0.035, dark);
    }

    private static double[] starTip(int i) {
        double radius = i % 2 == 0 ? 0.52 : 0.25;
        double angle = Math.PI * (i / 5.0 - 0.5);
        return new double[] {0.5 + radius * Math.cos(angle), 0.54 + radius * Math.sin(angle)};
    }

    /** Round petals with a vein each about a dotted heart, on a green stem. */
    private void flower() {
        line(0.5, 0.5, 0.5, 0.99, 0.05, new Color(0x2F, 0x8F, 0x3A));
        fill(new Arc2D.Double(0.5, 0.72, 0.34, 0.22, 60, 200, Arc2D.CHORD), new Color(0x46, 0xAF, 0x4C), INK);
        for (int i = 0; i < 7; i++) {
            double angle = 2 * Math.PI * i / 7 - Math.PI / 2;
            double x = 0.5 + 0.24 * Math.cos(angle);
            double y = 0.38 + 0.24 * Math.sin(angle);
            fill(circle(x, y, 0.135), body, dark);
            for (int vein = -1; vein <= 1; vein++) {
                double direction = angle + vein * 0.22;
                line(
                        0.5 + 0.15 * Math.cos(direction),
                        0.38 + 0.15 * Math.sin(direction),
                        0.5 + 0.33 * Math.cos(direction),
                        0.38 + 0.33 * Math.sin(direction),
                        0.032,
                        accent);
            }
        }
        Color heart = new Color(0xFF, 0xE2, 0x66);
        fill(circle(0.5, 0.38, 0.14), heart, WOOD);
        for (int i = 0; i < 7; i++) {
            double angle = 2 * Math.PI * i / 7;
            fill(circle(0.5 + 0.075 * Math.cos(angle), 0.38 + 0.075 * Math.sin(angle), 0.02), WOOD, null);
        }
    }

    /** Canopy in vertical panels, light and of the colour in turn; hooked handle. */
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
        fill(canopy, body, dark);
        clipped(canopy, () -> {
            for (int i = 0; i < 5; i++) {
                double left = 0.01 + i * width;
                Path2D panel = new Path2D.Double();
                panel.moveTo(0.5, 0.05);
                panel.quadTo(0.5 + (left - 0.5) * 0.95, 0.15, left, 0.58);
                panel.lineTo(left + width, 0.58);
                panel.quadTo(0.5 + (left + width - 0.5) * 0.95, 0.15, 0.5, 0.05);
                panel.closePath();
                fill(panel, i % 2 == 0 ? body : accent, null);
                stroke(panel, 0.016, dark);
            }
        });
        stroke(canopy, 0.03, dark);
    }

    /** Slanting stripes, white and of the colour. */
    private void ball() {
        Shape disc = circle(0.5, 0.5, 0.47);
        fill(disc, body, dark);
        clipped(disc, () -> {
            for (double offset = -0.36; offset < 1; offset += 0.26) {
                Path2D stripe = new Path2D.Double();
                stripe.moveTo(offset - 0.2, 1);
                stripe.quadTo(offset + 0.12, 0.36, offset + 0.75, 0);
                stroke(stripe, 0.1, accent);
            }
            graphics.setColor(new Color(255, 255, 255, 110));
            graphics.fill(new Ellipse2D.Double(0.2, 0.14, 0.26, 0.2));
        });
        stroke(disc, 0.03, dark);
    }

    /** Quartered diamond with a cross of spars and a bowed tail. */
    private void kite() {
        Path2D tail = new Path2D.Double();
        tail.moveTo(0.5, 0.74);
        tail.curveTo(0.42, 0.84, 0.62, 0.88, 0.5, 0.99);
        stroke(tail, 0.025, INK);
        fill(polygon(0.4, 0.8, 0.5, 0.84, 0.4, 0.88), GOLD, INK);
        fill(polygon(0.62, 0.84, 0.5, 0.87, 0.62, 0.93), GOLD, INK);
        Shape diamond = polygon(0.5, 0.01, 0.93, 0.32, 0.5, 0.77, 0.07, 0.32);
        fill(diamond, body, dark);
        clipped(diamond, () -> {
            fill(polygon(0.5, 0, 0.5, 0.32, 0, 0.32), mix(body, Color.BLACK, 0.35), null);
            fill(polygon(0.5, 0.8, 0.5, 0.32, 1, 0.32), mix(body, Color.BLACK, 0.35), null);
            for (double d = 0.12; d < 0.45; d += 0.13) {
                stroke(polygon(0.5, 0.32 - d * 0.72, 0.5 + d, 0.32, 0.5, 0.32 + d * 1.05, 0.5 - d, 0.32), 0.05, accent);
            }
        });
        line(0.5, 0.01, 0.5, 0.77, 0.035, CREAM);
        line(0.07, 0.32, 0.93, 0.32, 0.035, CREAM);
        stroke(diamond, 0.035, dark);
    }

    /** Dotted cap on a cream stem with gills. */
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
        Shape cap = new Arc2D.Double(0.01, 0.03, 0.98, 1.16, 0, 180, Arc2D.CHORD);
        fill(cap, body, dark);
        clipped(cap, () -> {
            double[][] dots = {
                {0.5, 0.16},
                {0.27, 0.26},
                {0.73, 0.26},
                {0.5, 0.4},
                {0.1, 0.46},
                {0.9, 0.46},
                {0.28, 0.52},
                {0.72, 0.52}
            };
            for (double[] dot : dots) {
                fill(circle(dot[0], dot[1], 0.085), accent, dark);
            }
        });
    }

    /** Checked box under a golden ribbon with a bow. */
    private void gift() {
        Shape box = new Rectangle2D.Double(0.06, 0.28, 0.88, 0.7);
        fill(box, body, dark);
        clipped(box, () -> {
            for (int row = 0; row < 7; row++) {
                for (int column = 0; column < 9; column++) {
                    if ((row + column) % 2 == 0) {
                        fill(new Rectangle2D.Double(0.06 + column * 0.1, 0.28 + row * 0.1, 0.1, 0.1), accent, null);
                    }
                }
            }
        });
        stroke(box, 0.03, dark);
        fill(new Rectangle2D.Double(0.44, 0.28, 0.12, 0.7), accent, WOOD);
        fill(new Rectangle2D.Double(0.02, 0.28, 0.96, 0.12), accent, WOOD);
        fill(new Ellipse2D.Double(0.2, 0.06, 0.3, 0.21), accent, WOOD);
        fill(new Ellipse2D.Double(0.5, 0.06, 0.3, 0.21), accent, WOOD);
        fill(circle(0.5, 0.2, 0.07), accent, WOOD);
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

    private void clipped(Shape shape, Runnable drawing) {
        Shape before = graphics.getClip();
        graphics.clip(shape);
        drawing.run();
        graphics.setClip(before);
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
