package org.lexvla.model;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.awt.image.Raster;

/**
 * Cyan, magenta, yellow and black to red, green and blue, to the grey level as Pillow does it: no colour profile, the inks
 * as they are. JPEG stores inks inverted (255 is none), as Photoshop began it and everybody followed, with a marker or
 * without.
 */
final class FourInks {
    /** JPEG's own fixed point: 16 bits, rounded. */
    private static final int BITS = 16;

    private static final int HALF = 1 << (BITS - 1);

    private FourInks() {}

    /**
     * Mixes the samples of a JPEG of four components.
     *
     * @param stored the samples as they are in the file
     * @param ycck   whether the first three are luminance and chrominance of the inverse of cyan, magenta and yellow
     */
    static BufferedImage mix(Raster stored, boolean ycck) {
        int width = stored.getWidth();
        int height = stored.getHeight();
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
        byte[] out = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
        int[] row = new int[4 * width];
        int at = 0;
        for (int y = 0; y < height; y++) {
            stored.getPixels(stored.getMinX(), stored.getMinY() + y, width, 1, row);
            for (int x = 0; x < row.length; x += 4) {
                if (ycck) {
                    inks(row, x);
                }
                int light = row[x + 3];
                for (int ink = 2; ink >= 0; ink--) {
                    out[at++] = (byte) (light - share(255 - row[x + ink], light));
                }
            }
        }
        return image;
    }

    /** a · b / 255, rounded as Pillow rounds it. */
    private static int share(int a, int b) {
        int product = a * b + 128;
        return ((product >> 8) + product) >> 8;
    }

    /** Luminance and chrominance to inverted inks, with libjpeg's constants and roundings. */
    private static void inks(int[] row, int x) {
        int y = row[x];
        int cb = row[x + 1] - 128;
        int cr = row[x + 2] - 128;
        row[x] = 255 - clip(y + (fixed(1.40200) * cr + HALF >> BITS));
        row[x + 1] = 255 - clip(y + (-fixed(0.34414) * cb - fixed(0.71414) * cr + HALF >> BITS));
        row[x + 2] = 255 - clip(y + (fixed(1.77200) * cb + HALF >> BITS));
    }

    private static int fixed(double constant) {
        return (int) (constant * (1 << BITS) + 0.5);
    }

    private static int clip(int value) {
        return Math.max(0, Math.min(255, value));
    }
}
