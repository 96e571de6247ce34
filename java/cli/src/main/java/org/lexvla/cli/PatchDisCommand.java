package org.lexvla.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.cli.demo.PatchVectors;
import org.lexvla.evaluation.ConfusionMatrix;
import org.lexvla.evaluation.DenseRows;
import org.lexvla.evaluation.LabelMap;
import org.lexvla.evaluation.PatchDis;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Whether patches name what they show (SPEC §8). */
@Command(
        name = "patchdis",
        description = {
            "Give every patch the class whose name is most similar to it, and compare with true masks.",
            "Beside it: a baseline that gives every patch a class at random."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla evaluate patchdis --model demo/run --data demo/scenes/held-out"})
final class PatchDisCommand implements Callable<Integer> {
    private static final int BATCH = 32;
    private static final ObjectMapper JSON = new ObjectMapper();

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DIR",
            description =
                    "Directory with scenes.json (the names under \"classes\"), images/*.png and masks/*.png (8-bit"
                            + " indices of classes, 255 ignored), or the captions.tsv in it.")
    private Path data;

    @Option(
            names = "--seed",
            defaultValue = "1",
            paramLabel = "N",
            description = "Of the random baseline (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        Inputs.require(data);
        Path directory = Files.isDirectory(data) ? data : data.toAbsolutePath().getParent();
        List<String> names = classNames(directory.resolve("scenes.json"));
        List<Inputs.Picture> pictures = Inputs.pictures(directory.resolve("images"));
        try (LexVla encoder = LexVla.load(model, device.get());
                LexicalBatch classes = encoder.encodeTexts(names, Sparsification.dense())) {
            float[][] classRows = DenseRows.of(classes);
            PatchDis measure =
                    new PatchDis(names.size(), encoder.vision().config().patchSize(), seed);
            List<String> skipped = new ArrayList<>();
            try (Progress progress = console.progress("patches", "pictures", pictures.size())) {
                for (int from = 0; from < pictures.size(); from += BATCH) {
                    int to = Math.min(pictures.size(), from + BATCH);
                    add(encoder, classRows, pictures.subList(from, to), directory.resolve("masks"), measure, skipped);
                    progress.to(to);
                }
            }
            Encoder.reportSkipped(skipped, console);
            if (skipped.size() == pictures.size()) {
                throw new IllegalArgumentException("none of the " + skipped.size() + " pictures of " + directory
                        + " can be measured; the first: " + skipped.get(0));
            }
            report(names, measure, pictures.size() - skipped.size(), skipped);
        }
        return 0;
    }

    private static List<String> classNames(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new NoSuchFileException(file + " (names the classes of the masks)");
        }
        List<String> names = new ArrayList<>();
        for (JsonNode name : JSON.readTree(file.toFile()).path("classes")) {
            names.add(name.asText());
        }
        if (names.isEmpty()) {
            throw new IllegalArgumentException(file + " has no \"classes\": give the class names, by label");
        }
        return names;
    }

    private static void add(
            LexVla encoder,
            float[][] classes,
            List<Inputs.Picture> some,
            Path masks,
            PatchDis measure,
            List<String> skipped) {
        ImageTransform transform = encoder.transform();
        List<BufferedImage> pictures = new ArrayList<>();
        List<LabelMap> labels = new ArrayList<>();
        for (Inputs.Picture picture : some) {
            try {
                String name = picture.file().getFileName().toString();
                LabelMap mask = LabelMap.read(masks.resolve(name.substring(0, name.lastIndexOf('.')) + ".png"));
                pictures.add(ImageTransform.read(picture.file()));
                labels.add(mask.fit(transform.resize(), transform.crop()));
            } catch (NoSuchFileException e) {
                skipped.add(picture.id() + ": no mask " + e.getMessage());
            } catch (IOException e) {
                skipped.add(picture.id() + ": " + e.getMessage());
            }
        }
        if (pictures.isEmpty()) {
            return;
        }
        float[][][] patches = PatchVectors.of(encoder, pictures);
        for (int i = 0; i < patches.length; i++) {
            LabelMap mask = labels.get(i);
            measure.add(mask.labels(), mask.width(), PatchDis.classify(patches[i], classes));
        }
    }

    private void report(List<String> names, PatchDis measure, int pictures, List<String> skipped) {
        ConfusionMatrix matrix = measure.model();
        Map<String, Double> perClass = new LinkedHashMap<>();
        for (int label = 0; label < names.size(); label++) {
            if (matrix.iou(label).isPresent()) {
                perClass.put(names.get(label), matrix.iou(label).getAsDouble());
            }
        }
        console.line("%d pictures, %d classes", pictures, names.size());
        perClass.forEach((name, iou) -> console.line("  %-14s %6.3f", name, iou));
        console.line("%-16s %6.3f", "mIoU", matrix.meanIou());
        console.line("%-16s %6.3f", "random", measure.random().meanIou());
        console.line("%-16s %6.3f", "pixels right", matrix.pixelAccuracy());
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("miou", matrix.meanIou());
        result.put("random", measure.random().meanIou());
        result.put("miou_with_predicted", matrix.meanIouWithPredicted());
        result.put("pixel_accuracy", matrix.pixelAccuracy());
        result.put("classes", perClass);
        result.put("pictures", pictures);
        result.put("skipped", skipped);
        console.result(result);
    }
}
