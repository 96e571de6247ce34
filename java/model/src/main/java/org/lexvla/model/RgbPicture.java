package org.lexvla.model;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.WritableRaster;

/**
 * A picture as 8-bit red, green, blue, interleaved, row by row: what Pillow's {@code Image.convert("RGB")} gives.
 *
 * <p>The stored samples are taken as they are. {@link BufferedImage#getRGB} is not used for grey and profiled pictures
 * because it converts between colour spaces (a grey of 128 becomes 188), which Pillow does not.
 */
record RgbPicture(int width, int height, byte[] samples, Layout layout) {
    /**
     * Where the samples of a pixel lie: red at {@code first + y * row + x * pixel + red}.
     *
     * @param first of the pixel in the upper left corner
     * @param row   bytes from a row to the next
     * @param pixel bytes from a pixel to the next
     */
    record Layout(int first, int row, int pixel, int red, int green, int blue) {
        static Layout packed(int width) {
            return new Layout(0, 3 * width, 3, 0, 1, 2);
        }

        /**
         * Where a row begins.
         *
         * @param band 0 red, 1 green, 2 blue
         */
        int of(int y, int band) {
            return first + y * row + (band == 0 ? red : band == 1 ? green : blue);
        }
    }

    /** Samples without gaps: red, green, blue, row by row. */
    RgbPicture(int width, int height, byte[] samples) {
        this(width, height, samples, Layout.packed(width));
        if (samples.length != 3L * width * height) {
            throw new IllegalArgumentException("picture of " + width + "x" + height + " needs " + 3L * width * height
                    + " samples, got " + samples.length);
        }
    }

    /** A copy of the samples without gaps: red, green, blue, row by row. */
    byte[] rgb() {
        byte[] rgb = new byte[3 * width * height];
        int to = 0;
        for (int y = 0; y < height; y++) {
            int at = layout.first() + y * layout.row();
            for (int x = 0; x < width; x++, at += layout.pixel()) {
                rgb[to++] = samples[at + layout.red()];
                rgb[to++] = samples[at + layout.green()];
                rgb[to++] = samples[at + layout.blue()];
            }
        }
        return rgb;
    }

    /** A rectangle of the same samples. */
    RgbPicture part(int left, int top, int width, int height) {
        Layout within = new Layout(
                layout.first() + top * layout.row() + left * layout.pixel(),
                layout.row(),
                layout.pixel(),
                layout.red(),
                layout.green(),
                layout.blue());
        return new RgbPicture(width, height, samples, within);
    }

    /**
     * The samples of a part of a column as numbers 0 to 255: its reds from top to bottom, its greens, its blues.
     *
     * @param out of at least {@code 3 * rows} numbers
     */
    void column(int x, int top, int rows, int[] out) {
        int at = layout.first() + top * layout.row() + x * layout.pixel();
        column(at + layout.red(), rows, out, 0);
        column(at + layout.green(), rows, out, rows);
        column(at + layout.blue(), rows, out, 2 * rows);
    }

    private void column(int at, int rows, int[] out, int to) {
        int step = layout.row();
        for (int i = 0; i < rows; i++, at += step) {
            out[to + i] = samples[at] & 0xff;
        }
    }

    /**
     * The picture's colours; where the picture holds them as bytes, they are not copied. Transparency is dropped (the colour under it is kept), a palette looked up, grey repeated,
     * 16-bit samples reduced to their high byte.
     *
     * @throws IllegalArgumentException for colour models that have neither grey nor red, green, blue (CMYK)
     */
    static RgbPicture of(BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        ColorModel model = image.getColorModel();
        WritableRaster raster = image.getRaster();
        boolean wide = raster.getTransferType() == DataBuffer.TYPE_USHORT && model.getComponentSize(0) == 16;
        boolean bytes = raster.getTransferType() == DataBuffer.TYPE_BYTE;
        boolean components = !(model instanceof IndexColorModel) && !model.isAlphaPremultiplied() && (wide || bytes);
        int type = model.getColorSpace().getType();
        if (components && !wide && interleaved(raster) && type == ColorSpace.TYPE_RGB && raster.getNumBands() >= 3
                || components && !wide && interleaved(raster) && type == ColorSpace.TYPE_GRAY) {
            return new RgbPicture(width, height, ((DataBufferByte) raster.getDataBuffer()).getData(), layout(raster));
        }
        byte[] rgb = new byte[3 * Math.multiplyExact(width, height)];
        if (components && type == ColorSpace.TYPE_GRAY) {
            grey(raster, wide ? 8 : 0, rgb);
        } else if (components && type == ColorSpace.TYPE_RGB && raster.getNumBands() >= 3) {
            colours(raster, wide ? 8 : 0, rgb);
        } else if (type == ColorSpace.TYPE_RGB || type == ColorSpace.TYPE_GRAY) {
            packed(image, rgb);
        } else {
            throw new IllegalArgumentException(
                    "picture has " + model.getNumColorComponents() + " colour components (colour space type " + type
                            + "), only grey and RGB are read: convert it to RGB");
        }
        return new RgbPicture(width, height, rgb);
    }

    private static boolean interleaved(WritableRaster raster) {
        return raster.getDataBuffer() instanceof DataBufferByte data
                && data.getNumBanks() == 1
                && raster.getSampleModel() instanceof PixelInterleavedSampleModel;
    }

    private static Layout layout(WritableRaster raster) {
        PixelInterleavedSampleModel model = (PixelInterleavedSampleModel) raster.getSampleModel();
        int[] bands = model.getBandOffsets();
        int x = raster.getMinX() - raster.getSampleModelTranslateX();
        int y = raster.getMinY() - raster.getSampleModelTranslateY();
        boolean grey = bands.length < 3;
        return new Layout(
                raster.getDataBuffer().getOffset() + y * model.getScanlineStride() + x * model.getPixelStride(),
                model.getScanlineStride(),
                model.getPixelStride(),
                bands[0],
                bands[grey ? 0 : 1],
                bands[grey ? 0 : 2]);
    }

    private static void grey(WritableRaster raster, int shift, byte[] rgb) {
        int[] row = new int[raster.getWidth()];
        int to = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getSamples(raster.getMinX(), raster.getMinY() + y, row.length, 1, 0, row);
            for (int value : row) {
                byte sample = (byte) (value >> shift);
                rgb[to++] = sample;
                rgb[to++] = sample;
                rgb[to++] = sample;
            }
        }
    }

    private static void colours(WritableRaster raster, int shift, byte[] rgb) {
        int[] row = new int[raster.getWidth()];
        for (int y = 0; y < raster.getHeight(); y++) {
            for (int band = 0; band < 3; band++) {
                raster.getSamples(raster.getMinX(), raster.getMinY() + y, row.length, 1, band, row);
                int to = 3 * y * row.length + band;
                for (int x = 0; x < row.length; x++, to += 3) {
                    rgb[to] = (byte) (row[x] >> shift);
                }
            }
        }
    }

    /** Palettes, and the integer pixels of pictures drawn with Java2D. */
    private static void packed(BufferedImage image, byte[] rgb) {
        int[] row = new int[image.getWidth()];
        int to = 0;
        for (int y = 0; y < image.getHeight(); y++) {
            image.getRGB(0, y, row.length, 1, row, 0, row.length);
            for (int pixel : row) {
                rgb[to++] = (byte) (pixel >> 16);
                rgb[to++] = (byte) (pixel >> 8);
                rgb[to++] = (byte) pixel;
            }
        }
    }
}
