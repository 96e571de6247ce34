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
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
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
class LexicalIndexTest {
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
        Path index = directory.resolve("index");
        create(
                index,
                List.of("fox.jpg", "boat.jpg", "blank.jpg", "snow.jpg"),
                vector(0, .5, 1, .5, 2, .25),
                vector(3, 1),
                vector(),
                vector(1, 1));
        LexicalVector query = vector(0, .5, 1, .25, 2, .5);
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            assertThat(open.size()).isEqualTo(4);
            assertThat(open.ids()).containsExactly("fox.jpg", "boat.jpg", "blank.jpg", "snow.jpg");
            assertThat(open.vocabulary()).isEqualTo(WORDS);
            List<LexicalIndex.Hit> hits = open.search(query, 10);
            assertThat(hits)
                    .containsExactly(
                            new LexicalSearcher.Hit("fox.jpg", .5f), new LexicalSearcher.Hit("snow.jpg", .25f));
            assertThat(open.search(query, 1)).containsExactly(hits.get(0));
            assertThat(open.explain(query, hits.get(0), 5))
                    .containsExactly(new WeightedWord("fox", .375f), new WeightedWord("snow", .125f));
            assertThat(open.explain(query, hits.get(0), 1)).hasSize(1);
            assertThat(open.vector("boat.jpg")).isEqualTo(vector(3, 1));
            assertThat(open.search(vector(4, 1), 10)).isEmpty();
        }
    }

    @RepeatedTest(10)
    void agreesWithSorting(RandomSource random) throws IOException {
        Path index = directory.resolve("index");
        int items = random.nextInt(30);
        List<String> ids = new ArrayList<>();
        LexicalVector[] vectors = new LexicalVector[items];
        for (int i = 0; i < items; i++) {
            ids.add("item " + i);
            vectors[i] = random(random);
        }
        create(index, ids, vectors);
        LexicalVector query = random(random);
        int k = 1 + random.nextInt(12);
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            List<LexicalIndex.Hit> hits = open.search(query, k);
            double[] scores = Arrays.stream(vectors)
                    .mapToDouble(query::dot)
                    .filter(score -> score > 0)
                    .map(score -> -score)
                    .sorted()
                    .map(score -> -score)
                    .limit(k)
                    .toArray();
            assertThat(hits.stream().mapToDouble(LexicalIndex.Hit::score).toArray())
                    .containsExactly(scores, within(1e-5));
            Set<String> found = new HashSet<>();
            for (LexicalIndex.Hit hit : hits) {
                assertThat(found.add(hit.id())).isTrue();
                assertThat((double) query.dot(vectors[ids.indexOf(hit.id())])).isCloseTo(hit.score(), within(1e-5));
                double shares = open.explain(query, hit, Integer.MAX_VALUE).stream()
                        .mapToDouble(WeightedWord::weight)
                        .sum();
                assertThat(shares).isCloseTo(hit.score(), within(1e-5));
            }
        }
    }

    @RepeatedTest(10)
    void findsTheSamePrepared(RandomSource random) throws IOException {
        Path index = directory.resolve("index");
        int items = random.nextInt(60);
        List<String> ids = new ArrayList<>();
        LexicalVector[] vectors = new LexicalVector[items];
        List<LexicalVector> queries = new ArrayList<>();
        for (int i = 0; i < items; i++) {
            ids.add("item " + i);
            vectors[i] = random(random);
            queries.add(random(random));
        }
        create(index, ids, vectors);
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            List<List<LexicalSearcher.Hit>> plain = open.search(queries, 3);
            long bytes = open.prepare(allocator);
            assertThat(open.prepare(allocator)).isEqualTo(bytes);
            assertThat(bytes > 0).isEqualTo(items > 0);
            List<List<LexicalSearcher.Hit>> prepared = open.search(queries, 3);
            assertThat(prepared).hasSameSizeAs(plain);
            for (int q = 0; q < queries.size(); q++) {
                assertThat(open.search(queries.get(q), 3)).isEqualTo(prepared.get(q));
                assertThat(scores(prepared.get(q))).containsExactly(scores(plain.get(q)), within(1e-5));
                for (LexicalSearcher.Hit hit : prepared.get(q)) {
                    assertThat(hit.score()).isEqualTo(queries.get(q).dot(vectors[ids.indexOf(hit.id())]));
                }
            }
            // A weight below 0 is no matter for the inverted index, and is searched all the same.
            LexicalVector against = vector(0, 1, 1, -.5);
            assertThat(scores(open.search(against, items + 1))).hasSize((int) Arrays.stream(vectors)
                    .filter(vector -> against.dot(vector) > 0)
                    .count());
        }
    }

    @Test
    void closedWhenPreparedIsClosed() throws IOException {
        Path index = directory.resolve("index");
        create(index, List.of("a"), vector(0, 1));
        LexicalIndex open = LexicalIndex.open(index, allocator);
        assertThat(open.prepare(allocator)).isPositive();
        open.close();
        assertThatThrownBy(() -> open.search(vector(0, 1), 3))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> open.search(List.of(vector(0, 1)), 3)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void remembersItsModelWhenBothAreMoved() throws IOException {
        Path first = Files.createDirectories(directory.resolve("first"));
        create(first.resolve("index"), List.of("a"), vector(0, 1));
        Path second = Files.move(first, directory.resolve("second"));
        try (LexicalIndex open = LexicalIndex.open(second.resolve("index"), allocator)) {
            assertThat(open.model()).isEqualTo(second.resolve("model"));
        }
    }

    @Test
    void refusesQueriesOfAnotherVocabulary() throws IOException {
        Path index = directory.resolve("index");
        create(index, List.of("a"), vector(0, 1));
        Vocabulary other = vocabulary("▁fox", "▁snow", "fox", "▁boat", "▁blue");
        LexicalVector query = LexicalVector.of(other, new int[] {0}, new float[] {1});
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            assertThatThrownBy(() -> open.search(query, 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("encode the query with the model of the index")
                    .hasMessageContaining("model");
            assertThatThrownBy(() -> open.explain(query, new LexicalSearcher.Hit("a", 1), 3))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void refusesQuestionsWithoutAnswer() throws IOException {
        Path index = directory.resolve("index");
        create(index, List.of("a"), vector(0, 1));
        LexicalIndex open = LexicalIndex.open(index, allocator);
        assertThatThrownBy(() -> open.search(vector(0, 1), 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("k is 0");
        assertThatThrownBy(() -> open.explain(vector(0, 1), new LexicalSearcher.Hit("b", 1), 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no item 'b' among the 1");
        open.close();
        assertThatThrownBy(() -> open.search(vector(0, 1), 3))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void isNeverWrittenOverAnything() throws IOException {
        Path index = directory.resolve("index");
        Files.createDirectories(index);
        create(index, List.of("a"), vector(0, 1));
        assertThatThrownBy(() -> create(index, List.of("b"), vector(0, 1)))
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContaining("not empty");
        Path file = Files.writeString(directory.resolve("file"), "mine");
        assertThatThrownBy(() -> create(file, List.of("b"), vector(0, 1)))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(file).hasContent("mine");
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            assertThat(open.ids()).containsExactly("a");
        }
    }

    @Test
    void leavesNothingWhenItCannotBeMade() throws IOException {
        assertThatThrownBy(() -> create(directory.resolve("index"), List.of("a", "a"), vector(0, 1), vector(1, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the id 'a' names items 0 and 1");
        assertThatThrownBy(() -> create(directory.resolve("index"), List.of("a"), vector(0, 1), vector(1, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 ids for 2 rows");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void saysWhatIsMissingOrDamaged() throws IOException {
        Path index = directory.resolve("index");
        refuses(index, "no index at");
        create(index, List.of("a", "b"), vector(0, 1), vector(1, 1));
        String description = Files.readString(index.resolve("index.json"));

        Files.writeString(index.resolve("index.json"), description.substring(0, 20));
        refuses(index, "cut short");
        Files.writeString(index.resolve("index.json"), description.replace("\"format\" : 1", "\"format\" : 2"));
        refuses(index, "format 2, this version reads format 1");
        Files.writeString(index.resolve("index.json"), description.replace("\"items\" : 2", "\"items\" : 3"));
        refuses(index, "says it has 3 items, but vectors.arrow has 2");
        Files.writeString(index.resolve("index.json"), description);

        Path vectors = index.resolve("vectors.arrow");
        byte[] bytes = Files.readAllBytes(vectors);
        Files.write(vectors, Arrays.copyOf(bytes, bytes.length / 2));
        refuses(index, "perhaps cut short");
        Files.delete(vectors);
        refuses(index, "no lexical vectors at");
        Files.write(vectors, bytes);

        Path other = directory.resolve("other");
        Vocabulary vocabulary = vocabulary("▁boat");
        try (LexicalBatch batch = LexicalBatch.of(List.of(), vocabulary, allocator)) {
            LexicalIndex.create(other, batch, List.of(), directory.resolve("model"));
        }
        Files.delete(vectors);
        Files.copy(other.resolve("vectors.arrow"), vectors);
        refuses(index, "do not belong together");
        Files.delete(index.resolve("vocabulary.json"));
        Files.copy(other.resolve("vocabulary.json"), index.resolve("vocabulary.json"));
        refuses(index, "was made with the vocabulary " + WORDS.fingerprint());
        Files.delete(index.resolve("vocabulary.json"));
        refuses(index, "no vocabulary at");
    }

    private static double[] scores(List<LexicalSearcher.Hit> hits) {
        return hits.stream().mapToDouble(LexicalSearcher.Hit::score).toArray();
    }

    private void refuses(Path index, String message) {
        assertThatThrownBy(() -> LexicalIndex.open(index, allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message);
        assertThat(allocator.getAllocatedMemory()).isZero();
    }

    private void create(Path index, List<String> ids, LexicalVector... vectors) throws IOException {
        try (LexicalBatch batch = LexicalBatch.of(List.of(vectors), WORDS, allocator)) {
            LexicalIndex.create(index, batch, ids, index.resolveSibling("model"));
        }
        try (Stream<Path> files = Files.list(index)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("index.json", "vectors.arrow", "vocabulary.json");
        }
    }

    private static LexicalVector random(RandomSource random) {
        List<Double> pairs = new ArrayList<>();
        for (int id = 0; id < WORDS.size(); id++) {
            if (random.nextBoolean()) {
                pairs.add((double) id);
                pairs.add(1 - random.nextDouble());
            }
        }
        return vector(pairs.stream().mapToDouble(Double::doubleValue).toArray());
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

    private static Vocabulary vocabulary(String... pieces) {
        List<Token> tokens = new ArrayList<>();
        for (String piece : pieces) {
            tokens.add(new Token(tokens.size(), piece, true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
