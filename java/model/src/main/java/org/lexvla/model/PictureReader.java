package org.lexvla.model;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;

/** Reads picture files with ImageIO, after a look at their size. */
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
     * @throws IOException naming the file and what is wrong: missing, no known format, damaged, too large
     */
    static BufferedImage read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException("picture " + file + (Files.exists(file) ? " is not a file" : " does not exist"));
        }
        try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
            if (in == null) {
                throw new IOException("picture " + file + " cannot be opened");
            }
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                throw new IOException("picture " + file + " has no format that can be read (" + Files.size(file)
                        + " bytes): take JPEG, PNG, GIF, BMP or WebP");
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in, true, true);
                return decode(reader, file);
            } finally {
                reader.dispose();
            }
        } catch (IOException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith("picture ") ? e : unreadable(file, e);
        } catch (RuntimeException e) {
            // Readers answer some damaged files with whatever their arrays throw.
            throw unreadable(file, e);
        }
    }

    private static BufferedImage decode(ImageReader reader, Path file) throws IOException {
        int width = reader.getWidth(0);
        int height = reader.getHeight(0);
        if (width < 1 || height < 1) {
            throw new IOException("picture " + file + " says it is " + width + "x" + height + " pixels");
        }
        long pixels = (long) width * height;
        if (pixels > MAX_PIXELS) {
            throw new IOException("picture " + file + " has " + width + "x" + height + " = " + pixels
                    + " pixels, limit " + MAX_PIXELS + ": make it smaller");
        }
        return reader.read(0);
    }

    private static IOException unreadable(Path file, Exception cause) {
        return new IOException("picture " + file + " cannot be read: " + cause.getMessage(), cause);
    }
}
