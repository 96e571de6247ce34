package org.lexvla.evaluation;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/**
 * A label per pixel, as segmentations are stored: PNG files with 8-bit indices or grey levels (PASCAL VOC, COCO).
 *
 * @param width pixels per row
 * @param height rows
 * @param labels row by row, 0 to 255
 */
public record LabelMap(int width, int height, int[] labels) {
    public LabelMap {
        if (width < 1 || height < 1 || labels.length != (long) width * height) {
            throw new IllegalArgumentException(
                    "label map of " + width + "x" + height + " pixels with " + labels.length + " labels");
        }
    }

    /**
     * Reads the indices of a mask; its palette is not looked at.
     *
     * @throws IOException if the file is missing, is no picture, or is in colour
     */
    public static LabelMap read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new NoSuchFileException(file.toString());
        }
        BufferedImage image = ImageIO.read(file.toFile());
        if (image == null) {
            throw new IOException(file + " is no picture that can be read: masks are PNG files");
        }
        if (image.getRaster().getNumBands() != 1
                || image.getRaster().getSampleModel().getSampleSize(0) > 8) {
            throw new IOException(file + " has " + image.getRaster().getNumBands() + " channels of "
                    + image.getRaster().getSampleModel().getSampleSize(0)
                    + " bits: a mask has one of 8 bits, the label itself");
        }
        int width = image.getWidth();
        int height = image.getHeight();
        return new LabelMap(
                width, height, image.getRaster().getSamples(0, 0, width, height, 0, new int[width * height]));
    }

    /**
     * The map as a picture's transform leaves the picture: resized by nearest label until the shorter side is {@code resize}, then
     * the middle square of {@code crop} (SPEC §8). The longer side and the odd pixel of the crop are rounded down, as for pictures.
     */
    public LabelMap fit(int resize, int crop) {
        if (resize < 1 || crop < 1 || crop > resize) {
            throw new IllegalArgumentException(
                    "label map resized to " + resize + " and cropped to " + crop + ": needs 1 <= crop <= resize");
        }
        int shorter = Math.min(width, height);
        int newWidth = (int) ((long) resize * width / shorter);
        int newHeight = (int) ((long) resize * height / shorter);
        int left = (newWidth - crop) / 2;
        int top = (newHeight - crop) / 2;
        int[] fitted = new int[crop * crop];
        for (int y = 0; y < crop; y++) {
            // The source pixel in which the middle of the new pixel lies.
            int row = (int) ((2L * (top + y) + 1) * height / (2L * newHeight));
            for (int x = 0; x < crop; x++) {
                int column = (int) ((2L * (left + x) + 1) * width / (2L * newWidth));
                fitted[y * crop + x] = labels[row * width + column];
            }
        }
        return new LabelMap(crop, crop, fitted);
    }
}
