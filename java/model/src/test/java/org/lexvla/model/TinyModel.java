package org.lexvla.model;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.lexvla.lexical.Device;

/** Backbones of a few thousand random parameters, in the real layouts on disk. */
final class TinyModel {
    static final int WIDTH = 32;
    static final int TEXT_WIDTH = 24;

    private TinyModel() {}

    /** A visual encoder for pictures of 56 x 56 pixels: 16 patches. */
    static Path vision(Path directory, long seed) {
        DinoV2Config config =
                new DinoV2Config(WIDTH, 2, 2, 2, 14, 56, 3, 1e-6, true, false, 0, DinoV2Config.Interpolation.OFFSET);
        try (DinoV2 vision = DinoV2.random(config, seed, Device.cpu())) {
            // The initial 0.02 would make all tokens alike.
            vision.parameters().forEach((name, tensor) -> {
                if (tensor.dim() > 1) {
                    tensor.mul_(new Scalar(10));
                }
            });
            vision.save(directory);
        }
        return directory;
    }

    /** A language model for the small tokenizer of the test resources, with that tokenizer. */
    static Path text(Path directory, long seed) throws IOException {
        return text(directory, seed, 571);
    }

    static Path text(Path directory, long seed, int vocabulary) throws IOException {
        try (Llama text = Llama.random(LlamaConfig.of(vocabulary, TEXT_WIDTH, 48, 2, 2, 256), seed, Device.cpu())) {
            text.parameters().forEach((name, tensor) -> {
                if (tensor.dim() > 1) {
                    tensor.mul_(new Scalar(10));
                }
            });
            text.save(directory);
        }
        return TinyTokenizer.install(directory, TinyTokenizer.JSON, TinyTokenizer.CONFIG);
    }

    /** A picture of rectangles. */
    static BufferedImage picture(int width, int height, long seed) {
        Random random = new Random(seed);
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D g = image.createGraphics();
        for (int i = 0; i < 12; i++) {
            g.setColor(new Color(random.nextInt(1 << 24)));
            g.fillRect(
                    random.nextInt(width),
                    random.nextInt(height),
                    1 + random.nextInt(width),
                    1 + random.nextInt(height));
        }
        g.dispose();
        return image;
    }
}
