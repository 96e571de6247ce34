package org.lexvla.model;

import java.awt.image.BufferedImage;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBufferByte;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import javax.imageio.stream.ImageInputStream;

/**
 * How a picture lies in its file: the eight values of EXIF's tag 0x0112, in their order from 1. Cameras store what the
 * sensor saw and say by this tag how to hold it.
 */
enum Orientation {
    UPRIGHT(false, false, false),
    MIRRORED(false, true, false),
    UPSIDE_DOWN(false, true, true),
    FLIPPED(false, false, true),
    TRANSPOSED(true, false, false),
    TURNED_LEFT(true, false, true),
    TRANSVERSED(true, true, true),
    TURNED_RIGHT(true, true, false);

    private static final int TAG = 0x0112;
    private static final int SHORT = 3;
    private static final int ENTRY = 12;
    private static final int PNG_EXIF = 0x65584966;
    private static final int WEBP_EXIF = 0x45584946;
    /** An EXIF block of a JPEG has 64 KB at most; a larger one elsewhere is none. */
    private static final int MAX_EXIF = 1 << 20;

    /** Whether rows of the file are columns of the picture. */
    private final boolean swapped;
    /** Whether the file's columns (x) or rows (y) run backwards as the picture's run forwards. */
    private final boolean backwardsX;

    private final boolean backwardsY;

    Orientation(boolean swapped, boolean backwardsX, boolean backwardsY) {
        this.swapped = swapped;
        this.backwardsX = backwardsX;
        this.backwardsY = backwardsY;
    }

    /** What the EXIF block of a JPEG, PNG or WebP says; upright if there is none or it makes no sense. */
    static Orientation of(ImageInputStream in, JpegHeader jpeg) throws IOException {
        if (jpeg != null) {
            return jpeg.exif() == null ? UPRIGHT : of(jpeg.exif());
        }
        in.seek(0);
        byte[] start = new byte[12];
        if (in.read(start) < start.length) {
            return UPRIGHT;
        }
        ByteBuffer head = ByteBuffer.wrap(start);
        byte[] exif = null;
        if (head.getLong(0) == 0x89504e470d0a1a0aL) {
            exif = chunk(in, 8, ByteOrder.BIG_ENDIAN, PNG_EXIF);
        } else if (head.getInt(0) == 0x52494646 && head.getInt(8) == 0x57454250) {
            exif = chunk(in, 12, ByteOrder.LITTLE_ENDIAN, WEBP_EXIF);
        }
        return exif == null ? UPRIGHT : of(exif);
    }

    /** The data of a chunk by name; the chunks of PNG are length, name, data, checksum, those of RIFF name, length, data. */
    private static byte[] chunk(ImageInputStream in, long at, ByteOrder order, int wanted) throws IOException {
        boolean png = order == ByteOrder.BIG_ENDIAN;
        byte[] head = new byte[8];
        while (true) {
            in.seek(at);
            if (in.read(head) < head.length) {
                return null;
            }
            ByteBuffer bytes = ByteBuffer.wrap(head);
            int name = bytes.getInt(png ? 4 : 0);
            long length = Integer.toUnsignedLong(bytes.order(order).getInt(png ? 0 : 4));
            if (name == wanted) {
                byte[] data = new byte[(int) Math.min(length, MAX_EXIF)];
                return in.read(data) < data.length ? null : data;
            }
            at += head.length + length + (png ? 4 : length & 1);
        }
    }

    /** What a TIFF block says in its first directory. */
    static Orientation of(byte[] exif) {
        // WebP files of some cameras repeat the name that JPEG puts before the block.
        int begin = exif.length > 6 && exif[0] == 'E' && exif[1] == 'x' ? 6 : 0;
        if (exif.length < begin + 8) {
            return UPRIGHT;
        }
        ByteBuffer tiff = ByteBuffer.wrap(exif, begin, exif.length - begin).slice();
        tiff.order(tiff.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long directory = Integer.toUnsignedLong(tiff.getInt(4));
        if (directory + 2 > tiff.limit()) {
            return UPRIGHT;
        }
        int entries = Short.toUnsignedInt(tiff.getShort((int) directory));
        for (int i = 0; i < entries; i++) {
            long at = directory + 2 + (long) i * ENTRY;
            if (at + ENTRY > tiff.limit()) {
                break;
            }
            if (Short.toUnsignedInt(tiff.getShort((int) at)) == TAG && tiff.getShort((int) at + 2) == SHORT) {
                int value = Short.toUnsignedInt(tiff.getShort((int) at + 8));
                return value >= 1 && value <= values().length ? values()[value - 1] : UPRIGHT;
            }
        }
        return UPRIGHT;
    }

    /** The picture as it is to be seen; the same object if it lies so already. */
    BufferedImage upright(BufferedImage stored) {
        if (this == UPRIGHT) {
            return stored;
        }
        Raster from = stored.getRaster();
        int width = swapped ? from.getHeight() : from.getWidth();
        int height = swapped ? from.getWidth() : from.getHeight();
        WritableRaster to = from.createCompatibleWritableRaster(width, height);
        if (plainBytes(stored, from)) {
            bytes(from, to);
        } else {
            Object pixel = null;
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    pixel = from.getDataElements(from.getMinX() + x(x, y, from), from.getMinY() + y(x, y, from), pixel);
                    to.setDataElements(x, y, pixel);
                }
            }
        }
        return new BufferedImage(stored.getColorModel(), to, stored.isAlphaPremultiplied(), null);
    }

    private int x(int x, int y, Raster from) {
        int at = swapped ? y : x;
        return backwardsX ? from.getWidth() - 1 - at : at;
    }

    private int y(int x, int y, Raster from) {
        int at = swapped ? x : y;
        return backwardsY ? from.getHeight() - 1 - at : at;
    }

    /** What decoders make of JPEG: one array of bytes, a pixel beside the other, nothing around it. */
    private static boolean plainBytes(BufferedImage image, Raster raster) {
        return image.getColorModel() instanceof ComponentColorModel
                && raster.getDataBuffer() instanceof DataBufferByte data
                && data.getNumBanks() == 1
                && raster.getSampleModel() instanceof PixelInterleavedSampleModel layout
                && layout.getPixelStride() == raster.getNumBands()
                && data.getSize() == raster.getNumBands() * raster.getWidth() * raster.getHeight();
    }

    /** A large photo has twelve million pixels: no call for each. */
    private void bytes(Raster from, WritableRaster to) {
        byte[] in = ((DataBufferByte) from.getDataBuffer()).getData();
        byte[] out = ((DataBufferByte) to.getDataBuffer()).getData();
        int bands = from.getNumBands();
        int row = bands * from.getWidth();
        int step = swapped ? (backwardsY ? -row : row) : (backwardsX ? -bands : bands);
        int at = 0;
        for (int y = 0; y < to.getHeight(); y++) {
            int source = y(0, y, from) * row + x(0, y, from) * bands;
            for (int x = 0; x < to.getWidth(); x++, source += step) {
                for (int band = 0; band < bands; band++) {
                    out[at++] = in[source + band];
                }
            }
        }
    }
}
