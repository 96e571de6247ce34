package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.lexvla.model.ImageTransform;

class ScenePatchLabelsTest {
    @Test
    void labelsLieOnThePixelsTheyName() {
        ScenePatchLabels labels =
                new ScenePatchLabels(new SceneGenerator(9, 112), 60, 14, ImageTransform.imageNet(112));
        assertThat(labels.groups()).containsExactly(Scene.CLASSES, Colour.values().length);
        int count = 40;
        FloatBuffer pixels = FloatBuffer.allocate(count * 3 * 112 * 112);
        int[][] found = new int[2][count * 64];
        labels.next(count, new Random(1), pixels, found);
        assertThat(pixels.remaining()).isZero();
        int night = Scene.classOf(Background.NIGHT);
        int snow = Scene.classOf(Background.SNOW);
        double[] brightness = new double[Scene.CLASSES];
        int[] patches = new int[Scene.CLASSES];
        for (int p = 0; p < found[0].length; p++) {
            int label = found[0][p];
            assertThat(label).isBetween(0, Scene.CLASSES - 1);
            assertThat(found[1][p] >= 0).isEqualTo(label < Kind.values().length);
            int picture = p / 64;
            int row = p % 64 / 8;
            int column = p % 8;
            for (int y = row * 14; y < row * 14 + 14; y++) {
                for (int x = column * 14; x < column * 14 + 14; x++) {
                    brightness[label] += pixels.get(picture * 3 * 112 * 112 + y * 112 + x) / 196;
                }
            }
            patches[label]++;
        }
        assertThat(patches[night]).isPositive();
        assertThat(brightness[snow] / patches[snow]).isGreaterThan(1.5);
        assertThat(brightness[night] / patches[night]).isLessThan(-1);
        assertThat(Arrays.stream(found[1]).distinct().count()).isGreaterThan(6);
    }
}
