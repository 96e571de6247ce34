package org.lexvla.cli.demo;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferInt;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Turns a scene into pixels: background, then every object, and with each object its pixels in the masks. */
final class ScenePainter {
    /** A pixel belongs to an object that covers at least half of it. */
    private static final int OPAQUE = 128;

    private ScenePainter() {}

    static DrawnScene draw(Scene scene) {
        int size = scene.size();
        SplittableRandom random = new SplittableRandom(scene.seed());
        BufferedImage picture = new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB);
        byte[] classes = new byte[size * size];
        byte[] colours = new byte[size * size];
        Arrays.fill(classes, (byte) Scene.classOf(scene.background()));
        Arrays.fill(colours, (byte) -1);
        Graphics2D onPicture = smooth(picture);
        Backdrop.paint(scene.background(), onPicture, size, random);
        BufferedImage layer = new BufferedImage(size, size, BufferedImage.TYPE_INT_ARGB);
        int[] pixels = ((DataBufferInt) layer.getRaster().getDataBuffer()).getData();
        for (Scene.Party party : scene.parties()) {
            for (Scene.Box box : party.boxes()) {
                Arrays.fill(pixels, 0);
                Graphics2D onLayer = smooth(layer);
                onLayer.translate(box.x(), box.y());
                onLayer.scale(box.side(), box.side());
                new ObjectPainter(onLayer, vary(party.colour().base(), random)).paint(party.kind());
                onLayer.dispose();
                onPicture.drawImage(layer, 0, 0, null);
                for (int i = 0; i < pixels.length; i++) {
                    if (pixels[i] >>> 24 >= OPAQUE) {
                        classes[i] = (byte) Scene.classOf(party.kind());
                        colours[i] = (byte) party.colour().ordinal();
                    }
                }
            }
        }
        onPicture.dispose();
        return new DrawnScene(scene, picture, classes, colours);
    }

    static Graphics2D smooth(BufferedImage image) {
        Graphics2D graphics = image.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        graphics.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
        return graphics;
    }

    /** The same colour a little lighter, darker or shifted, too little to be taken for another of the palette. */
    private static Color vary(Color base, SplittableRandom random) {
        float[] hsb = Color.RGBtoHSB(base.getRed(), base.getGreen(), base.getBlue(), null);
        float hue = hsb[0] + (float) (random.nextDouble() - 0.5) * 0.02f;
        float saturation = Math.min(1, hsb[1] * (float) (0.92 + 0.14 * random.nextDouble()));
        float brightness = Math.min(1, hsb[2] * (float) (0.92 + 0.14 * random.nextDouble()));
        return Color.getHSBColor(hue, saturation, brightness);
    }
}
