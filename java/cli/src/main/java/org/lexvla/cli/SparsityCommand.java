package org.lexvla.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.evaluation.CaptionedPictures;
import org.lexvla.evaluation.LineChart;
import org.lexvla.evaluation.Retrieval;
import org.lexvla.evaluation.SparsitySweep;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Retrieval against the number of active words (SPEC §8). */
@Command(
        name = "sparsity",
        description = {
            "Recall at 1, 5 and 10 against the mean number of active words, over a range of thresholds.",
            "Both sides are cut at the same threshold. A tie counts against the model."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla evaluate sparsity --model model --data captions.tsv --plot sparsity.svg",
            "          ./lexvla evaluate sparsity --model model --data dataset_coco.json --images coco/ --multiples 1,2,4"
        })
final class SparsityCommand implements Callable<Integer> {
    private static final int PLOT_WIDTH = 640;
    private static final int PLOT_HEIGHT = 400;

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Mixin
    private CaptionOptions data;

    @Option(
            names = "--multiples",
            split = ",",
            defaultValue = "0.25,0.5,1,2,4,6,8",
            paramLabel = "M,M,...",
            hideParamSyntax = true,
            description =
                    "Thresholds in units of 1/sqrt(vocabulary), the paper's threshold; 0 keeps every word, which takes"
                            + " time and memory with a large vocabulary (default: ${DEFAULT-VALUE}).")
    private double[] multiples;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            description = "Draw R@1 both ways against the active words of a picture: a .svg or .png to write.")
    private Path plot;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        for (double multiple : multiples) {
            if (!(multiple >= 0) || Double.isInfinite(multiple)) {
                throw new IllegalArgumentException("--multiples has " + multiple + ": must be finite and at least 0");
            }
        }
        if (plot != null) {
            NewFile.requirePicture(plot);
        }
        CaptionedPictures captioned = data.get();
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get())) {
            double standard =
                    Sparsification.standard(encoder.vocabulary().size()).value();
            double[] thresholds = Arrays.stream(multiples)
                    .map(multiple -> multiple * standard)
                    .toArray();
            // What the lowest keeps is what any other keeps, and more; rounded down, as the vectors are of float32.
            double lowest = Arrays.stream(thresholds).min().orElseThrow();
            Sparsification kept = Sparsification.threshold(Math.max(0, Math.nextDown((float) lowest)));
            try (PairedVectors vectors = PairedVectors.encode(encoder, captioned, kept, allocator, console)) {
                List<SparsitySweep.Point> points = SparsitySweep.of(
                        vectors.pictures(), vectors.texts(), vectors.owner(), thresholds, Retrieval.Ties.WORST);
                vectors.reportLeftOut(console);
                print(points);
                Map<String, Object> result = new LinkedHashMap<>();
                result.put("vocabulary", encoder.vocabulary().size());
                result.put("points", points);
                result.put("missing", vectors.missing());
                result.put("skipped", vectors.skipped());
                if (plot != null) {
                    LineChart chart = SparsitySweep.chart(points);
                    NewFile.writePicture(
                            plot,
                            () -> chart.toSvg(PLOT_WIDTH, PLOT_HEIGHT),
                            () -> chart.toImage(PLOT_WIDTH, PLOT_HEIGHT));
                    console.line("drawn in %s", plot);
                    result.put("plot", plot.toString());
                }
                console.result(result);
            }
        }
        return 0;
    }

    private void print(List<SparsitySweep.Point> points) {
        console.line("%32s   %-20s   %-20s", "", "text to image", "image to text");
        console.line(
                "%9s %13s %10s  %6s %6s %6s   %6s %6s %6s",
                "threshold", "words/picture", "words/text", "R@1", "R@5", "R@10", "R@1", "R@5", "R@10");
        for (SparsitySweep.Point point : points) {
            Retrieval.Recalls t2i = point.textToImage();
            Retrieval.Recalls i2t = point.imageToText();
            console.line(
                    "%9.5f %13.1f %10.1f  %6.3f %6.3f %6.3f   %6.3f %6.3f %6.3f",
                    point.threshold(),
                    point.activeImage(),
                    point.activeText(),
                    t2i.r1(),
                    t2i.r5(),
                    t2i.r10(),
                    i2t.r1(),
                    i2t.r5(),
                    i2t.r10());
        }
    }
}
