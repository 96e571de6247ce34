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
record RgbPicture(int width, int height, byte[] samples) {
    RgbPicture {
        if (samples.length != 3L * width * height) {
            throw new IllegalArgumentException("picture of " + width + "x" + height + " needs " + 3L * width * height
                    + " samples, got " + samples.length);
        }
    }

    /**
     * The picture's colours. Transparency is dropped (the colour under it is kept), a palette looked up, grey repeated,
     * 16-bit samples reduced to their high byte.
     *
     * @throws IllegalArgumentException for colour models that have neither grey nor red, green, blue (CMYK)
     */
    static RgbPicture of(BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        byte[] rgb = new byte[3 * Math.multiplyExact(width, height)];
        ColorModel model = image.getColorModel();
        WritableRaster raster = image.getRaster();
        boolean wide = raster.getTransferType() == DataBuffer.TYPE_USHORT && model.getComponentSize(0) == 16;
        boolean bytes = raster.getTransferType() == DataBuffer.TYPE_BYTE;
        boolean components = !(model instanceof IndexColorModel) && !model.isAlphaPremultiplied() && (wide || bytes);
        int type = model.getColorSpace().getType();
        if (components && type == ColorSpace.TYPE_GRAY) {
            grey(raster, wide ? 8 : 0, rgb);
        } else if (components && type == ColorSpace.TYPE_RGB && raster.getNumBands() >= 3) {
            if (!wide && interleaved(raster)) {
                interleaved(raster, rgb);
            } else {
                colours(raster, wide ? 8 : 0, rgb);
            }
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

    /** The common case, a JPEG or PNG of 3 or 4 bytes per pixel, without a call per pixel. */
    private static void interleaved(WritableRaster raster, byte[] rgb) {
        byte[] data = ((DataBufferByte) raster.getDataBuffer()).getData();
        PixelInterleavedSampleModel layout = (PixelInterleavedSampleModel) raster.getSampleModel();
        int[] bands = layout.getBandOffsets();
        int step = layout.getPixelStride();
        int x0 = -raster.getSampleModelTranslateX();
        int y0 = -raster.getSampleModelTranslateY();
        int offset = raster.getDataBuffer().getOffset();
        int to = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            int from =
                    offset + (y0 + raster.getMinY() + y) * layout.getScanlineStride() + (x0 + raster.getMinX()) * step;
            for (int x = 0; x < raster.getWidth(); x++, from += step) {
                rgb[to++] = data[from + bands[0]];
                rgb[to++] = data[from + bands[1]];
                rgb[to++] = data[from + bands[2]];
            }
        }
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
