package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.lucene.search.IndexSearcher;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class LuceneIndexTest {
    private static final Vocabulary WORDS = vocabulary("▁fox", "▁snow", "fox", "▁boat", "▁red");

    @TempDir
    Path directory;

    private BufferAllocator allocator;

    @BeforeEach
    void openAllocator() {
        allocator = new RootAllocator();
    }

    @AfterEach
    void everythingWasClosed() {
        allocator.close();
    }

    @Test
    void findsAndExplains() throws IOException {
        create(
                WORDS,
                List.of("fox.jpg", "boat.jpg", "blank.jpg", "snow.jpg"),
                vector(0, .5, 1, .5, 2, .25),
                vector(3, 1),
                vector(),
                vector(1, 1));
        LexicalVector query = vector(0, .5, 1, .25, 2, .5);
        try (LexicalSearcher open = SearchIndex.open(index(), allocator)) {
            assertThat(open).isInstanceOf(LuceneIndex.class);
            assertThat(open.size()).isEqualTo(4);
            assertThat(open.vocabulary()).isEqualTo(WORDS);
            assertThat(open.model()).isEqualTo(directory.resolve("model"));
            List<LexicalSearcher.Hit> hits = open.search(query, 10);
            assertThat(hits)
                    .containsExactly(
                            new LexicalSearcher.Hit("fox.jpg", .5f), new LexicalSearcher.Hit("snow.jpg", .25f));
            assertThat(open.search(query, 1)).containsExactly(hits.get(0));
            assertThat(open.explain(query, hits.get(0), 5))
                    .containsExactly(new WeightedWord("fox", .375f), new WeightedWord("snow", .125f));
            assertThat(open.explain(query, hits.get(0), 1)).hasSize(1);
            assertThat(open.search(vector(4, 1), 10)).isEmpty();
            assertThat(open.search(vector(), 10)).isEmpty();
        }
    }

    /** 20,000 vectors of 128 words each, 200 queries of 32: 99 of 100 among the ten first are those of the exact ranking. */
    @Test
    void ranksAsTheExactOne(RandomSource random) throws IOException {
        Vocabulary many = numbered(17_234);
        int items = 20_000;
        LexicalVector[] vectors = new LexicalVector[items];
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < items; i++) {
            vectors[i] = zipf(random, many, 128);
            ids.add(String.valueOf(i));
        }
        create(many, ids, vectors);
        int same = 0;
        int queries = 200;
        double worst = 0;
        double bias = 0;
        try (LuceneIndex open = LuceneIndex.open(index())) {
            for (int q = 0; q < queries; q++) {
                LexicalVector query = zipf(random, many, 32);
                double[] exact = exact(query, vectors, many.size());
                Set<Integer> best = best(exact, 10);
                List<LexicalSearcher.Hit> hits = open.search(query, 10);
                assertThat(hits).hasSize(10);
                for (LexicalSearcher.Hit hit : hits) {
                    int item = Integer.parseInt(hit.id());
                    same += best.contains(item) ? 1 : 0;
                    double error = (hit.score() - exact[item]) / exact[item];
                    worst = Math.max(worst, Math.abs(error));
                    bias += error / (10 * queries);
                }
                double shares = open.explain(query, hits.get(0), Integer.MAX_VALUE).stream()
                        .mapToDouble(WeightedWord::weight)
                        .sum();
                assertThat(shares).isCloseTo(hits.get(0).score(), within(1e-5));
            }
        }
        System.out.printf(
                "Lucene against exact: top-10 overlap %.4f, largest error %.3f %%, mean error %.4f %%%n",
                same / (10.0 * queries), 100 * worst, 100 * bias);
        assertThat(same / (10.0 * queries)).isGreaterThanOrEqualTo(0.99);
        // 2^-9 of every term, and float32's sums: 32 roundings of 2^-24.
        assertThat(worst).isLessThanOrEqualTo(Math.scalb(1.0, -9) + 32 * Math.scalb(1.0, -24));
        assertThat(Math.abs(bias)).isLessThan(2e-4);
    }

    private static Set<Integer> best(double[] scores, int count) {
        PriorityQueue<Integer> weakestFirst = new PriorityQueue<>(Comparator.comparingDouble(i -> scores[i]));
        for (int i = 0; i < scores.length; i++) {
            if (weakestFirst.size() < count || scores[i] > scores[weakestFirst.peek()]) {
                weakestFirst.add(i);
            }
            if (weakestFirst.size() > count) {
                weakestFirst.remove();
            }
        }
        return new HashSet<>(weakestFirst);
    }

    private static double[] exact(LexicalVector query, LexicalVector[] vectors, int words) {
        double[] dense = new double[words];
        int[] queryIds = query.ids();
        float[] queryWeights = query.weights();
        for (int i = 0; i < queryIds.length; i++) {
            dense[queryIds[i]] = queryWeights[i];
        }
        double[] scores = new double[vectors.length];
        for (int row = 0; row < scores.length; row++) {
            int[] ids = vectors[row].ids();
            float[] weights = vectors[row].weights();
            for (int i = 0; i < ids.length; i++) {
                scores[row] += dense[ids[i]] * weights[i];
            }
        }
        return scores;
    }

    @Test
    void equalScoresKeepTheOrderOfTheItems(RandomSource random) throws IOException {
        int items = 3000;
        LexicalVector[] vectors = new LexicalVector[items];
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < items; i++) {
            vectors[i] = vector(0, 0.5, 3, random.nextBoolean() ? 0.25 : 0.5);
            ids.add("item " + i);
        }
        create(WORDS, ids, vectors);
        try (LuceneIndex open = LuceneIndex.open(index())) {
            assertThat(open.search(vector(0, 1), items).stream().map(LexicalSearcher.Hit::id))
                    .containsExactlyElementsOf(ids);
        }
    }

    @Test
    void largeAndTinyWeightsAreScaled() throws IOException {
        create(WORDS, List.of("a", "b"), vector(0, 0.5, 1, Float.MIN_VALUE), vector(1, 1));
        try (LuceneIndex open = LuceneIndex.open(index())) {
            assertThat(open.search(vector(0, 64), 1)).containsExactly(new LexicalSearcher.Hit("a", 32));
            assertThat(open.search(vector(0, 1000, 1, 4), 2))
                    .containsExactly(new LexicalSearcher.Hit("a", 500), new LexicalSearcher.Hit("b", 4));
            assertThat(open.search(vector(1, Float.MAX_VALUE), 2)).hasSize(1);
            assertThatThrownBy(() -> open.search(vector(0, 1, 3, -0.5), 2))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("weight -0.5 for \"boat\"");
        }
        assertThatThrownBy(() -> create("other", WORDS, List.of("a"), vector(0, Double.NaN)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("item 'a' has the weight NaN for \"fox\"");
        assertThat(directory.resolve("other")).doesNotExist();
    }

    @Test
    void moreWordsThanLuceneTakesAreRefusedWithTheRemedy() throws IOException {
        Vocabulary many = numbered(2000);
        int[] ids = IntStream.range(0, 1025).toArray();
        float[] weights = new float[1025];
        Arrays.fill(weights, 0.5f);
        LexicalVector query = LexicalVector.of(many, ids, weights);
        create(many, List.of("a"), query);
        int before = IndexSearcher.getMaxClauseCount();
        try (LuceneIndex open = LuceneIndex.open(index())) {
            IndexSearcher.setMaxClauseCount(1024);
            assertThatThrownBy(() -> open.search(query, 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("query has 1025 words, limit 1024")
                    .hasMessageContaining("setMaxClauseCount");
            IndexSearcher.setMaxClauseCount(1025);
            assertThat(open.search(query, 1).get(0).score()).isCloseTo(1025 / 4f, within(1e-3f));
        } finally {
            IndexSearcher.setMaxClauseCount(before);
        }
    }

    @Test
    void refusesWhatDoesNotBelong() throws IOException {
        create(WORDS, List.of("a"), vector(0, 1));
        Vocabulary other = vocabulary("▁fox", "▁snow", "fox", "▁boat", "▁blue");
        LexicalVector query = LexicalVector.of(other, new int[] {0}, new float[] {1});
        LuceneIndex open = LuceneIndex.open(index());
        assertThatThrownBy(() -> open.search(query, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("encode the query with the model of the index");
        assertThatThrownBy(() -> open.explain(query, new LexicalSearcher.Hit("a", 1), 3))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> open.explain(vector(0, 1), new LexicalSearcher.Hit("b", 1), 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no item 'b' among the 1");
        assertThatThrownBy(() -> open.search(vector(0, 1), 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("k is 0");
        open.close();
        assertThatThrownBy(() -> open.search(vector(0, 1), 3)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> create(WORDS, List.of("a"), vector(0, 1)))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> create("twice", WORDS, List.of("a", "a"), vector(0, 1), vector(0, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the id 'a' names items 0 and 1");
        assertThatThrownBy(() -> create("few", WORDS, List.of("a"), vector(0, 1), vector(0, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 ids for 2 rows");
    }

    @Test
    void saysWhatIsMissingOrDamaged() throws IOException {
        refuses("no index at");
        create(WORDS, List.of("a", "b"), vector(0, 1), vector(1, 1));
        Path file = index().resolve("index.json");
        String description = Files.readString(file);
        Files.writeString(file, description.substring(0, 20));
        refuses("cut short");
        Files.writeString(file, description.replace("\"format\" : 1", "\"format\" : 2"));
        refuses("format 2, this version reads format 1");
        Files.writeString(file, description.replace("\"items\" : 2", "\"items\" : 3"));
        refuses("says it has 3 items, but Lucene has 2");
        Files.writeString(file, description.replace("\"lucene\"", "\"tantivy\""));
        refuses("for the engine \"tantivy\", this version has exact, lucene, opensearch");
        Files.writeString(file, description.replace(WORDS.fingerprint(), "0".repeat(64)));
        refuses("was made with the vocabulary 0000");
        Files.writeString(file, description);
        try (Stream<Path> files = Files.list(index().resolve("lucene"))) {
            for (Path part : files.toList()) {
                if (part.getFileName().toString().startsWith("segments")) {
                    Files.write(part, new byte[10]);
                }
            }
        }
        refuses("Lucene cannot read the index");
    }

    private void refuses(String message) {
        assertThatThrownBy(() -> SearchIndex.open(index(), allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message);
    }

    private Path index() {
        return directory.resolve("index");
    }

    private void create(Vocabulary words, List<String> ids, LexicalVector... vectors) throws IOException {
        create("index", words, ids, vectors);
    }

    private void create(String name, Vocabulary words, List<String> ids, LexicalVector... vectors) throws IOException {
        try (LexicalBatch batch = LexicalBatch.of(List.of(vectors), words, allocator)) {
            LuceneIndex.create(directory.resolve(name), batch, ids, directory.resolve("model"));
        }
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString())).allMatch(file -> !file.endsWith(".tmp"));
        }
    }

    /** Frequent words are the more likely, as in real vectors; weights are normalised. */
    private static LexicalVector zipf(RandomSource random, Vocabulary words, int active) {
        BitSet chosen = new BitSet(words.size());
        for (int count = 0; count < active; ) {
            int word = (int) (Math.pow(words.size(), random.nextDouble()) - 1);
            count += chosen.get(word) ? 0 : 1;
            chosen.set(word);
        }
        int[] ids = chosen.stream().toArray();
        float[] weights = new float[active];
        double squares = 0;
        for (int i = 0; i < active; i++) {
            weights[i] = (float) -Math.log(1 - random.nextDouble());
            squares += weights[i] * (double) weights[i];
        }
        for (int i = 0; i < active; i++) {
            weights[i] /= (float) Math.sqrt(squares);
        }
        return LexicalVector.of(words, ids, weights);
    }

    /** Of ids and weights in turn. */
    private static LexicalVector vector(double... pairs) {
        int[] ids = new int[pairs.length / 2];
        float[] weights = new float[ids.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) pairs[2 * i];
            weights[i] = (float) pairs[2 * i + 1];
        }
        return LexicalVector.of(WORDS, ids, weights);
    }

    /** As many words as asked for, of the letters a to z. */
    private static Vocabulary numbered(int count) {
        List<Token> tokens = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            StringBuilder word = new StringBuilder();
            for (int n = i; word.length() < 4; n /= 26) {
                word.append((char) ('a' + n % 26));
            }
            tokens.add(new Token(i, word.toString(), true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }

    private static Vocabulary vocabulary(String... pieces) {
        List<Token> tokens = new ArrayList<>();
        for (String piece : pieces) {
            tokens.add(new Token(tokens.size(), piece, true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
