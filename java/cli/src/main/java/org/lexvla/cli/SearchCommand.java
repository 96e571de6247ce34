package org.lexvla.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalIndex;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Finds the pictures of an index that fit a text. */
@Command(
        name = "search",
        description = "Find the pictures of an index that fit a text.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla search --index INDEX \"two red boats\" --explain"})
final class SearchCommand implements Callable<Integer> {
    @Parameters(paramLabel = "TEXT", description = "What to look for.")
    private String query;

    @Option(
            names = "--index",
            required = true,
            paramLabel = "INDEX",
            description = "Index directory of 'lexvla index'.")
    private Path index;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "Model that encodes the text (default: the one that made the index).")
    private Path model;

    @Option(
            names = "--k",
            defaultValue = "10",
            paramLabel = "K",
            description = "Number of hits (default: ${DEFAULT-VALUE}).")
    private int k;

    @Option(names = "--explain", description = "Split the score of each hit by word.")
    private boolean explain;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        if (k < 1) {
            throw new IllegalArgumentException("--k is " + k + ", must be at least 1");
        }
        try (BufferAllocator allocator = new RootAllocator();
                LexicalIndex pictures = LexicalIndex.open(index, allocator);
                LexVla encoder = LexVla.load(model == null ? pictures.model() : model, device.get());
                LexicalBatch encoded = encoder.encodeTexts(List.of(query))) {
            LexicalVector vector = encoded.get(0);
            console.line("%s", "\"" + query + "\" → " + vector);
            List<Map<String, Object>> found = new ArrayList<>();
            int rank = 0;
            for (LexicalIndex.Hit hit : pictures.search(vector, k)) {
                console.line("%3d  %.4f  %s", ++rank, hit.score(), hit.id());
                Map<String, Object> entry = new LinkedHashMap<>();
                entry.put("id", hit.id());
                entry.put("score", hit.score());
                if (explain) {
                    List<WeightedWord> words = pictures.explain(vector, hit, 8);
                    console.line("             %s", describe(words));
                    entry.put("words", words);
                }
                found.add(entry);
            }
            if (found.isEmpty()) {
                console.line("No picture shares a word with this text.");
            }
            console.result(Map.of("query", query, "hits", found));
        }
        return 0;
    }

    private static String describe(List<WeightedWord> words) {
        List<String> parts = new ArrayList<>();
        for (WeightedWord word : words) {
            parts.add(String.format(Locale.ROOT, "%s %.4f", word.word(), word.weight()));
        }
        return String.join(" + ", parts);
    }
}
