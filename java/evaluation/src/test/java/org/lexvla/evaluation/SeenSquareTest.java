package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import org.junit.jupiter.api.Test;

class SeenSquareTest {
    /** Of a picture of 300x200 pixels, with a grid of 4x4 patches of 50 pixels. */
    private static final SeenSquare SEEN = new SeenSquare(50, 0, 200, 4);

    @Test
    void aBoxHoldsThePatchesWhoseMiddleLiesInIt() {
        assertThat(SEEN.patches(0, 0, 300, 200)).hasSize(16);
        // Middles lie at x 75, 125, 175, 225 and y 25, 75, 125, 175; the left edge belongs to the box, the right does
        // not.
        assertThat(SEEN.patches(75, 25, 100, 100)).containsExactly(0, 1, 4, 5);
        assertThat(SEEN.patches(76, 26, 100, 100)).containsExactly(5, 6, 9, 10);
    }

    @Test
    void aSmallBoxIsThePatchInWhichItsMiddleLies() {
        assertThat(SEEN.patches(240, 190, 4, 4)).containsExactly(15);
    }

    @Test
    void aBoxOutsideIsRefused() {
        assertThatThrownBy(() -> SEEN.patches(10, 10, 20, 20))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the square 50,0,200,200");
        assertThatThrownBy(() -> SEEN.patches(60, 10, 0, 20))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("more than 0");
    }

    @Test
    void theSquareIsDrawnFromTheMiddle() {
        BufferedImage picture = new BufferedImage(300, 200, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < 200; y++) {
            for (int x = 0; x < 300; x++) {
                picture.setRGB(x, y, x < 50 || x >= 250 ? 0xFF0000 : 0x0000FF);
            }
        }
        BufferedImage square = SEEN.draw(picture, 400);
        assertThat(square.getWidth()).isEqualTo(400);
        assertThat(square.getRGB(8, 200)).isEqualTo(0xFF0000FF);
        assertThat(square.getRGB(391, 200)).isEqualTo(0xFF0000FF);
    }
}
