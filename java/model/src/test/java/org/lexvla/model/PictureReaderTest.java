package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** Formats as people have them, against what Pillow reads. */
@Seeded
class PictureReaderTest {
    @TempDir
    Path directory;

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = PictureReaderTest.class.getResourceAsStream("pictures/" + name)) {
            return in.readAllBytes();
        }
    }

    private Path file(String name, byte[] bytes) throws IOException {
        return Files.write(directory.resolve(name), bytes);
    }

    private static RgbPicture expected(String name) throws IOException {
        return RgbPicture.of(ImageIO.read(new ByteArrayInputStream(resource(name + ".expected"))));
    }

    /** The largest difference of a sample, in grey levels. */
    private static int worst(RgbPicture got, RgbPicture expected) {
        assertThat(got.width()).isEqualTo(expected.width());
        assertThat(got.height()).isEqualTo(expected.height());
        byte[] ours = got.rgb();
        byte[] theirs = expected.rgb();
        int worst = 0;
        for (int i = 0; i < ours.length; i++) {
            worst = Math.max(worst, Math.abs((ours[i] & 0xff) - (theirs[i] & 0xff)));
        }
        return worst;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cmyk.jpg",
                "cmyk-unmarked.jpg",
                "ycck.jpg",
                "grey.jpg",
                "chroma-444.jpg",
                "chroma-422.jpg",
                "chroma-420.jpg",
                "progressive.jpg",
                "16-grey.png",
                "16-rgb.png",
                "16-rgba.png",
                "16-la.png",
                "lossless.webp",
                "alpha-lossless.webp"
            })
    void picturesAreThoseOfPillow(String name) throws IOException {
        RgbPicture picture = RgbPicture.of(ImageTransform.read(file(name, resource(name))));
        assertThat(worst(picture, expected(name))).isZero();
    }

    /**
     * Of lossy WebP the luminance is Pillow's but for roundings. The chrominance has half the resolution; libwebp smooths it as
     * it enlarges it and the Java decoder does not, so colours differ at edges, to both sides alike.
     */
    @ParameterizedTest
    @ValueSource(strings = {"lossy.webp", "alpha.webp"})
    void lossyWebPicturesHavePillowsLuminance(String name) throws IOException {
        byte[] got =
                RgbPicture.of(ImageTransform.read(file(name, resource(name)))).rgb();
        byte[] expected = expected(name).rgb();
        double luminance = 0;
        double bias = 0;
        for (int i = 0; i < expected.length; i += 3) {
            int red = (got[i] & 0xff) - (expected[i] & 0xff);
            int green = (got[i + 1] & 0xff) - (expected[i + 1] & 0xff);
            int blue = (got[i + 2] & 0xff) - (expected[i + 2] & 0xff);
            luminance += Math.abs(0.299 * red + 0.587 * green + 0.114 * blue);
            bias += red + green + blue;
        }
        assertThat(luminance / (expected.length / 3))
                .as("grey levels of luminance")
                .isLessThan(0.5);
        assertThat(Math.abs(bias / expected.length)).as("grey levels of bias").isLessThan(0.5);
    }

    private byte[] exif(int orientation) throws IOException {
        byte[] bytes = resource("exif.jpg");
        int tag = find(bytes, new byte[] {0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6});
        bytes[tag + 9] = (byte) orientation;
        return bytes;
    }

    private static int find(byte[] bytes, byte[] part) {
        for (int at = 0; at + part.length <= bytes.length; at++) {
            if (Arrays.equals(bytes, at, at + part.length, part, 0, part.length)) {
                return at;
            }
        }
        throw new AssertionError("not found");
    }

    @ParameterizedTest
    @EnumSource(Orientation.class)
    void picturesStandUprightWhicheverWayTheyLieInTheFile(Orientation orientation) throws IOException {
        int value = orientation.ordinal() + 1;
        byte[] bytes = exif(value);
        RgbPicture picture = RgbPicture.of(ImageTransform.read(file("a.jpg", bytes)));
        assertThat(worst(picture, expected("exif-" + value))).isZero();
        // The same through every other layout of pixels.
        BufferedImage stored = ImageTransform.read(file("upright.jpg", exif(1)));
        for (int type : new int[] {BufferedImage.TYPE_INT_RGB, BufferedImage.TYPE_4BYTE_ABGR}) {
            BufferedImage copy = new BufferedImage(stored.getWidth() + 2, stored.getHeight() + 3, type);
            copy.createGraphics().drawImage(stored, 1, 2, null);
            BufferedImage part = copy.getSubimage(1, 2, stored.getWidth(), stored.getHeight());
            assertThat(worst(RgbPicture.of(orientation.upright(part)), expected("exif-" + value)))
                    .as("type " + type)
                    .isZero();
        }
    }

    @Test
    void orientationIsReadFromPngAndWebPToo() throws IOException {
        byte[] tiff = ByteBuffer.allocate(26)
                .put("II*\0".getBytes(StandardCharsets.US_ASCII))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(8)
                .putShort((short) 1)
                .putShort((short) 0x0112)
                .putShort((short) 3)
                .putInt(1)
                .putShort((short) 8)
                .array();
        byte[] png = resource("16-rgb.png");
        ByteBuffer turned = ByteBuffer.allocate(png.length + 12 + tiff.length);
        int afterHeader = 8 + 12 + 13;
        turned.put(png, 0, afterHeader).putInt(tiff.length).put("eXIf".getBytes(StandardCharsets.US_ASCII));
        CRC32 crc = new CRC32();
        crc.update(turned.array(), afterHeader + 4, 4);
        crc.update(tiff);
        turned.put(tiff).putInt((int) crc.getValue()).put(png, afterHeader, png.length - afterHeader);
        BufferedImage picture = ImageTransform.read(file("a.png", turned.array()));
        assertThat(picture.getWidth()).isEqualTo(7);
        assertThat(picture.getHeight()).isEqualTo(9);

        byte[] webp = resource("lossless.webp");
        ByteBuffer extended =
                ByteBuffer.allocate(webp.length + 18 + 8 + tiff.length).order(ByteOrder.LITTLE_ENDIAN);
        extended.put(webp, 0, 12)
                .put("VP8X".getBytes(StandardCharsets.US_ASCII))
                .putInt(10);
        // Flag EXIF; width and height less one in 24 bits each.
        extended.putInt(8).put(new byte[] {36, 0, 0, 28, 0, 0}).put(webp, 12, webp.length - 12);
        extended.put("EXIF".getBytes(StandardCharsets.US_ASCII))
                .putInt(tiff.length)
                .put(tiff);
        extended.putInt(4, extended.capacity() - 8);
        picture = ImageTransform.read(file("a.webp", extended.array()));
        assertThat(picture.getWidth()).isEqualTo(29);
        assertThat(picture.getHeight()).isEqualTo(37);
    }

    @Test
    void damagedExifIsPassedOver(RandomSource random) throws IOException {
        byte[] bytes = exif(6);
        int begin = find(bytes, "Exif".getBytes(StandardCharsets.US_ASCII)) + 6;
        for (int round = 0; round < 500; round++) {
            byte[] block = Arrays.copyOfRange(bytes, begin, begin + 30);
            for (int change = random.nextInt(3); change >= 0; change--) {
                block[random.nextInt(block.length)] = (byte) random.nextInt();
            }
            assertThat(Orientation.of(Arrays.copyOf(block, random.nextInt(block.length + 1))))
                    .isNotNull();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"chroma-444.jpg", "progressive.jpg", "cmyk.jpg", "lossless.webp", "16-rgb.png"})
    void aPictureThatIsCutShortIsRefused(String name) throws IOException {
        byte[] whole = resource(name);
        for (double share : new double[] {0.2, 0.5, 0.75, 0.95}) {
            Path file = file(name, Arrays.copyOf(whole, (int) (share * whole.length)));
            assertThatIOException()
                    .as(name + " cut to " + share)
                    .isThrownBy(() -> ImageTransform.read(file))
                    .withMessageContaining(file.toString());
        }
    }

    @Test
    void aJpegWithoutItsEndMarkerIsWhole() throws IOException {
        byte[] whole = resource("chroma-444.jpg");
        RgbPicture picture = RgbPicture.of(ImageTransform.read(file("a.jpg", Arrays.copyOf(whole, whole.length - 2))));
        assertThat(worst(picture, expected("chroma-444.jpg"))).isZero();
    }

    /** A few bytes may claim any size: whatever the format, the header is asked before memory is. */
    @Test
    void aHugeJpegIsRefusedBeforeItIsDecoded() throws IOException {
        byte[] bytes = resource("chroma-444.jpg");
        int frame = find(bytes, new byte[] {(byte) 0xff, (byte) 0xc0, 0, 17, 8});
        ByteBuffer.wrap(bytes).putShort(frame + 5, (short) 20_000).putShort(frame + 7, (short) 20_000);
        Path file = file("huge.jpg", bytes);
        assertThatIOException()
                .isThrownBy(() -> ImageTransform.read(file))
                .withMessageContaining("huge.jpg has 20000x20000 = 400000000 pixels, limit " + (1L << 26));
    }
}
