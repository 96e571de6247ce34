package org.lexvla.spark;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;

/** Pictures of coloured boxes with captions, and a model for them that knows nothing yet. */
final class TinyModel {
    static final String SETTINGS = "tiny.yaml";

    private TinyModel() {}

    /** Writes so many pictures and {@code captions.tsv}, and says which files they are. */
    static List<Path> draw(Path directory, int pictures, List<String> captions) throws IOException {
        Color[] colours = {Color.RED, Color.BLUE, Color.GREEN, Color.ORANGE};
        String[] names = {"red", "blue", "green", "orange"};
        List<Path> files = new ArrayList<>();
        StringBuilder table = new StringBuilder("file\tcaption\n");
        for (int i = 0; i < pictures; i++) {
            BufferedImage picture = new BufferedImage(64, 56 + i, BufferedImage.TYPE_INT_RGB);
            Graphics2D pen = picture.createGraphics();
            pen.setColor(colours[i % 4]);
            pen.fillRect(4 * i, 8, 24, 20);
            pen.dispose();
            Path file = directory.resolve(i + ".png");
            ImageIO.write(picture, "png", file.toFile());
            files.add(file);
            captions.add("a " + names[i % 4] + " box at place " + i);
            table.append(i).append(".png\t").append(captions.get(i)).append('\n');
        }
        Files.writeString(directory.resolve("captions.tsv"), table);
        return files;
    }

    /** Makes the model for the table of a directory. */
    static Path make(Path directory) throws IOException {
        Path yaml = Files.writeString(directory.resolve(SETTINGS), """
                prompt: '"[TEXT]" is about:'
                adapter: {heads: 2}
                fresh:
                  vision: {hidden: 16, layers: 1, heads: 2, image: 56, standIn: {steps: 0, batch: 2, learningRate: 1.0e-3}}
                  text: {hidden: 16, intermediate: 32, layers: 1, heads: 2, tokens: 320, standIn: {steps: 0, batch: 2, learningRate: 1.0e-3}}
                """);
        TrainingConfig config = TrainingConfig.load(yaml, List.of());
        Path model = directory.resolve("model");
        try (LexVla fresh = FreshModel.create(
                config,
                CaptionDataset.open(directory.resolve("captions.tsv")),
                null,
                directory,
                Device.cpu(),
                (stage, progress) -> {})) {
            fresh.save(model);
        }
        return model;
    }
}
