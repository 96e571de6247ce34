package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import org.junit.jupiter.api.Test;

class HeatMapTest {
    @Test
    void theHottestPatchKeepsItsColourAndIsFramed() {
        BufferedImage picture = blue(56);
        float[] scores = new float[16];
        scores[5] = 1;
        scores[10] = 0.5f;
        BufferedImage map = HeatMap.over(picture, scores, 4, 1, 2);
        assertThat(map.getWidth()).isEqualTo(112);
        assertThat(map.getRGB(42, 42) & 0xFFFFFF).as("middle of patch 5").isEqualTo(0x0000FF);
        assertThat(blueness(map.getRGB(70, 70)))
                .isBetween(blueness(map.getRGB(14, 14)) + 10, blueness(map.getRGB(42, 42)) - 10);
        assertThat(blueness(map.getRGB(14, 14)))
                .as("a cold patch has no colour")
                .isLessThan(20);
        int frame = map.getRGB(28, 42);
        assertThat((frame >> 16 & 255) - (frame & 255))
                .as("red edge of patch 5")
                .isGreaterThan(60);
        assertThat(map.getRGB(84, 70) & 0xFFFFFF).as("patch 10 has no frame").isEqualTo(map.getRGB(84, 74) & 0xFFFFFF);
    }

    @Test
    void chosenPatchesShareAFrameAndKeepTheirColour() {
        BufferedImage picture = blue(56);
        BufferedImage framed = HeatMap.frame(picture, new int[] {5, 6}, 4);
        assertThat(framed.getRGB(21, 21)).isEqualTo(0xFF0000FF);
        assertThat(framed.getRGB(28, 21)).as("between the two").isEqualTo(0xFF0000FF);
        assertThat(blueness(framed.getRGB(14, 21))).as("left edge").isLessThan(100);
        assertThat(blueness(framed.getRGB(42, 21))).as("right edge").isLessThan(100);
        assertThat(picture.getRGB(14, 21)).as("the picture itself").isEqualTo(0xFF0000FF);
    }

    @Test
    void equalScoresFrameNothing() {
        BufferedImage map = HeatMap.over(blue(28), new float[] {2, 2, 2, 2}, 2, 1, 1);
        assertThat(map.getRGB(0, 0)).isEqualTo(map.getRGB(20, 20));
        assertThat(map.getRGB(13, 5)).isEqualTo(map.getRGB(20, 20));
    }

    @Test
    void equalScoresFadeAll() {
        BufferedImage map = HeatMap.over(blue(28), new float[] {2, 2, 2, 2}, 2, 0, 1);
        assertThat(blueness(map.getRGB(3, 3))).isLessThan(20);
    }

    @Test
    void badInputIsNamed() {
        assertThatThrownBy(() -> HeatMap.over(blue(28), new float[5], 2, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("5 patch scores");
        assertThatThrownBy(() -> HeatMap.over(blue(28), new float[9], 3, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("28x28");
        assertThatThrownBy(() -> HeatMap.over(blue(28), new float[] {0, Float.NaN, 0, 0}, 2, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("patch 1");
    }

    private static BufferedImage blue(int side) {
        BufferedImage picture = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < side * side; i++) {
            picture.setRGB(i % side, i / side, 0x0000FF);
        }
        return picture;
    }

    private static int blueness(int rgb) {
        return (rgb & 255) - (rgb >> 16 & 255);
    }
}
