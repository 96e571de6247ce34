package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.evaluation.CaptionedPictures;
import org.lexvla.evaluation.Retrieval;
import org.lexvla.model.LexVla;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** R@1, R@5 and R@10 both ways (SPEC §8). */
@Command(
        name = "retrieval",
        description = {
            "Recall at 1, 5 and 10 of pictures by text and of texts by picture.",
            "A picture finds a text if any of its captions is among the first. A wrong candidate that scores the same as the"
                    + " right one counts as ranked before it (--ties worst).",
            "The interval holds 95 %% of the figures of so many draws of pictures with their captions (bootstrap)."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla evaluate retrieval --model model --data captions.tsv",
            "          ./lexvla evaluate retrieval --model model --data dataset_flickr30k.json --images flickr30k-images/",
            "          ./lexvla evaluate retrieval --model model --data dataset_coco.json --images coco/ --split test",
            "          ./lexvla evaluate retrieval --model model --data captions_val2017.json --images val2017/"
        })
final class RetrievalCommand implements Callable<Integer> {
    private static final double LEVEL = 0.95;

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Mixin
    private CaptionOptions data;

    @Option(
            names = "--ties",
            defaultValue = "worst",
            paramLabel = "RULE",
            description =
                    "What a wrong candidate with the score of the right one does: worst (counts before it), strict (after"
                            + " it), stable (the lower index first) (default: ${DEFAULT-VALUE}).")
    private Retrieval.Ties ties;

    @Option(
            names = "--bootstrap",
            defaultValue = "1000",
            paramLabel = "N",
            description = "Draws of the interval; 0: no interval (default: ${DEFAULT-VALUE}).")
    private int draws;

    @Option(
            names = "--seed",
            defaultValue = "1",
            paramLabel = "N",
            description = "Of the draws (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private SparsityOptions sparsity;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        CaptionedPictures captioned = data.get();
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get());
                PairedVectors vectors =
                        PairedVectors.encode(encoder, captioned, sparsity.get(encoder), allocator, console)) {
            Retrieval retrieval = Retrieval.of(vectors.pictures().dot(vectors.texts()), vectors.owner(), ties);
            vectors.reportLeftOut(console);
            console.line(
                    "%s, %s; ties: %s",
                    Count.of(vectors.pictures().size(), "picture"),
                    Count.of(vectors.texts().size(), "caption"),
                    ties.name().toLowerCase(Locale.ROOT));
            console.line("%-14s  %-21s  %-21s  %-21s", "", "R@1", "R@5", "R@10");
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("t2i", direction("text to image", retrieval.textToImage()));
            result.put("i2t", direction("image to text", retrieval.imageToText()));
            console.line(
                    "active words: %.1f a picture, %.1f a text, of %d",
                    vectors.pictures().meanActive(),
                    vectors.texts().meanActive(),
                    encoder.vocabulary().size());
            result.put("ties", ties.name().toLowerCase(Locale.ROOT));
            result.put("active_words", vectors.pictures().meanActive());
            result.put("active_words_text", vectors.texts().meanActive());
            result.put("vocabulary", encoder.vocabulary().size());
            result.put("pictures", vectors.pictures().size());
            result.put("captions", vectors.texts().size());
            result.put("missing", vectors.missing());
            result.put("skipped", vectors.skipped());
            console.result(result);
        }
        return 0;
    }

    private Map<String, Object> direction(String name, Retrieval.Direction direction) {
        Map<String, Object> figures = new LinkedHashMap<>();
        Map<String, Object> intervals = new LinkedHashMap<>();
        StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-14s", name));
        for (int k : new int[] {1, 5, 10}) {
            double recall = direction.recall(k);
            figures.put("r" + k, recall);
            String shown = String.format(Locale.ROOT, "%.3f", recall);
            if (draws > 0) {
                Retrieval.Interval interval = direction.interval(k, new Retrieval.Bootstrap(draws, LEVEL, seed));
                intervals.put("r" + k, interval);
                shown += String.format(Locale.ROOT, " (%.3f–%.3f)", interval.low(), interval.high());
            }
            line.append(String.format(Locale.ROOT, "  %-21s", shown));
        }
        console.line("%s", line.toString().stripTrailing());
        if (draws > 0) {
            figures.put("interval", intervals);
        }
        return figures;
    }
}
