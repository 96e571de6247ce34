package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.evaluation.CaptionedPictures;
import org.lexvla.evaluation.Retrieval;
import org.lexvla.evaluation.WordUsage;
import org.lexvla.model.LexVla;

/** Measures a model, while it is trained, on pictures and captions that it is not trained on. */
final class HeldOut {
    /** Words that are named, and ranks of which the use is kept. */
    private static final int NAMED = 20;

    private static final int RANKS = 100;

    private final CaptionedPictures data;
    private final Console console;

    private HeldOut(CaptionedPictures data, Console console) {
        this.data = data;
        this.console = console;
    }

    /**
     * What was found after a step.
     *
     * @param step        of the training
     * @param pictures    measured
     * @param captions    measured
     * @param textToImage shares of captions whose picture is among the first
     * @param imageToText shares of pictures one of whose captions is among the first
     * @param activeImage mean words of a picture
     * @param activeText  mean words of a caption
     * @param overuse     the penalty, of the pictures
     * @param words       of the pictures, the most used ones
     * @param usage       mean weights of the most used words, descending
     * @param seconds     that it took
     */
    record Figures(
            int step,
            int pictures,
            int captions,
            Retrieval.Recalls textToImage,
            Retrieval.Recalls imageToText,
            double activeImage,
            double activeText,
            double overuse,
            List<WordUsage.Used> words,
            double[] usage,
            double seconds) {}

    /** @param table captions.tsv */
    static HeldOut open(Path table, Console console) throws IOException {
        Inputs.require(table);
        return new HeldOut(CaptionOptions.table(table), console);
    }

    /** Encodes and ranks everything. The model, which is in training, drops nothing at random meanwhile. */
    Figures measure(LexVla model, int step) {
        long start = System.nanoTime();
        model.lora().setTraining(false);
        try (BufferAllocator allocator = new RootAllocator();
                PairedVectors vectors =
                        PairedVectors.encode(model, data, model.config().sparsification(), allocator, console)) {
            Retrieval retrieval =
                    Retrieval.of(vectors.pictures().dot(vectors.texts()), vectors.owner(), Retrieval.Ties.WORST);
            WordUsage usage = WordUsage.of(vectors.pictures());
            double[] means = usage.means();
            return new Figures(
                    step,
                    vectors.pictures().size(),
                    vectors.texts().size(),
                    retrieval.textToImage().recalls(),
                    retrieval.imageToText().recalls(),
                    vectors.pictures().meanActive(),
                    vectors.texts().meanActive(),
                    usage.overuse(),
                    usage.top(NAMED),
                    Arrays.copyOf(means, Math.min(RANKS, means.length)),
                    (System.nanoTime() - start) / 1e9);
        } finally {
            model.lora().setTraining(true);
        }
    }
}
