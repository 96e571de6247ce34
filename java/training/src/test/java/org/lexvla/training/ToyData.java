package org.lexvla.training;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

/** Twelve pictures of a coloured square on a coloured ground with their captions, and a tiny model for them. */
final class ToyData {
    static final List<String> SETTINGS = List.of(
            "steps=30",
            "batch=8",
            "seed=3",
            "optimizer.learningRate=2e-3",
            "optimizer.warmupSteps=3",
            "loss.lambda.steps=10",
            "poolCls=false",
            "prompt=\"[TEXT]\" has:",
            "adapter.heads=2",
            "lora.rank=2",
            "data.cache=10",
            "checkpoint.every=0",
            "fresh.vision.hidden=32",
            "fresh.vision.layers=1",
            "fresh.vision.heads=2",
            "fresh.vision.image=28",
            "fresh.vision.standIn.steps=5",
            "fresh.vision.standIn.batch=4",
            "fresh.text.hidden=32",
            "fresh.text.intermediate=48",
            "fresh.text.layers=1",
            "fresh.text.heads=2",
            "fresh.text.tokens=360",
            "fresh.text.standIn.steps=40",
            "fresh.text.standIn.batch=16",
            "fresh.text.standIn.learningRate=5e-3");

    private static final List<String> NAMES = List.of("red", "green", "blue", "black");
    private static final List<Color> COLOURS = List.of(Color.RED, Color.GREEN, Color.BLUE, Color.BLACK);

    private ToyData() {}

    static TrainingConfig config(String... more) throws IOException {
        List<String> settings = new java.util.ArrayList<>(SETTINGS);
        settings.addAll(List.of(more));
        return TrainingConfig.load(null, settings);
    }

    /** Draws the pictures and opens the table. */
    static CaptionDataset write(Path directory) throws IOException {
        Files.createDirectories(directory);
        StringBuilder table = new StringBuilder("file\tcaption\n");
        for (int inner = 0; inner < NAMES.size(); inner++) {
            for (int outer = 0; outer < NAMES.size(); outer++) {
                if (inner == outer) {
                    continue;
                }
                BufferedImage image = new BufferedImage(28, 28, BufferedImage.TYPE_INT_RGB);
                Graphics2D graphics = image.createGraphics();
                graphics.setColor(COLOURS.get(outer));
                graphics.fillRect(0, 0, 28, 28);
                graphics.setColor(COLOURS.get(inner));
                graphics.fillRect(0, 0, 14, 28);
                graphics.dispose();
                String name = NAMES.get(inner) + NAMES.get(outer) + ".png";
                ImageIO.write(image, "png", directory.resolve(name).toFile());
                table.append(name)
                        .append("\ta ")
                        .append(NAMES.get(inner))
                        .append(" square beside ")
                        .append(NAMES.get(outer))
                        .append('\n');
            }
        }
        Path file = directory.resolve("captions.tsv");
        Files.writeString(file, table);
        return CaptionDataset.open(file);
    }

    /** A fresh model whose backbones lie in {@code directory}. */
    static LexVla model(TrainingConfig config, CaptionDataset data, Path directory) throws IOException {
        return FreshModel.create(config, data, null, directory, Device.cpu(), (stage, progress) -> {});
    }

    /** A new model over backbones that lie in {@code directory} already. */
    static LexVla fresh(TrainingConfig config, CaptionSource data, Path directory) throws IOException {
        return LexVla.init(
                directory.resolve("vision"),
                directory.resolve("text"),
                FreshModel.options(config, directory.resolve("text"), data.captions(Integer.MAX_VALUE)));
    }
}
