package org.lexvla.benchmarks;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalIndex;
import org.lexvla.server.SearchServer;
import org.lexvla.server.ServedPictures;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;

/**
 * How long the page of {@code lexvla serve} waits for an answer: {@code POST /api/search} over HTTP, one request after the other, in an index
 * of many generated vectors of as many words as the paper's have, 1081. The hits are 24, each with its score split by word.
 *
 * <pre>java --add-opens=java.base/java.nio=ALL-UNNAMED -cp benchmarks/target/benchmarks.jar org.lexvla.benchmarks.ServeLatency DIRECTORY [VECTORS [WORDS]]</pre>
 *
 * <p>Texts go through a tiny language model, so that their time is that of search and server: add the encoding by a model of yours. It is
 * not trained, so that its texts have more words than those of a trained one; how many is printed.
 */
public final class ServeLatency {
    private static final int TOKENS = 18_000;
    private static final int REQUESTS = 200;
    private static final int WARM_UP = 30;

    private ServeLatency() {}

    /** Makes model and index in a directory, where they are not there from the last time, and asks. */
    public static void main(String[] arguments) throws Exception {
        Path directory = Files.createDirectories(Path.of(arguments[0]));
        int count = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 100_000;
        int active = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 1081;
        try (BufferAllocator allocator = new RootAllocator();
                LexVla model = model(directory)) {
            Vocabulary words = model.vocabulary();
            List<String> ids =
                    IntStream.range(0, count).mapToObj(row -> row + ".png").toList();
            Path made = directory.resolve("index-" + count + "x" + active);
            if (!Files.exists(made)) {
                try (LexicalBatch batch = new ZipfVectors(words, active, 1).batch(count, allocator)) {
                    LexicalIndex.create(made, batch, ids, directory);
                }
            }
            System.out.printf(Locale.ROOT, "%d vectors of about %d of %d words%n", count, active, words.size());
            try (LexicalBatch text = model.encodeTexts(List.of("a b"))) {
                System.out.printf(
                        Locale.ROOT, "a text has %d words%n", text.get(0).active());
            }
            Path picture = directory.resolve("0.png");
            Map<String, Path> files = new HashMap<>();
            ids.forEach(id -> files.put(id, picture));
            try (LexicalIndex index = LexicalIndex.open(made, allocator);
                    SearchServer server = SearchServer.start(
                            index, model, ServedPictures.of(files), allocator, SearchServer.Settings.local(0))) {
                SplittableRandom random = new SplittableRandom(3);
                IntFunction<String> word = i -> words.word(random.nextInt(words.size()));
                URI search = server.address().resolve("/api/search");
                measure(
                        "three words with weights",
                        search,
                        i -> "{\"words\": {\"" + word.apply(i) + "\": 1, \"" + word.apply(i) + "\": 0.5, \"z\": 0.3}}");
                measure(
                        "a text, each another",
                        search,
                        i -> "{\"text\": \"" + word.apply(i) + " " + word.apply(i) + "\"}");
                measure(
                        "the same text, a word weighed anew",
                        search,
                        i -> "{\"text\": \"a b c\", \"factors\": {\"a\": " + i % 10 + "}}");
                measure("a picture of the index", search, i -> "{\"like\": \"" + i + ".png\"}");
            }
        }
    }

    /** A tiny model over a vocabulary of about the size of the paper's. */
    private static LexVla model(Path directory) throws IOException {
        ImageIO.write(
                new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB),
                "png",
                directory.resolve("0.png").toFile());
        Vocabulary invented = BenchmarkVocabulary.of(17_149);
        // Often enough that each becomes a token of its own.
        String all =
                IntStream.range(0, invented.size()).mapToObj(invented::word).collect(Collectors.joining(" "));
        Files.writeString(directory.resolve("captions.tsv"), "file\tcaption\n0.png\t" + all + "\n0.png\ta b\n");
        Files.writeString(directory.resolve("tiny.yaml"), """
                batch: 2
                adapter: {heads: 2}
                prompt: '"[TEXT]" is about:'
                fresh:
                  vision: {hidden: 32, layers: 1, heads: 2, image: 56, standIn: {steps: 1, batch: 2, learningRate: 1.0e-3}}
                  text: {hidden: 64, intermediate: 96, layers: 2, heads: 2, tokens: %d, standIn: {steps: 1, batch: 2, learningRate: 1.0e-3}}
                """.formatted(TOKENS));
        TrainingConfig config = TrainingConfig.load(directory.resolve("tiny.yaml"), List.of());
        CaptionDataset captions = CaptionDataset.open(directory.resolve("captions.tsv"));
        Path backbones = directory.resolve("backbones");
        if (Files.exists(backbones)) {
            Path text = backbones.resolve("text");
            return LexVla.init(
                    backbones.resolve("vision"), text, FreshModel.options(config, text, captions.captions()));
        }
        return FreshModel.create(config, captions, null, backbones, Device.cpu(), (stage, progress) -> {});
    }

    private static void measure(String what, URI search, IntFunction<String> body) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        double[] millis = new double[REQUESTS];
        for (int i = -WARM_UP; i < REQUESTS; i++) {
            HttpRequest request = HttpRequest.newBuilder(search)
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(body.apply(i + WARM_UP)))
                    .build();
            long start = System.nanoTime();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            long end = System.nanoTime();
            if (response.statusCode() != 200 || !response.body().contains("\"score\"")) {
                throw new IllegalStateException(what + ": " + response.statusCode() + " " + response.body());
            }
            if (i >= 0) {
                millis[i] = (end - start) / 1e6;
            }
        }
        Arrays.sort(millis);
        System.out.printf(
                Locale.ROOT,
                "%-36s p50 %6.1f ms   p95 %6.1f ms   largest %6.1f ms%n",
                what,
                millis[REQUESTS / 2],
                millis[REQUESTS * 95 / 100],
                millis[REQUESTS - 1]);
    }
}
