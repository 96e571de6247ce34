package org.lexvla.model;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Reads picture files with ImageIO, after a look at their size: upright as EXIF says, inks mixed to colours, and no picture of
 * which a part is missing.
 */
final class PictureReader {
    /**
     * Pixels of the largest picture that is read: decoded, this many take 200 MB for RGB. A file of a few kilobytes can
     * claim any size, so the header is asked first.
     */
    static final long MAX_PIXELS = 1L << 26;

    static {
        // The cache is a temporary file per picture.
        ImageIO.setUseCache(false);
    }

    private PictureReader() {}

    /**
     * Decodes the first picture of a file.
     *
     * @throws IOException naming the file and what is wrong: missing, no known format, damaged, cut short, too large
     */
    static BufferedImage read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException("picture " + file + (Files.exists(file) ? " is not a file" : " does not exist"));
        }
        try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
            if (in == null) {
                throw new IOException("picture " + file + " cannot be opened");
            }
            return read(in, file.toString(), Files.size(file));
        }
    }

    /**
     * Decodes the first picture of a file that is in memory.
     *
     * @param name what errors call it
     */
    static BufferedImage read(byte[] file, String name) throws IOException {
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
            return read(in, name, file.length);
        }
    }

    private static BufferedImage read(ImageInputStream in, String name, long bytes) throws IOException {
        try {
            JpegHeader jpeg = JpegHeader.read(in);
            Orientation orientation = Orientation.of(in, jpeg);
            in.seek(0);
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                throw new IOException("picture " + name + " has no format that can be read (" + bytes
                        + " bytes): take JPEG, PNG, GIF, BMP or WebP");
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in, true, true);
                requireSize(reader, name);
                return orientation.upright(jpeg == null ? reader.read(0) : decode(reader, jpeg, name));
            } finally {
                reader.dispose();
            }
        } catch (IOException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith("picture ") ? e : unreadable(name, e);
        } catch (RuntimeException e) {
            // Readers answer some damaged files with whatever their arrays throw.
            throw unreadable(name, e);
        }
    }

    private static void requireSize(ImageReader reader, String name) throws IOException {
        int width = reader.getWidth(0);
        int height = reader.getHeight(0);
        if (width < 1 || height < 1) {
            throw new IOException("picture " + name + " says it is " + width + "x" + height + " pixels");
        }
        long pixels = (long) width * height;
        if (pixels > MAX_PIXELS) {
            throw new IOException("picture " + name + " has " + width + "x" + height + " = " + pixels
                    + " pixels, limit " + MAX_PIXELS + ": make it smaller");
        }
    }

    /**
     * Libjpeg fills what is missing with grey and only warns. Missing are: data before their end is announced, and the finer
     * scans of a progressive picture. Other damage leaves a whole picture with a flaw, which every other reader shows as well.
     */
    private static BufferedImage decode(ImageReader reader, JpegHeader jpeg, String name) throws IOException {
        String[] missing = {null};
        reader.addIIOReadWarningListener((source, warning) -> {
            String text = warning.toLowerCase(Locale.ROOT);
            if (text.contains("premature end") || jpeg.progressive() && text.contains("truncated file")) {
                missing[0] = warning;
            }
        });
        BufferedImage image =
                jpeg.components() == 4 ? FourInks.mix(reader.readRaster(0, null), jpeg.ycck()) : reader.read(0);
        if (missing[0] != null) {
            throw new IOException("picture " + name + " is cut short or damaged: " + missing[0]);
        }
        return image;
    }

    private static IOException unreadable(String name, Exception cause) {
        return new IOException("picture " + name + " cannot be read: " + cause.getMessage(), cause);
    }
}
