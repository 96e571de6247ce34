package org.lexvla.cli.demo;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.GradientPaint;
import java.awt.Graphics2D;
import java.awt.geom.Arc2D;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Line2D;
import java.awt.geom.Path2D;
import java.awt.image.BufferedImage;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Draws the backgrounds. Each is one texture over the whole picture, without a common sky, so that every patch of it tells which
 * background it is of.
 *
 * <p>A background is a window into a plate of one and a half times the picture's side; the plates, {@value #PLATES} for each
 * background, are drawn once for each size.
 */
final class Backdrop {
    private static final int PLATES = 6;
    private static final double MARGIN = 1.5;

    private record PlateKey(Background background, int number, int size) {}

    private static final ConcurrentHashMap<PlateKey, BufferedImage> DRAWN = new ConcurrentHashMap<>();

    private final Graphics2D graphics;
    private final SplittableRandom random;
    /** Side of the plate in units of which a picture has 112. */
    private final double side = MARGIN * SceneGenerator.DEFAULT_SIZE;

    private Backdrop(Graphics2D graphics, SplittableRandom random) {
        this.graphics = graphics;
        this.random = random;
    }

    static void paint(Background background, Graphics2D graphics, int size, SplittableRandom random) {
        PlateKey key = new PlateKey(background, random.nextInt(PLATES), size);
        BufferedImage plate = DRAWN.computeIfAbsent(key, Backdrop::plate);
        int slack = plate.getWidth() - size;
        int x = random.nextInt(slack + 1);
        int y = random.nextInt(slack + 1);
        if (random.nextBoolean()) {
            graphics.drawImage(plate, size + x, -y, -plate.getWidth(), plate.getHeight(), null);
        } else {
            graphics.drawImage(plate, -x, -y, null);
        }
    }

