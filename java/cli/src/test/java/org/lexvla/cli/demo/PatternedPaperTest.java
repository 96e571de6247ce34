package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PatternedPaperTest {
    @Test
    void everyPatchShowsTheSamePatternWhereverTheObjectIs() {
        for (Kind kind : Kind.values()) {
            int[] pixels = paint(kind, Color.RED, 0.3, 0.1, 0.6);
            int[] patch = patch(pixels, 3, 3);
            assertThat(patch(pixels, 4, 2)).as("%s", kind).isEqualTo(patch);
            assertThat(patch(paint(kind, Color.RED, 0.05, 0.17, 0.7), 3, 3))
                    .as("%s elsewhere", kind)
                    .isEqualTo(patch);
        }
    }

    @Test
    void noTwoKindsHaveTheSamePatternInAnyColour() {
        for (Colour colour : Colour.values()) {
            Set<String> patterns = new HashSet<>();
            for (Kind kind : Kind.values()) {
                int[] patch = patch(paint(kind, colour.base(), 0.1, 0.1, 0.8), 3, 3);
                patterns.add(Arrays.toString(patch));
                double far = Arrays.stream(patch)
                        .filter(rgb -> distance(new Color(rgb), colour.base()) > 60)
                        .count();
                assertThat(far / patch.length).as("%s %s", colour, kind).isBetween(0.08, 0.75);
            }
            assertThat(patterns).hasSize(Kind.values().length);
        }
    }

    private static double distance(Color a, Color b) {
        return Math.sqrt(Math.pow(a.getRed() - b.getRed(), 2)
                + Math.pow(a.getGreen() - b.getGreen(), 2)
                + Math.pow(a.getBlue() - b.getBlue(), 2));
    }

    private static int[] paint(Kind kind, Color body, double x, double y, double side) {
        BufferedImage image = new BufferedImage(112, 112, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.scale(112, 112);
        new PatternedPaper(kind, body).fill(graphics, new Rectangle2D.Double(x, y, side, side));
        graphics.dispose();
        return image.getRGB(0, 0, 112, 112, null, 0, 112);
    }

    private static int[] patch(int[] pixels, int column, int row) {
        int[] patch = new int[14 * 14];
        for (int i = 0; i < patch.length; i++) {
            patch[i] = pixels[(row * 14 + i / 14) * 112 + column * 14 + i % 14];
        }
        return patch;
    }
}
