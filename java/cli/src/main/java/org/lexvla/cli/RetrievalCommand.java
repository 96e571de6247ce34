package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
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
            "A wrong candidate that scores the same as the right one counts as ranked before it."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla evaluate retrieval --model model --data captions.tsv"})
final class RetrievalCommand implements Callable<Integer> {
    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "TABLE",
            description = "captions.tsv; a picture may have several captions.")
    private Path data;

    @Mixin
    private SparsityOptions sparsity;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get());
                PairedVectors vectors =
                        PairedVectors.encode(encoder, data, sparsity.get(encoder.vocabulary()), allocator, console)) {
            Retrieval retrieval =
                    Retrieval.of(vectors.pictures().dot(vectors.texts()), vectors.owner(), Retrieval.Ties.WORST);
            Encoder.reportSkipped(vectors.skipped(), console);
            console.line(
                    "%d pictures, %d captions",
                    vectors.pictures().size(), vectors.texts().size());
            console.line("%-16s %6s %6s %6s", "", "R@1", "R@5", "R@10");
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("t2i", direction("text to image", retrieval.textToImage()));
            result.put("i2t", direction("image to text", retrieval.imageToText()));
            console.line(
                    "active words: %.1f a picture, %.1f a text, of %d",
                    vectors.pictures().meanActive(),
                    vectors.texts().meanActive(),
                    encoder.vocabulary().size());
            result.put("active_words", vectors.pictures().meanActive());
            result.put("active_words_text", vectors.texts().meanActive());
            result.put("vocabulary", encoder.vocabulary().size());
            result.put("pictures", vectors.pictures().size());
            result.put("captions", vectors.texts().size());
            result.put("skipped", vectors.skipped());
            console.result(result);
        }
        return 0;
    }

    private Map<String, Double> direction(String name, Retrieval.Direction direction) {
        Map<String, Double> recalls = new LinkedHashMap<>();
        for (int k : new int[] {1, 5, 10}) {
            recalls.put("r" + k, direction.recall(k));
        }
        console.line("%-16s %6.3f %6.3f %6.3f", name, recalls.get("r1"), recalls.get("r5"), recalls.get("r10"));
        return recalls;
    }
}
