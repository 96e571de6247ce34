package org.lexvla.evaluation;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Line2D;
import java.awt.image.BufferedImage;
import java.util.Arrays;

/**
 * Shows which patches of a picture a text is about: patches stand out the more, the higher their score; the others fade to a pale
 * grey. The top patches are framed.
 */
public final class HeatMap {
    private static final Color FRAME = new Color(0xD6, 0x1F, 0x69);
    private static final Color PAPER = new Color(0xF4, 0xF2, 0xF6);

    private HeatMap() {}

    /**
     * Draws the map over the picture.
     *
     * @param picture whose sides are multiples of the grid's
     * @param scores one per patch, row by row, finite
     * @param columns patches per row
     * @param framed number of patches to frame, the highest scores first
     * @param zoom pixels of the result per pixel of the picture
     */
    public static BufferedImage over(BufferedImage picture, float[] scores, int columns, int framed, int zoom) {
        check(picture, scores, columns);
        int rows = scores.length / columns;
        int width = picture.getWidth() * zoom;
        int height = picture.getHeight() * zoom;
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (float score : scores) {
            low = Math.min(low, score);
            high = Math.max(high, score);
        }
        BufferedImage map = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int patch = y * rows / height * columns + x * columns / width;
                double heat = high > low ? (scores[patch] - low) / (high - low) : 0;
                map.setRGB(x, y, shade(picture.getRGB(x / zoom, y / zoom), heat));
            }
        }
        frame(map, top(scores, framed), columns, rows);
        return map;
    }

    /**
     * A picture with frames round some of its patches.
     *
     * @param picture whose sides are multiples of the grid's; not changed
     * @param patches numbers of those to frame, row by row from 0
     * @param columns patches per row, and rows
     */
    public static BufferedImage frame(BufferedImage picture, int[] patches, int columns) {
        boolean[] framed = new boolean[columns * columns];
        for (int patch : patches) {
            framed[patch] = true;
        }
        BufferedImage copy = new BufferedImage(picture.getWidth(), picture.getHeight(), BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = copy.createGraphics();
        graphics.drawImage(picture, 0, 0, null);
        graphics.dispose();
        frame(copy, framed, columns, columns);
        return copy;
    }

    /** Full colour where hot, grey and pale where cold. */
    private static int shade(int rgb, double heat) {
        Color colour = new Color(rgb);
        int grey = (int) (0.3 * colour.getRed() + 0.59 * colour.getGreen() + 0.11 * colour.getBlue());
        Color cold = Magma.mix(new Color(grey, grey, grey), PAPER, 0.72);
        return Magma.mix(cold, colour, heat * heat).getRGB();
    }

    private static boolean[] top(float[] scores, int count) {
        Integer[] order = new Integer[scores.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Float.compare(scores[b], scores[a]));
        boolean[] top = new boolean[scores.length];
        float lowest = scores[order[order.length - 1]];
        for (int i = 0; i < Math.min(count, order.length); i++) {
            // Where all patches are alike, none stands out.
            top[order[i]] = scores[order[i]] > lowest;
        }
        return top;
    }

    /** Lines where a framed patch meets one that is not, so that neighbours share one frame. */
    private static void frame(BufferedImage map, boolean[] framed, int columns, int rows) {
        Graphics2D graphics = map.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        graphics.setColor(FRAME);
        double w = map.getWidth() / (double) columns;
        double h = map.getHeight() / (double) rows;
        // A patch of a large picture is large, its frame need not be.
        double line = Math.min(w / 11, Math.max(2.5, map.getWidth() / 160.0));
        graphics.setStroke(new BasicStroke(Math.max(1.5f, (float) line)));
        for (int p = 0; p < framed.length; p++) {
            if (!framed[p]) {
                continue;
            }
            int column = p % columns;
            int row = p / columns;
            double x = column * w;
            double y = row * h;
            if (column == 0 || !framed[p - 1]) {
                graphics.draw(new Line2D.Double(x, y, x, y + h));
            }
            if (column == columns - 1 || !framed[p + 1]) {
                graphics.draw(new Line2D.Double(x + w, y, x + w, y + h));
            }
            if (row == 0 || !framed[p - columns]) {
                graphics.draw(new Line2D.Double(x, y, x + w, y));
            }
            if (row == rows - 1 || !framed[p + columns]) {
                graphics.draw(new Line2D.Double(x, y + h, x + w, y + h));
            }
        }
        graphics.dispose();
    }

    private static void check(BufferedImage picture, float[] scores, int columns) {
        if (columns < 1 || scores.length == 0 || scores.length % columns != 0) {
            throw new IllegalArgumentException(scores.length + " patch scores do not make rows of " + columns);
        }
        if (picture.getWidth() % columns != 0 || picture.getHeight() % (scores.length / columns) != 0) {
            throw new IllegalArgumentException("picture of " + picture.getWidth() + "x" + picture.getHeight()
                    + " pixels does not divide into " + columns + "x" + scores.length / columns
                    + " patches: give the picture as the model saw it");
        }
        for (int p = 0; p < scores.length; p++) {
            if (!Float.isFinite(scores[p])) {
                throw new IllegalArgumentException("score of patch " + p + " is " + scores[p]);
            }
        }
    }
}
