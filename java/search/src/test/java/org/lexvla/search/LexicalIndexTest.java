package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
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

    /** From a thousand items on there is an inverted index; it ranks as sums in double over every vector do. */
    @Test
    void manyItemsAreInvertedAndRankedTheSame(RandomSource random) throws IOException {
        Path index = directory.resolve("index");
        LexicalVector[] vectors = many(random);
        create(index, names(vectors.length), vectors);
        assertThat(index.resolve("inverted.bin")).isNotEmptyFile();
        List<LexicalVector> queries =
                Stream.generate(() -> random(random)).limit(20).toList();
        LexicalIndex closed;
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            closed = open;
            List<List<LexicalSearcher.Hit>> together = open.search(queries, 7);
            for (int q = 0; q < queries.size(); q++) {
                LexicalVector query = queries.get(q);
                List<LexicalSearcher.Hit> sorted = IntStream.range(0, vectors.length)
                        .mapToObj(row -> new LexicalSearcher.Hit("item " + row, query.dot(vectors[row])))
                        .filter(hit -> hit.score() > 0)
                        .sorted(Comparator.comparing(LexicalSearcher.Hit::score).reversed())
                        .limit(7)
                        .toList();
                assertThat(open.search(query, 7)).isEqualTo(sorted);
                assertThat(together.get(q)).isEqualTo(sorted);
            }
            // A weight below 0 is none for the inverted index: such a query is multiplied, and found all the same.
            LexicalVector against = vector(0, 1, 1, -.5);
            assertThat(open.search(against, vectors.length)).hasSize((int) Arrays.stream(vectors)
                    .filter(vector -> against.dot(vector) > 0)
                    .count());
        }
        assertThatThrownBy(() -> closed.search(queries.get(0), 3))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> closed.search(queries, 3)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void itemsThatCannotBeInvertedAreSearchedAllTheSame(RandomSource random) throws IOException {
        Path index = directory.resolve("index");
        LexicalVector[] vectors = many(random);
        vectors[700] = vector(0, -1, 3, 50);
        create(index, names(vectors.length), vectors);
        assertThat(index.resolve("inverted.bin")).doesNotExist();
        try (LexicalIndex open = LexicalIndex.open(index, allocator)) {
            assertThat(open.search(vector(3, 1), 1)).containsExactly(new LexicalSearcher.Hit("item 700", 50));
        }
    }

    @Test
    void saysWhenTheInvertedIndexIsMissingOrDamaged(RandomSource random) throws IOException {
        Path index = directory.resolve("index");
        LexicalVector[] vectors = many(random);
        create(index, names(vectors.length), vectors);
        Path inverted = index.resolve("inverted.bin");
        byte[] bytes = Files.readAllBytes(inverted);
        Files.write(inverted, Arrays.copyOf(bytes, bytes.length - 1000));
        refuses(index, "inverted.bin is no inverted index of these vectors");
        bytes[bytes.length / 2] ^= 1;
        Files.write(inverted, bytes);
        refuses(index, "index is damaged");
        Path other = directory.resolve("other");
        vectors[3] = vector(0, .5, 1, .5);
        vectors[4] = vector(1, .5, 2, .5);
        create(other, names(vectors.length), vectors);
        Files.copy(other.resolve("inverted.bin"), inverted, StandardCopyOption.REPLACE_EXISTING);
        refuses(index, "inverted.bin is no inverted index of these vectors");
        Files.delete(inverted);
        refuses(index, "no inverted index at");
    }

    private static LexicalVector[] many(RandomSource random) {
        return Stream.generate(() -> random(random)).limit(1200).toArray(LexicalVector[]::new);
    }

    private static List<String> names(int items) {
        return IntStream.range(0, items).mapToObj(item -> "item " + item).toList();
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
        Files.writeString(index.resolve("index.json"), description.replace("\"exact\"", "\"lucene\""));
        refuses(index, "is for the engine \"lucene\", not for exact");
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
                    .contains("index.json", "vectors.arrow", "vocabulary.json")
                    .isSubsetOf("index.json", "vectors.arrow", "vocabulary.json", "inverted.bin");
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
