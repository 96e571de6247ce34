package org.lexvla.cli;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.lexvla.evaluation.ConfusionMatrix;
import org.lexvla.evaluation.ConfusionPicture;
import org.lexvla.evaluation.DenseRows;
import org.lexvla.evaluation.LabelMap;
import org.lexvla.evaluation.PatchDis;
import org.lexvla.evaluation.PatchScores;
import org.lexvla.evaluation.SegmentationProtocol;
import org.lexvla.evaluation.SegmentedPictures;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;
import org.lexvla.model.PictureLoader;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Whether patches name what they show (SPEC §8). */
@Command(
        name = "patchdis",
        description = {
            "Give every patch the class whose name is most similar to it, and compare with true masks.",
            "Beside it: a baseline that gives every patch a class at random. One count over all pictures; mIoU is the mean over"
                    + " the classes that the masks show."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla evaluate patchdis --model demo/run --data demo/scenes/held-out --confusion classes.png",
            "          ./lexvla evaluate patchdis --model model --data panoptic_val2017.json --images val2017/",
            "          ./lexvla evaluate patchdis --model model --data instances_val2017.json --images val2017/",
            "          ./lexvla evaluate patchdis --model model --data VOCdevkit/VOC2012 --split val"
        })
final class PatchDisCommand implements Callable<Integer> {
    private static final int BATCH = 32;

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Mixin
    private SegmentationOptions data;

    @Option(
            names = "--seed",
            defaultValue = "1",
            paramLabel = "N",
            description = "Of the random baseline (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--confusion",
            paramLabel = "FILE",
            description = "Draw what was taken for what: a .svg or .png to write, one per protocol.")
    private Path confusion;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    /** What is counted under one protocol. */
    private record Measure(SegmentationProtocol protocol, float[][] classes, PatchDis counts) {}

    @Override
    public Integer call() throws Exception {
        SegmentedPictures source = data.get();
        List<SegmentationProtocol> protocols = data.protocols(source);
        for (SegmentationProtocol protocol : protocols) {
            if (confusion != null) {
                NewFile.requirePicture(drawn(protocol, protocols.size()));
            }
        }
        List<SegmentedPictures.Picture> pictures = source.pictures();
        try (LexVla encoder = LexVla.load(model, device.get())) {
            List<Measure> measures = new ArrayList<>();
            for (SegmentationProtocol protocol : protocols) {
                try (LexicalBatch classes = encoder.encodeTexts(protocol.classes(), Sparsification.dense())) {
                    int patch = encoder.vision().config().patchSize();
                    measures.add(new Measure(
                            protocol,
                            DenseRows.of(classes),
                            new PatchDis(protocol.classes().size(), patch, seed)));
                }
            }
            List<String> skipped = measure(encoder, source, pictures, measures);
            Encoder.reportSkipped(skipped, console);
            if (skipped.size() == pictures.size()) {
                throw new IllegalArgumentException("of " + Count.of(skipped.size(), "picture")
                        + " none can be measured; the first: " + (skipped.isEmpty() ? "none" : skipped.get(0)));
            }
            report(measures, pictures.size() - skipped.size(), skipped);
        }
        return 0;
    }

    /** A picture, and the labels that are read with it. */
    private static final class Labelled {
        private final SegmentedPictures.Picture picture;
        private LabelMap labels;

        Labelled(SegmentedPictures.Picture picture) {
            this.picture = picture;
        }

        void read(SegmentedPictures source, ImageTransform transform, FloatBuffer pixels) throws IOException {
            LabelMap mask;
            try {
                mask = source.labels(picture);
            } catch (NoSuchFileException e) {
                throw new IOException("no mask " + e.getMessage(), e);
            }
            BufferedImage image = ImageTransform.read(picture.file());
            if (image.getWidth() != mask.width() || image.getHeight() != mask.height()) {
                throw new IOException("the picture has " + image.getWidth() + "x" + image.getHeight()
                        + " pixels, its mask " + mask.width() + "x" + mask.height());
            }
            transform.of(image, pixels);
            labels = mask.fit(transform.resize(), transform.crop());
        }
    }

    /** Adds all pictures to what is measured and returns those that cannot be, with the reason. */
    private List<String> measure(
            LexVla encoder,
            SegmentedPictures source,
            List<SegmentedPictures.Picture> pictures,
            List<Measure> measures) {
        ImageTransform transform = encoder.transform();
        FloatBuffer pixels = FloatBuffer.allocate(Math.multiplyExact(BATCH, transform.elements()));
        List<String> skipped = new ArrayList<>();
        try (Progress progress = console.progress("patches", "pictures", pictures.size());
                PictureLoader<Labelled> loader = PictureLoader.of(
                        pictures.stream().map(Labelled::new).iterator(),
                        (item, out) -> item.read(source, transform, out),
                        transform)) {
            for (int done = 0; loader.hasNext(); progress.to(done)) {
                List<LabelMap> labels = new ArrayList<>();
                pixels.clear();
                for (; pixels.hasRemaining() && loader.hasNext(); done++) {
                    PictureLoader.Loaded<Labelled> loaded = loader.next(pixels);
                    if (loaded.failure() == null) {
                        labels.add(loaded.item().labels);
                    } else {
                        skipped.add(loaded.item().picture.id() + ": "
                                + loaded.failure().getMessage());
                    }
                }
                add(encoder, pixels.flip(), labels, measures);
            }
        }
        return skipped;
    }

