package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Transparency;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class ImageTransformTest {
    @TempDir
    Path directory;

    private static BufferedImage noise(int width, int height, int type, Random random) {
        BufferedImage image = new BufferedImage(width, height, type);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, 0xff000000 | random.nextInt(1 << 24));
            }
        }
        return image;
    }

    @Test
    void everyKindOfJavaPictureGivesTheSameColours(RandomSource random) {
        BufferedImage rgb = noise(23, 17, BufferedImage.TYPE_INT_RGB, random);
        byte[] expected = RgbPicture.of(rgb).rgb();
        assertThat(expected[1] & 0xff).isEqualTo(rgb.getRGB(0, 0) >> 8 & 0xff);
        for (int type : new int[] {
            BufferedImage.TYPE_INT_ARGB,
            BufferedImage.TYPE_INT_BGR,
            BufferedImage.TYPE_3BYTE_BGR,
            BufferedImage.TYPE_4BYTE_ABGR
        }) {
            BufferedImage copy = new BufferedImage(23, 17, type);
            for (int y = 0; y < 17; y++) {
                for (int x = 0; x < 23; x++) {
                    copy.setRGB(x, y, rgb.getRGB(x, y));
                }
            }
            assertThat(RgbPicture.of(copy).rgb()).as("type " + type).isEqualTo(expected);
            // A part of a picture shares its memory, with an offset.
            assertThat(RgbPicture.of(copy.getSubimage(3, 5, 7, 6)).rgb())
                    .as("part, type " + type)
                    .isEqualTo(RgbPicture.of(rgb.getSubimage(3, 5, 7, 6)).rgb());
        }
    }

    @Test
    void greyIsTakenAsStored() {
        for (int type : new int[] {BufferedImage.TYPE_BYTE_GRAY, BufferedImage.TYPE_USHORT_GRAY}) {
            BufferedImage grey = new BufferedImage(256, 1, type);
            for (int x = 0; x < 256; x++) {
                grey.getRaster().setSample(x, 0, 0, type == BufferedImage.TYPE_BYTE_GRAY ? x : x * 257);
            }
            byte[] samples = RgbPicture.of(grey).rgb();
            for (int i = 0; i < samples.length; i++) {
                assertThat(samples[i] & 0xff).isEqualTo(i / 3);
            }
        }
    }

    @Test
    void transparencyIsDroppedAndTheColourKept() {
        BufferedImage image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_ARGB);
        image.setRGB(0, 0, 0x00123456);
        assertThat(RgbPicture.of(image).rgb()).containsExactly(0x12, 0x34, 0x56);
    }

    @Test
    void fourInksAreRefused() {
        ColorSpace inks = new ColorSpace(ColorSpace.TYPE_CMYK, 4) {
            private static final long serialVersionUID = 1L;

            @Override
            public float[] toRGB(float[] values) {
                return new float[3];
            }

            @Override
            public float[] fromRGB(float[] values) {
                return new float[4];
            }

            @Override
            public float[] toCIEXYZ(float[] values) {
                return new float[3];
            }

            @Override
            public float[] fromCIEXYZ(float[] values) {
                return new float[4];
            }
        };
        WritableRaster raster = Raster.createInterleavedRaster(DataBuffer.TYPE_BYTE, 2, 2, 4, null);
        BufferedImage image = new BufferedImage(
                new ComponentColorModel(inks, false, false, Transparency.OPAQUE, DataBuffer.TYPE_BYTE),
                raster,
                false,
                null);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> RgbPicture.of(image))
                .withMessageContaining("4 colour components");
    }

    @Test
    void aPartOfAResizedPictureEqualsThatPartOfTheWhole(RandomSource random) {
        for (int round = 0; round < 50; round++) {
            RgbPicture picture = RgbPicture.of(
                    noise(1 + random.nextInt(60), 1 + random.nextInt(60), BufferedImage.TYPE_3BYTE_BGR, random));
            int width = 1 + random.nextInt(40);
            int height = 1 + random.nextInt(40);
            RgbPicture whole = BicubicResize.resize(
                    picture,
                    BicubicResize.Box.whole(picture),
                    width,
                    height,
                    new BicubicResize.Box(0, 0, width, height));
            int x = random.nextInt(width);
            int y = random.nextInt(height);
            BicubicResize.Box part =
                    new BicubicResize.Box(x, y, 1 + random.nextInt(width - x), 1 + random.nextInt(height - y));
            RgbPicture got = BicubicResize.resize(picture, BicubicResize.Box.whole(picture), width, height, part);
            for (int row = 0; row < part.height(); row++) {
                int from = 3 * ((y + row) * width + x);
                assertThat(Arrays.copyOfRange(got.rgb(), 3 * row * part.width(), 3 * (row + 1) * part.width()))
                        .isEqualTo(Arrays.copyOfRange(whole.rgb(), from, from + 3 * part.width()));
            }
        }
    }

    @Test
    void aPictureOfTheRightSizeStaysAsItIs(RandomSource random) {
        RgbPicture picture = RgbPicture.of(noise(31, 17, BufferedImage.TYPE_3BYTE_BGR, random));
        BicubicResize.Box from = new BicubicResize.Box(5, 3, 20, 10);
        RgbPicture got = BicubicResize.resize(picture, from, 20, 10, new BicubicResize.Box(2, 1, 9, 8));
        for (int row = 0; row < 8; row++) {
            int at = 3 * ((4 + row) * 31 + 7);
            assertThat(Arrays.copyOfRange(got.rgb(), 3 * row * 9, 3 * (row + 1) * 9))
                    .isEqualTo(Arrays.copyOfRange(picture.rgb(), at, at + 3 * 9));
        }
    }

    @Test
    void aStripIsRefusedBeforeItsSizeOverflows() {
        BufferedImage strip = new BufferedImage(1, 1 << 20, BufferedImage.TYPE_BYTE_GRAY);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ImageTransform.imageNet(224).of(strip))
                .withMessageContaining("1x1048576")
                .withMessageContaining("limit 16777216");
        assertThat(ImageTransform.imageNet(14).of(strip)).hasSize(3 * 14 * 14);
    }

    @Test
    void oneColourStaysThatColour(RandomSource random) {
        int colour = random.nextInt(1 << 24);
        BufferedImage image = new BufferedImage(37, 90, BufferedImage.TYPE_INT_RGB);
        Graphics2D g = image.createGraphics();
        g.setColor(new Color(colour));
        g.fillRect(0, 0, 37, 90);
        g.dispose();
        ImageTransform transform = new ImageTransform(30, 28, new float[3], new float[] {1, 1, 1});
        float[] numbers = transform.of(image);
        assertThat(numbers).hasSize(3 * 28 * 28);
        for (int i = 0; i < numbers.length; i++) {
            int band = i / (28 * 28);
            assertThat(numbers[i]).isEqualTo((float) ((colour >> (16 - 8 * band) & 0xff) * (1 / 255.0)));
        }
    }

    @Test
    void aBatchIsFilledPictureByPicture(RandomSource random) {
        ImageTransform transform = ImageTransform.imageNet(14);
        BufferedImage a = noise(20, 30, BufferedImage.TYPE_INT_RGB, random);
        BufferedImage b = noise(31, 15, BufferedImage.TYPE_INT_RGB, random);
        FloatBuffer batch = ByteBuffer.allocateDirect(2 * 4 * transform.elements())
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        transform.of(a, batch);
        transform.of(b, batch);
        assertThat(batch.hasRemaining()).isFalse();
        float[] both = new float[2 * transform.elements()];
        batch.flip().get(both);
        assertThat(Arrays.copyOf(both, transform.elements())).isEqualTo(transform.of(a));
        assertThat(Arrays.copyOfRange(both, transform.elements(), both.length)).isEqualTo(transform.of(b));
    }

    @Test
    void randomCropsRepeatWithTheirSeedAndKeepTheirArea(RandomSource random) {
        BufferedImage image = noise(60, 50, BufferedImage.TYPE_INT_RGB, random);
        ImageTransform transform = ImageTransform.imageNet(28);
        byte[] first = randomLevels(transform, image, random.seed());
        assertThat(randomLevels(transform, image, random.seed())).isEqualTo(first);
        assertThat(randomLevels(transform, image, random.seed() + 1)).isNotEqualTo(first);
        for (int i = 0; i < 1000; i++) {
            BicubicResize.Box box = ImageTransform.randomBox(400, 300, random, 0.5);
            assertThat(box.x()).isNotNegative();
            assertThat(box.y()).isNotNegative();
            assertThat(box.x() + box.width()).isLessThanOrEqualTo(400);
            assertThat(box.y() + box.height()).isLessThanOrEqualTo(300);
            assertThat((double) box.width() * box.height()).isGreaterThan(0.49 * 400 * 300);
            assertThat((double) box.width() / box.height()).isBetween(0.74, 1.35);
        }
        // Nothing of an allowed aspect fills nine tenths of a strip.
        assertThat(ImageTransform.randomBox(1000, 30, random, 0.9)).isEqualTo(new BicubicResize.Box(480, 0, 40, 30));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> transform.randomLevels(image, random, 0, ByteBuffer.allocate(transform.elements())))
                .withMessageContaining("not in (0, 1]");
    }

    private static byte[] randomLevels(ImageTransform transform, BufferedImage image, long seed) {
        byte[] levels = new byte[transform.elements()];
        transform.randomLevels(image, new SplittableRandom(seed), 0.9, ByteBuffer.wrap(levels));
        return levels;
    }

    /** Two pictures with every level in every channel: the numbers have to be those of the other way to the bit. */
    @Test
    @SuppressWarnings("try")
    void normalizedLevelsAreTheNumbersOfThePicture(RandomSource random) {
        ImageTransform transform =
                new ImageTransform(40, 28, new float[] {0.485f, 0.5f, 0.1f}, new float[] {0.229f, 0.25f, 1.7f});
        BufferedImage every = new BufferedImage(28, 28, BufferedImage.TYPE_3BYTE_BGR);
        for (int i = 0; i < 28 * 28; i++) {
            every.setRGB(i % 28, i / 28, (i & 255) << 16 | (i * 3 & 255) << 8 | (i * 5 & 255));
        }
        BufferedImage noise = noise(60, 50, BufferedImage.TYPE_INT_RGB, random);
        ByteBuffer levels = ByteBuffer.allocate(2 * transform.elements());
        ImageTransform whole = new ImageTransform(28, 28, transform.mean(), transform.std());
        whole.levels(every, levels);
        transform.levels(noise, levels);
        float[] wanted = new float[2 * transform.elements()];
        whole.of(every, FloatBuffer.wrap(wanted));
        transform.of(noise, FloatBuffer.wrap(wanted).position(transform.elements()));
        try (PointerScope scope = new PointerScope()) {
            Tensor bytes = LibTorch.empty(ScalarType.Byte, Device.cpu(), 2, 3, 28, 28);
            new BytePointer(bytes.data_ptr()).put(levels.array());
            float[] numbers = new float[wanted.length];
            transform.normalized(bytes).data_ptr_float().get(numbers);
            assertThat(numbers).isEqualTo(wanted);
            // What a GPU does.
            transform.computed(bytes).data_ptr_float().get(numbers);
            assertThat(numbers).isEqualTo(wanted);
            // A view has gaps.
            Tensor view = bytes.narrow(2, 3, 9);
            assertThat(transform.normalized(view).equal(transform.computed(view)))
                    .isTrue();
            assertThat(LibTorch.shape(transform.normalized(bytes.narrow(0, 0, 0))))
                    .containsExactly(0, 3, 28, 28);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> transform.normalized(bytes.to(ScalarType.Float)))
                    .withMessageContaining("uint8");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> transform.normalized(bytes.view(2, 1, 84, 28)))
                    .withMessageContaining("[pictures, 3, height, width]");
        }
    }

    @Test
    void settingsAreKept() throws IOException {
        ImageTransform transform =
                new ImageTransform(256, 224, new float[] {0.1f, 0.2f, 0.3f}, new float[] {0.4f, 0.5f, 0.6f});
        transform.save(directory);
        assertThat(ImageTransform.load(directory)).isEqualTo(transform);
        assertThat(ImageTransform.load(directory.resolve(ImageTransform.FILE))).hasSameHashCodeAs(transform);
    }

    @Test
    void settingsThatCannotBeDoneAreRefused() throws IOException {
        Path file = directory.resolve(ImageTransform.FILE);
        Files.writeString(
                file, "{\"size\":{\"shortest_edge\":64},\"crop_size\":{\"height\":56,\"width\":56},\"resample\":2}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ImageTransform.load(directory))
                .withMessageContaining("resample is 2");
        Files.writeString(file, "{\"size\":{\"height\":64},\"crop_size\":{\"height\":56,\"width\":56}}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ImageTransform.load(directory))
                .withMessageContaining("shortest_edge");
        Files.writeString(file, "{\"size\"");
        assertThatIOException()
                .isThrownBy(() -> ImageTransform.load(directory))
                .withMessageContaining(file + " is not proper JSON");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ImageTransform.imageNet(0))
                .withMessageContaining("crop 0");
    }

    @Test
    void aWebPictureIsRead() throws IOException {
        // A lossless WebP of 1x1 pixel.
        byte[] webp = Base64.getDecoder().decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==");
        Path file = Files.write(directory.resolve("one.webp"), webp);
        BufferedImage image = ImageTransform.read(file);
        assertThat(image.getWidth()).isEqualTo(1);
        assertThat(RgbPicture.of(image).rgb()).hasSize(3);
    }

    @Test
    void unreadablePicturesAreNamed() throws IOException {
        assertThatIOException()
                .isThrownBy(() -> ImageTransform.read(directory.resolve("none.png")))
                .withMessageContaining("none.png")
                .withMessageContaining("does not exist");
        assertThatIOException().isThrownBy(() -> ImageTransform.read(directory)).withMessageContaining("is not a file");
        Path text = Files.writeString(directory.resolve("text.jpg"), "no picture at all");
        assertThatIOException()
                .isThrownBy(() -> ImageTransform.read(text))
                .withMessageContaining("text.jpg")
                .withMessageContaining("no format that can be read");
        Path whole = directory.resolve("whole.png");
        ImageIO.write(new BufferedImage(50, 50, BufferedImage.TYPE_INT_RGB), "png", whole.toFile());
        byte[] bytes = Files.readAllBytes(whole);
        Path half = Files.write(directory.resolve("half.png"), Arrays.copyOf(bytes, 50));
        assertThatIOException().isThrownBy(() -> ImageTransform.read(half)).withMessageContaining("half.png");
    }

    @Test
    void damagedPicturesNeverDoMoreThanFail(RandomSource random) throws IOException {
        for (String format : new String[] {"png", "jpg", "gif", "bmp"}) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ImageIO.write(noise(20, 20, BufferedImage.TYPE_3BYTE_BGR, random), format, out);
            for (int round = 0; round < 60; round++) {
                byte[] bytes = out.toByteArray();
                for (int i = 0; i < 4; i++) {
                    bytes[random.nextInt(Math.min(bytes.length, 200))] = (byte) random.nextInt();
                }
                Path file = Files.write(directory.resolve("damaged." + format), bytes);
                try {
                    RgbPicture.of(ImageTransform.read(file));
                } catch (IOException e) {
                    assertThat(e).hasMessageContaining("damaged." + format);
                }
            }
        }
    }

    @Test
    void aHugePictureIsRefusedBeforeItIsDecoded() throws IOException {
        // Nothing but the header of a PNG of 20,000 x 20,000 pixels.
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeLong(0x89504e470d0a1a0aL);
        ByteBuffer header = ByteBuffer.allocate(17)
                .put("IHDR".getBytes(StandardCharsets.US_ASCII))
                .putInt(20_000)
                .putInt(20_000)
                .put(new byte[] {8, 2, 0, 0, 0});
        CRC32 crc = new CRC32();
        crc.update(header.array());
        out.writeInt(13);
        out.write(header.array());
        out.writeInt((int) crc.getValue());
        Path file = Files.write(directory.resolve("huge.png"), bytes.toByteArray());
        assertThatIOException()
                .isThrownBy(() -> ImageTransform.read(file))
                .withMessageContaining("huge.png has 20000x20000 = 400000000 pixels, limit " + (1L << 26));
    }
}
