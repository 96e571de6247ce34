package org.lexvla.server;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalIndex;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;

/** Thirty pictures, a model that has hardly learned anything, their index, and a server of all that. */
final class SmallWorld implements AutoCloseable {
    /** An id that would be markup, and leads upwards if taken for a path. */
    static final String STRANGE = "sub/../<img src=x onerror=alert(1)>&.png";

    private static final List<String> COLOURS = List.of("red", "blue", "green", "yellow", "white");
    private static final List<String> THINGS = List.of("square", "disc", "bar");

    final Path directory;
    final BufferAllocator allocator = new RootAllocator();
    final LexVla model;
    final LexicalIndex index;
    final SearchServer server;
    final Map<String, Path> files = new LinkedHashMap<>();

    SmallWorld(Path directory) throws IOException {
        this.directory = directory;
        StringBuilder table = new StringBuilder("file\tcaption\n");
        for (int i = 0; i < 30; i++) {
            String colour = COLOURS.get(i % COLOURS.size());
            String thing = THINGS.get(i % THINGS.size());
            Path file = directory.resolve("picture" + i + ".png");
            ImageIO.write(drawn(colour, thing, i), "png", file.toFile());
            table.append(file.getFileName())
                    .append("\ta ")
                    .append(colour)
                    .append(' ')
                    .append(thing)
                    .append('\n');
            files.put(i == 0 ? STRANGE : "pictures/" + i + ".png", file);
        }
        Files.writeString(directory.resolve("captions.tsv"), table);
        Files.writeString(directory.resolve("tiny.yaml"), """
                steps: 1
                batch: 4
                adapter: {heads: 2}
                prompt: '"[TEXT]" is about:'
                fresh:
                  vision: {hidden: 16, layers: 1, heads: 2, image: 56, standIn: {steps: 2, batch: 2, learningRate: 1.0e-3}}
                  text: {hidden: 16, intermediate: 32, layers: 1, heads: 2, tokens: 300, standIn: {steps: 2, batch: 4, learningRate: 1.0e-3}}
                """);
        model = FreshModel.create(
                TrainingConfig.load(directory.resolve("tiny.yaml"), List.of()),
                CaptionDataset.open(directory.resolve("captions.tsv")),
                null,
                directory.resolve("backbones"),
                Device.cpu(),
                (stage, progress) -> {});
        try (LexicalBatch batch = model.encodeImages(List.copyOf(files.values()), Sparsification.topK(20))) {
            LexicalIndex.create(directory.resolve("index"), batch, List.copyOf(files.keySet()), directory);
        }
        index = LexicalIndex.open(directory.resolve("index"), allocator);
        server = SearchServer.start(
                index,
                model,
                ServedPictures.of(files),
                allocator,
                new SearchServer.Settings("127.0.0.1", 0, Set.of("pictures.test"), 200_000, 15_000));
    }

    /** A thing on a grey ground. */
    static BufferedImage drawn(String colour, String thing, int shift) {
        BufferedImage image = new BufferedImage(120, 90, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.GRAY);
        graphics.fillRect(0, 0, 120, 90);
        graphics.setColor(
                switch (colour) {
                    case "red" -> Color.RED;
                    case "blue" -> Color.BLUE;
                    case "green" -> Color.GREEN;
                    case "yellow" -> Color.YELLOW;
                    default -> Color.WHITE;
                });
        switch (thing) {
            case "square" -> graphics.fillRect(20 + shift, 20, 40, 40);
            case "disc" -> graphics.fillOval(20 + shift, 20, 40, 40);
            default -> graphics.fillRect(10 + shift, 40, 80, 12);
        }
        graphics.dispose();
        return image;
    }

    @Override
    public void close() {
        server.close();
        index.close();
        model.close();
        allocator.close();
    }
}
