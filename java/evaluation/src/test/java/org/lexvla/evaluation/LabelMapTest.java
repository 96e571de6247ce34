package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LabelMapTest {
    @Test
    void everyLabelComesBack(@TempDir Path directory) throws Exception {
        for (int type : new int[] {BufferedImage.TYPE_BYTE_GRAY, BufferedImage.TYPE_BYTE_INDEXED}) {
            BufferedImage image = new BufferedImage(16, 16, type);
            int[] labels = new int[256];
            for (int i = 0; i < 256; i++) {
                labels[i] = i;
            }
            image.getRaster().setSamples(0, 0, 16, 16, 0, labels);
            Path file = directory.resolve(type + ".png");
            ImageIO.write(image, "png", file.toFile());
            assertThat(LabelMap.read(file).labels()).isEqualTo(labels);
        }
    }

    @Test
    void fittingTakesTheNearestLabelOfTheMiddle() {
        LabelMap map = new LabelMap(4, 2, new int[] {1, 2, 3, 4, 5, 6, 7, 8});
        assertThat(map.fit(2, 2).labels()).containsExactly(2, 3, 6, 7);
        assertThat(map.fit(4, 4).labels()).containsExactly(2, 2, 3, 3, 2, 2, 3, 3, 6, 6, 7, 7, 6, 6, 7, 7);
        assertThat(new LabelMap(2, 2, new int[] {1, 2, 3, 4}).fit(2, 2).labels())
                .containsExactly(1, 2, 3, 4);
        assertThat(new LabelMap(4, 4, new int[] {1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 9})
                        .fit(2, 2)
                        .labels())
                .containsExactly(0, 0, 0, 9);
    }

    @Test
    void badInputIsNamed(@TempDir Path directory) throws Exception {
        Path colour = directory.resolve("colour.png");
        ImageIO.write(new BufferedImage(2, 2, BufferedImage.TYPE_INT_RGB), "png", colour.toFile());
        assertThatThrownBy(() -> LabelMap.read(colour))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("colour.png")
                .hasMessageContaining("3 channels");
        Path text = Files.writeString(directory.resolve("text.png"), "no picture");
        assertThatThrownBy(() -> LabelMap.read(text))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("text.png");
        assertThatThrownBy(() -> LabelMap.read(directory.resolve("none.png"))).isInstanceOf(NoSuchFileException.class);
        LabelMap map = new LabelMap(2, 2, new int[4]);
        assertThatThrownBy(() -> map.fit(2, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("crop <= resize");
        assertThatThrownBy(() -> new LabelMap(2, 2, new int[3])).isInstanceOf(IllegalArgumentException.class);
    }
}
