package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.lucene.search.IndexSearcher;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalSearcher;
import org.lexvla.search.SearchIndex;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Finds the pictures of an index that fit a text, a picture or words with weights. */
@Command(
        name = "search",
        description = {
            "Find the pictures of an index that fit a text, a picture, or words written by hand.",
            "Which engine the index is for, it says itself."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla search --index INDEX \"two red boats\" --explain",
            "          ./lexvla search --index INDEX --image fox.png",
            "          ./lexvla search --index INDEX --words fox=1,snow=0.5 --k 20"
        })
final class SearchCommand implements Callable<Integer> {
    @ArgGroup(exclusive = true, multiplicity = "1")
    private Query query;

    /** What to look for. */
    private static final class Query {
        @Parameters(paramLabel = "TEXT", description = "A text to look for.")
        private String text;

        @Option(names = "--image", paramLabel = "FILE", description = "A picture: find those that share its words.")
        private Path image;

        @Option(
                names = "--words",
                split = ",",
                paramLabel = "WORD=WEIGHT,...",
                hideParamSyntax = true,
                description =
                        "Words of the vocabulary and their weights, such as fox=1,snow=0.5; every piece that is spelled"
                                + " so is meant. A picture scores its own weights of them times these. Needs no model.")
        private Map<String, Float> words;
    }

    @Option(
            names = "--index",
            required = true,
            paramLabel = "INDEX",
            description = "Index directory of 'lexvla index'.")
    private Path index;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "Model that encodes the query (default: the one that made the index).")
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
                LexicalSearcher pictures = SearchIndex.open(index, allocator)) {
            // This process searches one index: a query may have all of its words.
            IndexSearcher.setMaxClauseCount(Math.max(
                    IndexSearcher.getMaxClauseCount(), pictures.vocabulary().size()));
            LexicalVector vector = query.words != null
                    ? byHand(pictures.vocabulary(), query.words)
                    : encode(model == null ? pictures.model() : model);
            // First of all, since a query of another vocabulary is refused.
            List<LexicalSearcher.Hit> hits = pictures.search(vector, k);
            console.line("%s → %s", asked(), vector);
            Vocabulary.Spelling spelling =
                    query.text == null ? null : pictures.vocabulary().spelling(query.text);
            if (spelling != null) {
                report(spelling, pictures.vocabulary());
            }
            List<Map<String, Object>> found = new ArrayList<>();
            for (LexicalSearcher.Hit hit : hits) {
                console.line("%3d  %.4f  %s", found.size() + 1, hit.score(), hit.id());
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
                console.line("No picture shares a word with this query.");
            }
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("query", asked());
            if (spelling != null) {
                result.put("known_words", spelling.known());
                result.put("unknown_words", spelling.unknown());
            }
            result.put("hits", found);
            console.result(result);
        }
        return 0;
    }

    /** A language model makes a vector of any letters, so that a word that was mistyped would find something without a word. */
    private void report(Vocabulary.Spelling spelling, Vocabulary vocabulary) {
        spelling.unknown()
                .forEach((word, near) -> console.line(
                        "\"%s\" is not among the %d words of the vocabulary; near ones: %s",
                        word, vocabulary.size(), String.join(", ", near)));
        if (spelling.strange()) {
            console.line("No word of this text is among them: what is found goes by pieces of words at best.");
        }
    }

    private String asked() {
        if (query.words != null) {
            List<String> parts = new ArrayList<>();
            query.words.forEach((word, weight) -> parts.add(word + "=" + weight));
            return String.join(",", parts);
        }
        return query.image != null ? query.image.toString() : query.text;
    }

    private LexicalVector encode(Path directory) throws IOException {
        try (LexVla encoder = LexVla.load(directory, device.get());
                LexicalBatch encoded = query.image != null
                        ? encoder.encodeImages(List.of(query.image))
                        : encoder.encodeTexts(List.of(query.text))) {
            return encoded.get(0);
        }
    }

    /** The vector of words and weights as they were written; each word stands for all pieces of its spelling. */
    private static LexicalVector byHand(Vocabulary vocabulary, Map<String, Float> words) {
        SortedMap<Integer, Float> byId = new TreeMap<>();
        words.forEach((word, weight) -> {
            if (weight == null || !(weight > 0) || weight.isInfinite()) {
                throw new IllegalArgumentException(
                        "--words gives \"" + word + "\" the weight " + weight + ": must be finite and above 0");
            }
            for (int id : vocabulary.requireWord(word)) {
                byId.put(id, weight);
            }
        });
        return LexicalVector.of(vocabulary, byId);
    }

    private static String describe(List<WeightedWord> words) {
        List<String> parts = new ArrayList<>();
        for (WeightedWord word : words) {
            parts.add(String.format(Locale.ROOT, "%s %.4f", word.word(), word.weight()));
        }
        return String.join(" + ", parts);
    }
}
