package org.lexvla.cli;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.UUID;
import java.util.function.Supplier;
import javax.imageio.ImageIO;

/** Files that a command writes: whole or not at all, and never over something that is there. */
final class NewFile {
    private NewFile() {}

    /** As {@link #require}, for a chart: {@code .svg} or {@code .png}. */
    static void requirePicture(Path file) throws IOException {
        String extension = Inputs.extension(file);
        if (!extension.equals("svg") && !extension.equals("png")) {
            throw new IllegalArgumentException(file + " ends with ." + extension + ": pictures are .png or .svg");
        }
        require(file);
    }

    /** Refuses, before any work is done, a file that could not be written at its end: it must be absent, its directory there. */
    static void require(Path file) throws IOException {
        Inputs.requireAbsent(file);
        Inputs.require(file.toAbsolutePath().getParent());
    }

    /** Writes a chart, as SVG or PNG as the file's name says. */
    static void writePicture(Path file, Supplier<String> svg, Supplier<BufferedImage> png) throws IOException {
        if (Inputs.extension(file).equals("svg")) {
            writeBytes(file, svg.get().getBytes(StandardCharsets.UTF_8));
        } else {
            writePng(file, png.get());
        }
    }

    /** Writes a picture, beside the file first. */
    static void writePng(Path file, BufferedImage picture) throws IOException {
        Path beside = beside(file);
        try {
            ImageIO.write(picture, "png", beside.toFile());
            Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(beside);
        }
    }

    /** Writes a file, beside it first. */
    static void writeBytes(Path file, byte[] contents) throws IOException {
        Path beside = beside(file);
        try {
            Files.write(beside, contents);
            Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(beside);
        }
    }

    /** A name for a file that is not whole yet. */
    static Path beside(Path file) {
        return file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".tmp");
    }
}
