package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.lexvla.testing.Golden;
import org.lexvla.testing.GoldenTensors;

/** Pillow's grey levels and BitImageProcessor's numbers, for every picture of the golden cases. */
class ImageTransformGoldenTest {
    /** The bound of the golden cases after normalisation, when the 8-bit stage is equal. */
    private static final double TOLERANCE = 1e-6;

    @TestFactory
    List<DynamicTest> everyPicture() throws IOException {
        GoldenTensors expected = GoldenTensors.read(Golden.directory().resolve("preprocess/expected.safetensors"));
        JsonNode summary = new ObjectMapper()
                .readTree(Golden.directory().resolve("preprocess/summary.json").toFile())
                .get("images");
        return Golden.files("preprocess", ".png").stream()
                .map(file -> {
                    String name = file.getFileName().toString().replace(".png", "");
                    return DynamicTest.dynamicTest(name, () -> check(file, name, summary.get(name), expected));
                })
                .toList();
    }

    private static void check(Path file, String name, JsonNode settings, GoldenTensors expected) throws IOException {
        ImageTransform standard = ImageTransform.imageNet(settings.get("crop").asInt());
        ImageTransform transform = new ImageTransform(
                settings.get("resize_shortest_edge").asInt(),
                settings.get("crop").asInt(),
                standard.mean(),
                standard.std());
        BufferedImage image = ImageTransform.read(file);
        RgbPicture picture = RgbPicture.of(image);
        assertThat(unsigned(picture)).as("decoded").isEqualTo(expected.ints(name + "/rgb"));

        if (expected.names().contains(name + "/resized_uint8")) {
            long[] shape = expected.shape(name + "/resized_uint8");
            int height = (int) shape[0];
            int width = (int) shape[1];
            RgbPicture resized = BicubicResize.resize(
                    picture,
                    BicubicResize.Box.whole(picture),
                    width,
                    height,
                    new BicubicResize.Box(0, 0, width, height));
            assertThat(unsigned(resized)).as("resized").isEqualTo(expected.ints(name + "/resized_uint8"));
        }
        assertThat(unsigned(transform.cropped(picture))).as("cropped").isEqualTo(expected.ints(name + "/crop_uint8"));

        float[] numbers = transform.of(image);
        if (expected.names().contains(name + "/pixel_values")) {
            double worst = 0;
            double[] truth = expected.doubles(name + "/pixel_values");
            assertThat(numbers).hasSameSizeAs(truth);
            for (int i = 0; i < numbers.length; i++) {
                worst = Math.max(worst, Math.abs(numbers[i] - truth[i]));
            }
            assertThat(worst).as("largest difference after normalisation").isLessThanOrEqualTo(TOLERANCE);
        } else {
            JsonNode first = settings.get("pixel_values_[0][0][:8]");
            for (int i = 0; i < first.size(); i++) {
                assertThat((double) numbers[i]).isCloseTo(first.get(i).asDouble(), offset(TOLERANCE));
            }
        }
    }

    private static int[] unsigned(RgbPicture picture) {
        byte[] samples = picture.rgb();
        int[] values = new int[samples.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = samples[i] & 0xff;
        }
        return values;
    }
}
