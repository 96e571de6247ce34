package org.lexvla.cli.demo;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Shape;
import java.awt.TexturePaint;
import java.awt.geom.AffineTransform;
import java.awt.geom.Arc2D;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Line2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;

/**
 * The paper that objects are cut from: the colour of the object with a pattern of its kind.
 *
 * <p>Patterns repeat every {@value #TILE} pixels of the picture, wherever and however large the object is. So every patch of that side
 * in an object's middle shows the same pattern, and a visual encoder of a few layers can learn in a minute what would otherwise take
 * real pre-training: to tell kinds apart by their patches.
 */
final class PatternedPaper {
    /** Side of the repeated tile in pixels, that of a patch. */
    static final int TILE = 14;

    /** Distance in RGB below which two colours make no pattern. */
    private static final int NEAR = 95;

    private static final int HALF = TILE / 2;

    private final TexturePaint paint;

    PatternedPaper(Kind kind, Color body) {
        BufferedImage tile = new BufferedImage(TILE, TILE, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = ScenePainter.smooth(tile);
        graphics.setColor(body);
        graphics.fillRect(0, 0, TILE, TILE);
        graphics.setColor(accent(kind, body));
        draw(kind, graphics);
        graphics.dispose();
        paint = new TexturePaint(tile, new Rectangle2D.Double(0, 0, TILE, TILE));
    }

    /** Fills a shape of the graphics' own coordinates; the pattern keeps to the picture's pixels. */
    void fill(Graphics2D graphics, Shape shape) {
        AffineTransform transform = graphics.getTransform();
        Shape inPixels = transform.createTransformedShape(shape);
        graphics.setTransform(new AffineTransform());
        graphics.setPaint(paint);
        graphics.fill(inPixels);
        graphics.setTransform(transform);
    }

    /** The second colour of a kind, far from those of the others; made darker or lighter where the body is near it. */
    private static Color accent(Kind kind, Color body) {
        Color accent = new Color(
                switch (kind) {
                    case BOAT -> 0x1B2A6B; // navy
                    case TREE -> 0x0B4F26; // deep green
                    case HOUSE -> 0x8A93A6; // slate
                    case FISH -> 0x22E0D0; // turquoise
                    case CAR -> 0x16161A; // black
                    case STAR -> 0xFFF6A8; // pale yellow
                    case FLOWER -> 0xB9F53A; // lime
                    case UMBRELLA -> 0xF6D9B4; // sand
                    case BALL -> 0xFFFFFF;
                    case KITE -> 0xFF3DE8; // magenta
                    case MUSHROOM -> 0xE4FBFF; // ice
                    case GIFT -> 0xFFC82E; // gold
                });
        if (distance(accent, body) > NEAR) {
            return accent;
        }
        Color darker = accent.darker().darker();
        Color lighter = mixWithWhite(accent);
        return distance(darker, body) > distance(lighter, body) ? darker : lighter;
    }

    private static Color mixWithWhite(Color colour) {
        return new Color(
                (colour.getRed() + 2 * 255) / 3, (colour.getGreen() + 2 * 255) / 3, (colour.getBlue() + 2 * 255) / 3);
    }

    private static double distance(Color a, Color b) {
        int red = a.getRed() - b.getRed();
        int green = a.getGreen() - b.getGreen();
        int blue = a.getBlue() - b.getBlue();
        return Math.sqrt(red * red + green * green + blue * blue);
    }

    private static void draw(Kind kind, Graphics2D graphics) {
        switch (kind) {
            case BOAT -> lines(graphics, 2.6, 0, 3.5, TILE, 3.5);
            case TREE -> leaves(graphics);
            case HOUSE -> bricks(graphics);
            case FISH -> scales(graphics);
            case CAR -> pinstripes(graphics);
            case STAR -> sparkles(graphics);
            case FLOWER -> rings(graphics);
            case UMBRELLA -> lines(graphics, 3, 3.5, 0, 3.5, TILE);
            case BALL -> slanted(graphics);
            case KITE -> lattice(graphics);
            case MUSHROOM -> dots(graphics);
            case GIFT -> checks(graphics);
        }
    }

    /** A line and the same again half a tile further, to the right or down. */
    private static void lines(Graphics2D graphics, double width, double x0, double y0, double x1, double y1) {
        graphics.setStroke(new BasicStroke((float) width, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND));
        boolean upright = x0 == x1;
        for (int i = 0; i < 2; i++) {
            double dx = upright ? i * HALF : 0;
            double dy = upright ? 0 : i * HALF;
            graphics.draw(new Line2D.Double(x0 + dx, y0 + dy, x1 + dx, y1 + dy));
        }
    }

    private static void slanted(Graphics2D graphics) {
        graphics.setStroke(new BasicStroke(2.4f));
        for (int offset = -TILE; offset <= TILE; offset += TILE) {
            graphics.draw(new Line2D.Double(offset - 2, TILE + 2, offset + TILE + 2, -2));
        }
        graphics.draw(new Line2D.Double(-2, HALF + 2, HALF + 2, -2));
        graphics.draw(new Line2D.Double(HALF - 2, TILE + 2, TILE + 2, HALF - 2));
    }

    private static void pinstripes(Graphics2D graphics) {
        graphics.setStroke(new BasicStroke(2.4f));
        for (int offset = -TILE; offset <= TILE; offset += TILE) {
            graphics.draw(new Line2D.Double(offset - 2, -2, offset + TILE + 2, TILE + 2));
        }
    }

    private static void lattice(Graphics2D graphics) {
        graphics.setStroke(new BasicStroke(2.6f));
        graphics.draw(new Line2D.Double(0, 0, TILE, TILE));
        graphics.draw(new Line2D.Double(0, TILE, TILE, 0));
    }

    private static void leaves(Graphics2D graphics) {
        for (int i = 0; i < 4; i++) {
            double x = i % 2 * HALF;
            double y = i / 2 * HALF;
            Path2D leaf = new Path2D.Double();
            leaf.moveTo(x + 0.8, y + 6.2);
            leaf.quadTo(x + 0.8, y + 0.8, x + 6.2, y + 0.8);
            leaf.quadTo(x + 6.2, y + 6.2, x + 0.8, y + 6.2);
            graphics.fill(leaf);
        }
    }

    private static void bricks(Graphics2D graphics) {
        graphics.fill(new Rectangle2D.Double(0, 0, TILE, 1.7));
        graphics.fill(new Rectangle2D.Double(0, HALF, TILE, 1.7));
        graphics.fill(new Rectangle2D.Double(3, 0, 1.7, HALF));
        graphics.fill(new Rectangle2D.Double(3 + HALF, HALF, 1.7, HALF));
    }

    private static void scales(Graphics2D graphics) {
        graphics.setStroke(new BasicStroke(2f));
        for (int row = -1; row < 2; row++) {
            for (int column = -1; column < 2; column++) {
                double x = column * HALF + (row & 1) * HALF / 2.0;
                graphics.draw(new Arc2D.Double(x, row * HALF, HALF, HALF, 180, 180, Arc2D.OPEN));
                graphics.draw(new Arc2D.Double(x + TILE, row * HALF, HALF, HALF, 180, 180, Arc2D.OPEN));
            }
        }
    }

    private static void sparkles(Graphics2D graphics) {
        for (int i = 0; i < 2; i++) {
            double x = 3.5 + i * HALF;
            double y = 3.5 + i * HALF;
            graphics.fill(new Rectangle2D.Double(x - 3, y - 1, 6, 2));
            graphics.fill(new Rectangle2D.Double(x - 1, y - 3, 2, 6));
        }
    }

    private static void rings(Graphics2D graphics) {
        graphics.setStroke(new BasicStroke(2.2f));
        graphics.draw(new Ellipse2D.Double(2.2, 2.2, 9.6, 9.6));
        graphics.fill(new Ellipse2D.Double(5.4, 5.4, 3.2, 3.2));
    }

    private static void dots(Graphics2D graphics) {
        for (double[] dot : new double[][] {{0, 0}, {TILE, 0}, {0, TILE}, {TILE, TILE}, {HALF, HALF}}) {
            graphics.fill(new Ellipse2D.Double(dot[0] - 3.1, dot[1] - 3.1, 6.2, 6.2));
        }
    }

    private static void checks(Graphics2D graphics) {
        graphics.fillRect(0, 0, HALF, HALF);
        graphics.fillRect(HALF, HALF, HALF, HALF);
    }
}
