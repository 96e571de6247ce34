package org.lexvla.evaluation;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;

/**
 * The square of a picture that a model sees, with its grid of patches: what lies outside was cropped away (SPEC §4). Patches are
 * numbered row by row from 0.
 *
 * @param x       left edge, in pixels of the picture
 * @param y       upper edge
 * @param side    of the square
 * @param columns patches per row, and rows
 */
public record SeenSquare(double x, double y, double side, int columns) {

    /** What a model sees of a picture. */
    public static SeenSquare of(LexVla model, BufferedImage picture) {
        ImageTransform transform = model.transform();
        int shorter = Math.min(picture.getWidth(), picture.getHeight());
        double scale = shorter / (double) transform.resize();
        double side = transform.crop() * scale;
        return new SeenSquare(
                (picture.getWidth() - side) / 2, (picture.getHeight() - side) / 2, side, PatchScores.columns(model));
    }

    /** The square in another size, from the picture's own pixels and not from the few that the model gets. */
    public BufferedImage draw(BufferedImage picture, int size) {
        BufferedImage square = new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = square.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
        AffineTransform place = AffineTransform.getScaleInstance(size / side, size / side);
        place.translate(-x, -y);
        graphics.drawImage(picture, place, null);
        graphics.dispose();
        return square;
    }

    /**
     * The patches whose middle lies in a box; of a box smaller than that, the patch in which its own middle lies.
     *
     * @param left   in pixels of the picture, as all of them
     * @param top    upper edge
     * @param width  more than 0
     * @param height more than 0
     * @throws IllegalArgumentException if the box lies outside of the square
     */
    public int[] patches(double left, double top, double width, double height) {
        if (!(width > 0 && height > 0)) {
            throw new IllegalArgumentException("a box of " + width + "x" + height + " pixels: must be more than 0");
        }
        double patch = side / columns;
        List<Integer> inside = new ArrayList<>();
        for (int p = 0; p < columns * columns; p++) {
            double middleX = x + (p % columns + 0.5) * patch;
            double middleY = y + (p / columns + 0.5) * patch;
            if (middleX >= left && middleX < left + width && middleY >= top && middleY < top + height) {
                inside.add(p);
            }
        }
        if (inside.isEmpty()) {
            int column = (int) Math.floor((left + width / 2 - x) / patch);
            int row = (int) Math.floor((top + height / 2 - y) / patch);
            if (column < 0 || column >= columns || row < 0 || row >= columns) {
                throw new IllegalArgumentException(String.format(
                        Locale.ROOT,
                        "the box %.0f,%.0f,%.0f,%.0f lies outside of what the model sees: the square %.0f,%.0f,%.0f,%.0f in"
                                + " the middle of the picture",
                        left,
                        top,
                        width,
                        height,
                        x,
                        y,
                        side,
                        side));
            }
            inside.add(row * columns + column);
        }
        return inside.stream().mapToInt(Integer::intValue).toArray();
    }
}
