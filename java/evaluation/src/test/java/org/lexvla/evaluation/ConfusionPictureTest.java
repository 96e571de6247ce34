package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConfusionPictureTest {
    @Test
    void cellsAreAsDarkAsTheirShareOfTheRow() {
        ConfusionMatrix matrix = new ConfusionMatrix(2);
        matrix.add(new int[] {0, 0, 0, 0, 1}, new int[] {0, 0, 0, 1, 1});
        ConfusionPicture picture = new ConfusionPicture(matrix, List.of("fox", "sea"));
        assertThat(picture.toSvg())
                .contains(">fox<", ">sea<", ">75<", ">25<", ">100<", "true class")
                .doesNotContain("100 %");
        BufferedImage image = picture.toImage();
        // 44 + 0.62 * 12 * 3 letters before the cells, 28 pixels each, all at twice the size; off the numbers.
        int first = 2 * (44 + 23) + 8;
        int blue = image.getRGB(first, first) & 0xFF;
        assertThat(blue).isBetween(0x7C + 20, 0xFF - 60);
        assertThat(image.getRGB(first + 56, first + 56)).isEqualTo(0xFF51127C);
        assertThat(image.getRGB(first, first + 56)).isEqualTo(0xFFFFFFFF);
    }

    @Test
    void manyClassesHaveAScaleInPlaceOfNumbersAndNamesMustFit() {
        ConfusionMatrix matrix = new ConfusionMatrix(80);
        matrix.add(new int[] {3}, new int[] {3});
        assertThat(new ConfusionPicture(matrix, Collections.nCopies(80, "x")).toSvg())
                .doesNotContain(">100<")
                .contains("#51127c", ">100 %<");
        assertThatThrownBy(() -> new ConfusionPicture(matrix, List.of("a")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 names for 80 classes");
    }
}
