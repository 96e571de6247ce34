package org.lexvla.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.evaluation.DenseRows;
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
        description = "Recall at 1 against the mean number of active words, over a range of thresholds.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla evaluate sparsity --model model --data captions.tsv"})
final class SparsityCommand implements Callable<Integer> {
    /** In units of 1/√V, the threshold of the paper. */
    private static final double[] MULTIPLES = {0, 0.25, 0.5, 1, 2, 4, 6, 8};

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "TABLE",
            description = "captions.tsv; a picture may have several captions.")
    private Path data;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get());
                PairedVectors vectors =
                        PairedVectors.encode(encoder, data, Sparsification.dense(), allocator, console)) {
            double[] thresholds = MULTIPLES.clone();
            for (int i = 0; i < thresholds.length; i++) {
                thresholds[i] /= Math.sqrt(encoder.vocabulary().size());
            }
            List<SparsitySweep.Point> points = SparsitySweep.of(
                    DenseRows.of(vectors.pictures()),
                    DenseRows.of(vectors.texts()),
                    vectors.owner(),
                    thresholds,
                    Retrieval.Ties.WORST);
            Encoder.reportSkipped(vectors.skipped(), console);
            console.line("%10s %14s %12s %10s %10s", "threshold", "words/picture", "words/text", "T2I R@1", "I2T R@1");
            for (SparsitySweep.Point point : points) {
                console.line(
                        "%10.5f %14.1f %12.1f %10.3f %10.3f",
                        point.threshold(),
                        point.activeImage(),
                        point.activeText(),
                        point.textToImage(),
                        point.imageToText());
            }
            console.result(Map.of("vocabulary", encoder.vocabulary().size(), "points", points));
        }
        return 0;
    }
}