    private static void add(LexVla encoder, FloatBuffer pixels, List<LabelMap> labels, List<Measure> measures) {
        // The patches go through the model once, whatever is measured.
        float[][] classes =
                measures.stream().flatMap(measure -> Stream.of(measure.classes)).toArray(float[][]::new);
        float[][][] scores = PatchScores.of(encoder, pixels, classes);
        for (int i = 0; i < scores.length; i++) {
            LabelMap mask = labels.get(i);
            int first = 0;
            for (Measure measure : measures) {
                int from = first;
                int to = first + measure.classes.length;
                float[][] own = Stream.of(scores[i])
                        .map(patch -> Arrays.copyOfRange(patch, from, to))
                        .toArray(float[][]::new);
                measure.counts.add(measure.protocol.classes(mask), mask.width(), PatchDis.classify(own));
                first = to;
            }
        }
    }

    private void report(List<Measure> measures, int pictures, List<String> skipped) throws IOException {
        Map<String, Object> protocols = new LinkedHashMap<>();
        for (Measure measure : measures) {
            protocols.put(measure.protocol.name(), figures(measure, pictures, measures.size()));
        }
        Map<String, Object> result = new LinkedHashMap<>();
        // Of several protocols the first, so that a script need not know how many there are.
        result.putAll(figuresOf(measures.get(0)));
        result.put("protocols", protocols);
        result.put("pictures", pictures);
        result.put("skipped", skipped);
        console.result(result);
    }

    private Map<String, Object> figures(Measure measure, int pictures, int protocols) throws IOException {
        ConfusionMatrix matrix = measure.counts.model();
        ConfusionMatrix random = measure.counts.random();
        List<String> names = measure.protocol.classes();
        console.line(
                "%s, %s (%s)",
                Count.of(pictures, "picture"), Count.of(names.size(), "class", "classes"), measure.protocol.name());
        console.line("  %-16s %6s %8s %8s", "class", "IoU", "random", "pixels");
        double all = 0;
        for (int label = 0; label < names.size(); label++) {
            all += matrix.pixels(label);
        }
        for (int label = 0; label < names.size(); label++) {
            if (matrix.pixels(label) > 0) {
                console.line(
                        "  %-16s %6.3f %8.3f %7.2f%%",
                        names.get(label),
                        matrix.iou(label).orElseThrow(),
                        random.iou(label).orElseThrow(),
                        100 * matrix.pixels(label) / all);
            }
        }
        console.line("%-18s %6.3f %8.3f", "mIoU", matrix.meanIou(), random.meanIou());
        console.line("%-18s %6.3f %8.3f", "pixels right", matrix.pixelAccuracy(), random.pixelAccuracy());
        Map<String, Object> figures = figuresOf(measure);
        if (confusion != null) {
            Path file = drawn(measure.protocol, protocols);
            ConfusionPicture picture = new ConfusionPicture(matrix, names);
            NewFile.writePicture(file, picture::toSvg, picture::toImage);
            console.line("drawn in %s", file);
            figures.put("confusion", file.toString());
        }
        return figures;
    }

    private static Map<String, Object> figuresOf(Measure measure) {
        ConfusionMatrix matrix = measure.counts.model();
        Map<String, Double> perClass = new LinkedHashMap<>();
        for (int label = 0; label < matrix.classes(); label++) {
            if (matrix.iou(label).isPresent()) {
                perClass.put(
                        measure.protocol.classes().get(label), matrix.iou(label).getAsDouble());
            }
        }
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("miou", matrix.meanIou());
        figures.put("random", measure.counts.random().meanIou());
        figures.put("miou_with_predicted", matrix.meanIouWithPredicted());
        figures.put("pixel_accuracy", matrix.pixelAccuracy());
        figures.put("classes", perClass);
        return figures;
    }

    /** The file that was asked for; where there are several, the name of the protocol before its extension. */
    private Path drawn(SegmentationProtocol protocol, int protocols) {
        String name = confusion.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return protocols == 1 || dot < 0
                ? confusion
                : confusion.resolveSibling(name.substring(0, dot) + "-" + protocol.name() + name.substring(dot));
    }
}