    private static BufferedImage plate(PlateKey key) {
        int pixels = (int) Math.round(MARGIN * key.size());
        BufferedImage plate = new BufferedImage(pixels, pixels, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = ScenePainter.smooth(plate);
        double scale = key.size() / (double) SceneGenerator.DEFAULT_SIZE;
        graphics.scale(scale, scale);
        Backdrop backdrop = new Backdrop(
                graphics, new SplittableRandom(1000L * key.background().ordinal() + key.number()));
        switch (key.background()) {
            case SEA -> backdrop.sea();
            case MEADOW -> backdrop.meadow();
            case DESERT -> backdrop.desert();
            case SNOW -> backdrop.snow();
            case NIGHT -> backdrop.night();
            case SKY -> backdrop.sky();
        }
        graphics.dispose();
        return plate;
    }

    /** Rows of wave crests. */
    private void sea() {
        gradient(0x45B7C9, 0x1B6FA0);
        double height = 7;
        for (int row = 0; row * height < side + height; row++) {
            double y = row * height + between(-1, 1);
            double phase = between(0, 14);
            for (double x = -14 + phase; x < side; x += 14) {
                graphics.setStroke(new BasicStroke(1.5f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
                graphics.setColor(random.nextInt(5) == 0 ? new Color(0xEF, 0xFC, 0xFF) : new Color(0x8F, 0xDC, 0xE6));
                graphics.draw(new Arc2D.Double(x, y, 9, 5, 15, 150, Arc2D.OPEN));
                graphics.setColor(new Color(0x13, 0x55, 0x80, 130));
                graphics.draw(new Arc2D.Double(x + 1, y + 2.2, 9, 5, 15, 150, Arc2D.OPEN));
            }
        }
    }

    /** Blades of grass and a few daisies. */
    private void meadow() {
        gradient(0xA5D65B, 0x5FA83A);
        int[] greens = {0x4C8F2B, 0x7DBB44, 0x3F7A26, 0xB9E06C};
        for (int i = 0; i < 1500; i++) {
            double x = between(0, side);
            double y = between(0, side + 6);
            graphics.setColor(new Color(greens[random.nextInt(greens.length)]));
            graphics.setStroke(new BasicStroke(1.1f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
            graphics.draw(new Line2D.Double(x, y, x + between(-2.4, 2.4), y - between(4, 8)));
        }
        for (int i = 0; i < 34; i++) {
            double x = between(0, side);
            double y = between(0, side);
            graphics.setColor(Color.WHITE);
            for (int petal = 0; petal < 5; petal++) {
                double angle = 2 * Math.PI * petal / 5;
                disc(x + 1.5 * Math.cos(angle), y + 1.5 * Math.sin(angle), 1.1);
            }
            graphics.setColor(new Color(0xFF, 0xC8, 0x2E));
            disc(x, y, 1);
        }
    }

    /** Sand ripples under the shadows of dunes. */
    private void desert() {
        gradient(0xF8DFA4, 0xE8BE78);
        for (int i = 0; i < 5; i++) {
            double y = side * i / 5 + between(0, 12);
            Path2D dune = new Path2D.Double();
            dune.moveTo(-5, y + between(6, 16));
            dune.curveTo(side * 0.3, y - 16, side * between(0.45, 0.65), y + 18, side + 5, y - between(0, 10));
            dune.lineTo(side + 5, y + 16);
            dune.curveTo(side * 0.6, y + 26, side * 0.4, y + 6, -5, y + 26);
            dune.closePath();
            graphics.setColor(new Color(0xBE, 0x80, 0x3C, 120));
            graphics.fill(dune);
        }
        graphics.setStroke(new BasicStroke(1f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
        for (double y = 2; y < side; y += 4.6) {
            graphics.setColor(random.nextInt(3) == 0 ? new Color(0xFB, 0xE8, 0xBA) : new Color(0xCF, 0xA0, 0x5E));
            for (double x = between(-16, 0); x < side; x += between(20, 30)) {
                double lift = between(-2, 2);
                Path2D ripple = new Path2D.Double();
                ripple.moveTo(x, y);
                ripple.curveTo(x + 6, y - 2.5 + lift, x + 11, y + 2.5, x + 18, y + lift);
                graphics.draw(ripple);
            }
        }
    }

    /** Pale drifts and six-armed flakes. */
    private void snow() {
        gradient(0xF6FAFF, 0xDCE9F7);
        for (int i = 0; i < 7; i++) {
            double y = side * i / 7 + between(0, 8);
            Path2D drift = new Path2D.Double();
            drift.moveTo(-5, y);
            drift.curveTo(side * 0.25, y - 12, side * 0.5, y + 12, side + 5, y - 3);
            graphics.setStroke(new BasicStroke(3f));
            graphics.setColor(new Color(0xC6, 0xD8, 0xEC));
            graphics.draw(drift);
        }
        for (int row = 0; row < 17; row++) {
            for (int column = 0; column < 17; column++) {
                double x = column * 10.4 + (row % 2) * 5.2 + between(-2, 2);
                double y = row * 10.4 + between(-2, 2);
                double radius = between(1.8, 3.6);
                graphics.setColor(new Color(0x8F, 0xAF, 0xD0));
                graphics.setStroke(new BasicStroke(0.9f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
                for (int arm = 0; arm < 3; arm++) {
                    double angle = Math.PI * arm / 3 + 0.3;
                    double dx = radius * Math.cos(angle);
                    double dy = radius * Math.sin(angle);
                    graphics.draw(new Line2D.Double(x - dx, y - dy, x + dx, y + dy));
                }
            }
        }
    }

    /** Dark blue with points of light and a moon somewhere. */
    private void night() {
        gradient(0x0D1330, 0x222C5C);
        for (int i = 0; i < 260; i++) {
            graphics.setColor(new Color(255, 250, random.nextInt(2) == 0 ? 210 : 255, 120 + random.nextInt(136)));
            disc(between(0, side), between(0, side), between(0.4, 0.9));
        }
        for (int i = 0; i < 40; i++) {
            double x = between(0, side);
            double y = between(0, side);
            double reach = between(1.8, 3.2);
            graphics.setColor(new Color(0xFF, 0xF4, 0xC4));
            graphics.setStroke(new BasicStroke(0.8f));
            graphics.draw(new Line2D.Double(x - reach, y, x + reach, y));
            graphics.draw(new Line2D.Double(x, y - reach, x, y + reach));
        }
        double x = between(0.2, 0.8) * side;
        double y = between(0.15, 0.5) * side;
        graphics.setColor(new Color(255, 245, 200, 40));
        disc(x, y, 14);
        graphics.setColor(new Color(0xFF, 0xF2, 0xC0));
        disc(x, y, 9.5);
        graphics.setColor(new Color(0x14, 0x1B, 0x3F));
        disc(x + 4.5, y - 2.5, 8.5);
    }

    /** Light blue with small heaped clouds. */
    private void sky() {
        gradient(0x6DBDF5, 0xA9DDFB);
        for (int row = 0; row < 9; row++) {
            for (int column = 0; column < 6; column++) {
                double x = column * 31 + (row % 2) * 15.5 + between(-5, 5);
                double y = row * 20 + between(-4, 4);
                double scale = between(0.55, 0.95);
                graphics.setColor(new Color(0x86, 0xB9, 0xDD));
                cloud(x, y + 1.6, scale);
                graphics.setColor(Color.WHITE);
                cloud(x, y, scale);
            }
        }
    }

    private void cloud(double x, double y, double scale) {
        disc(x, y, 4.6 * scale);
        disc(x + 6 * scale, y - 2.4 * scale, 5.6 * scale);
        disc(x + 12 * scale, y, 4.4 * scale);
        graphics.fill(new Ellipse2D.Double(x - 5 * scale, y - scale, 22 * scale, 6 * scale));
    }

    private void gradient(int top, int bottom) {
        graphics.setPaint(new GradientPaint(0, 0, new Color(top), 0, (float) side, new Color(bottom)));
        graphics.fillRect(0, 0, (int) Math.ceil(side), (int) Math.ceil(side));
    }

    private void disc(double x, double y, double radius) {
        graphics.fill(new Ellipse2D.Double(x - radius, y - radius, 2 * radius, 2 * radius));
    }

    private double between(double from, double to) {
        return from + (to - from) * random.nextDouble();
    }
}
