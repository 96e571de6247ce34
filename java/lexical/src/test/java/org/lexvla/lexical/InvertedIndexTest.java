package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lexvla.lexical.InvertedIndex.Impacts;
import org.lexvla.lexical.LexicalBatch.Hit;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class InvertedIndexTest extends ArrowTest {
    @RepeatedTest(20)
    void findsWhatSortingFinds(RandomSource random) {
        Vocabulary words = vocabulary(1 + random.nextInt(60));
        List<LexicalVector> rows = vectors(random.nextInt(200), words, random);
        List<LexicalVector> queries = vectors(random.nextInt(80), words, random);
        int k = random.nextInt(30);
        try (LexicalBatch batch = LexicalBatch.of(rows, words, allocator);
                LexicalBatch asked = LexicalBatch.of(queries, words, allocator)) {
            for (Impacts impacts : Impacts.values()) {
                try (InvertedIndex index = InvertedIndex.of(batch, impacts, allocator)) {
                    List<List<Hit>> hits = index.search(asked, k).hits();
                    assertThat(hits).hasSameSizeAs(queries);
                    for (int q = 0; q < queries.size(); q++) {
                        // Equal to the last bit: both sum in double by ascending word.
                        assertThat(hits.get(q)).isEqualTo(sorted(queries.get(q), rows, k));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void outlivesTheBatchAndSaysWhatItDid(Impacts impacts, RandomSource random) {
        Vocabulary words = vocabulary(50);
        List<LexicalVector> rows = vectors(3000, words, random);
        LexicalVector query = vector(words, 0.2, random);
        InvertedIndex index;
        try (LexicalBatch batch = LexicalBatch.of(rows, words, allocator);
                LexicalBatch part = batch.slice(1000, 3000)) {
            index = InvertedIndex.of(part, impacts, allocator);
        }
        try (index) {
            InvertedIndex.Found found = index.search(List.of(query), 5);
            assertThat(found.hits()).containsExactly(sorted(query, rows.subList(1000, 3000), 5));
            assertThat(found.work().rows()).isBetween(5L, 500L);
            assertThat(found.work().bytes()).isBetween(found.work().postings(), index.bytes());
        }
    }

    @ParameterizedTest
    @EnumSource
    void findsTheSameWhenItIsReadAgain(Impacts impacts, @TempDir Path directory, RandomSource random)
            throws IOException {
        Vocabulary words = vocabulary(40);
        Path file = directory.resolve("index");
        for (int size : new int[] {0, 1, 500}) {
            List<LexicalVector> rows = vectors(size, words, random);
            List<LexicalVector> queries = vectors(30, words, random);
            try (LexicalBatch batch = LexicalBatch.of(rows, words, allocator);
                    InvertedIndex built = InvertedIndex.of(batch, impacts, allocator)) {
                built.write(file);
                assertThat(file).hasSize(built.bytes());
                try (InvertedIndex index = InvertedIndex.read(file, batch, allocator)) {
                    assertThat(index.search(queries, 5)).isEqualTo(built.search(queries, 5));
                }
            }
        }
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void refusesFilesThatAreNoIndexOfTheVectors(@TempDir Path directory, RandomSource random) throws IOException {
        Vocabulary words = vocabulary(40);
        Path file = directory.resolve("index");
        List<LexicalVector> rows = vectors(100, words, random);
        try (LexicalBatch batch = LexicalBatch.of(rows, words, allocator);
                LexicalBatch part = batch.slice(0, 99);
                InvertedIndex built = InvertedIndex.of(batch, Impacts.EIGHT_BIT, allocator)) {
            refuses(file, batch, "no inverted index at");
            built.write(file);
            refuses(file, part, "is no inverted index of these vectors");
            byte[] bytes = Files.readAllBytes(file);
            for (int i = 0; i < 200; i++) {
                byte[] changed = bytes.clone();
                changed[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                Files.write(file, changed);
                refuses(file, batch, "is no inverted index of these vectors");
                Files.write(file, Arrays.copyOf(bytes, random.nextInt(bytes.length)));
                refuses(file, batch, "is no inverted index of these vectors");
            }
        }
    }

    private void refuses(Path file, LexicalBatch vectors, String message) {
        long before = allocator.getAllocatedMemory();
        assertThatThrownBy(() -> InvertedIndex.read(file, vectors, allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message);
        assertThat(allocator.getAllocatedMemory()).isEqualTo(before);
    }

    @Test
    void refusesWhatItCannotHoldOrAnswer() {
        Vocabulary words = vocabulary(5);
        LexicalVector good = LexicalVector.of(words, new int[] {1}, new float[] {1});
        LexicalVector negative = LexicalVector.of(words, new int[] {1, 3}, new float[] {1, -2});
        LexicalVector nan = LexicalVector.of(words, new int[] {4}, new float[] {Float.NaN});
        for (LexicalVector bad : List.of(negative, nan)) {
            try (LexicalBatch batch = LexicalBatch.of(List.of(good, bad), words, allocator)) {
                assertThatThrownBy(() -> InvertedIndex.of(batch, Impacts.EIGHT_BIT, allocator))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("row 1: the weight of id");
            }
        }
        try (LexicalBatch batch = LexicalBatch.of(List.of(good), words, allocator);
                InvertedIndex index = InvertedIndex.of(batch, Impacts.EIGHT_BIT, allocator)) {
            assertThatThrownBy(() -> index.search(nan, 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("queries: row 0: the weight of id 4 is nan");
            assertThatThrownBy(() -> index.search(good, -1)).hasMessageContaining("k is -1, must be at least 0");
            LexicalVector foreign = LexicalVector.of(vocabulary(6), new int[] {1}, new float[] {1});
            assertThatThrownBy(() -> index.search(foreign, 3)).isInstanceOf(IllegalArgumentException.class);
            assertThat(index.search(good, 3)).containsExactly(new Hit(0, 1));
            assertThat(index.search(good, 0)).isEmpty();
        }
    }

    @Test
    void isClosedOnceAndForAll() {
        Vocabulary words = vocabulary(5);
        LexicalVector one = LexicalVector.of(words, new int[] {1}, new float[] {1});
        LexicalBatch batch = LexicalBatch.of(List.of(one), words, allocator);
        InvertedIndex index = InvertedIndex.of(batch, Impacts.FLOAT32, allocator);
        index.close();
        index.close();
        assertThatThrownBy(() -> index.search(one, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("this InvertedIndex is closed");
        assertThatThrownBy(() -> index.write(Path.of("not", "written"))).isInstanceOf(IllegalStateException.class);
        batch.close();
        assertThatThrownBy(() -> InvertedIndex.of(batch, Impacts.FLOAT32, allocator))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void threadsThatAreInterruptedFindTheSame(RandomSource random) throws Exception {
        Vocabulary words = vocabulary(200);
        List<LexicalVector> rows = vectors(2000, words, random);
        LexicalVector query = vector(words, 0.5, random);
        List<Hit> expected = sorted(query, rows, 10);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try (LexicalBatch batch = LexicalBatch.of(rows, words, allocator);
                InvertedIndex index = InvertedIndex.of(batch, Impacts.EIGHT_BIT, allocator)) {
            List<Callable<List<Hit>>> tasks = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                tasks.add(() -> {
                    Thread.currentThread().interrupt();
                    List<Hit> hits = index.search(query, 10);
                    assertThat(Thread.interrupted()).isTrue();
                    return hits;
                });
            }
            for (Future<List<Hit>> hits : pool.invokeAll(tasks)) {
                assertThat(hits.get()).isEqualTo(expected);
            }
        } finally {
            pool.shutdown();
        }
    }

    private static List<LexicalVector> vectors(int n, Vocabulary words, RandomSource random) {
        return IntStream.range(0, n)
                .mapToObj(i -> vector(words, i % 5 == 3 ? 0 : random.nextDouble(), random))
                .toList();
    }

    private static List<Hit> sorted(LexicalVector query, List<LexicalVector> rows, int k) {
        return IntStream.range(0, rows.size())
                .mapToObj(row -> new Hit(row, query.dot(rows.get(row))))
                .filter(hit -> hit.score() > 0)
                .sorted(Comparator.comparing(Hit::score).reversed())
                .limit(k)
                .toList();
    }
}
