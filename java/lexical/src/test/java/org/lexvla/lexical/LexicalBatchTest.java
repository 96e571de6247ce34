package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.OutOfMemoryException;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class LexicalBatchTest extends ArrowTest {
    @RepeatedTest(20)
    void thresholdKeepsWhatReachesIt(RandomSource random) {
        int rows = random.nextInt(5);
        int words = 1 + random.nextInt(300);
        float[] values = activations(rows, words, random);
        float threshold =
                random.nextInt(4) == 0 ? 0 : values.length == 0 ? 0.5f : values[random.nextInt(values.length)];
        LexicalBatch batch = sparsify(values, rows, words, Sparsification.threshold(threshold));
        for (int row = 0; row < rows; row++) {
            float[] dense = Arrays.copyOfRange(values, row * words, (row + 1) * words);
            int[] kept = IntStream.range(0, words)
                    .filter(v -> dense[v] != 0 && dense[v] >= threshold)
                    .toArray();
            assertRow(batch.get(row), kept, dense);
        }
    }

    @Test
    void takesCsrInArrowBuffersAsItLies() {
        Vocabulary words = vocabulary(4);
        try (ArrowBuf offsets = buffer(0, 2, 2, 3);
                ArrowBuf ids = buffer(1, 3, 0);
                ArrowBuf weights =
                        buffer(Float.floatToIntBits(.5f), Float.floatToIntBits(.25f), Float.floatToIntBits(1))) {
            try (LexicalBatch batch = LexicalBatch.of(3, offsets, ids, weights, words, allocator)) {
                assertThat(batch.get(0)).isEqualTo(LexicalVector.of(words, new int[] {1, 3}, new float[] {.5f, .25f}));
                assertThat(batch.get(1).active()).isZero();
                assertThat(batch.get(2)).isEqualTo(LexicalVector.of(words, new int[] {0}, new float[] {1}));
            }
            assertThatThrownBy(() -> LexicalBatch.of(9, offsets, ids, weights, words, allocator))
                    .hasMessageContaining("offsets have 16 bytes, need 40 for 9 rows");
            try (ArrowBuf descending = buffer(0, 3, 2, 3);
                    ArrowBuf late = buffer(1, 2, 2, 3);
                    ArrowBuf beyond = buffer(0, 2, 2, 99);
                    ArrowBuf unsorted = buffer(3, 1, 0)) {
                assertThatThrownBy(() -> LexicalBatch.of(3, descending, ids, weights, words, allocator))
                        .hasMessageContaining("row 2 begins at entry 2, before the row ahead of it at 3");
                assertThatThrownBy(() -> LexicalBatch.of(3, late, ids, weights, words, allocator))
                        .hasMessageContaining("offsets go from 1 to 3");
                assertThatThrownBy(() -> LexicalBatch.of(3, beyond, ids, weights, words, allocator))
                        .hasMessageContaining("both need 396 for 99 entries");
                assertThatThrownBy(() -> LexicalBatch.of(3, offsets, unsorted, weights, words, allocator))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("row 0");
            }
        }
    }

    private ArrowBuf buffer(int... values) {
        ArrowBuf buffer = allocator.buffer((long) values.length * Integer.BYTES);
        for (int i = 0; i < values.length; i++) {
            buffer.setInt((long) i * Integer.BYTES, values[i]);
        }
        return buffer;
    }

    @RepeatedTest(20)
    void topKKeepsTheLargest(RandomSource random) {
        int rows = random.nextInt(5);
        int words = 1 + random.nextInt(300);
        int k = 1 + random.nextInt(words + 3);
        float[] values = activations(rows, words, random);
        LexicalBatch batch = sparsify(values, rows, words, Sparsification.topK(k));
        for (int row = 0; row < rows; row++) {
            float[] dense = Arrays.copyOfRange(values, row * words, (row + 1) * words);
            int[] kept = IntStream.range(0, words)
                    .filter(v -> dense[v] > 0)
                    .boxed()
                    // A stable sort: of equal ones the lowest id.
                    .sorted((a, b) -> Float.compare(dense[b], dense[a]))
                    .limit(k)
                    .mapToInt(v -> v)
                    .sorted()
                    .toArray();
            assertRow(batch.get(row), kept, dense);
        }
    }

    @Test
    void denseKeepsAllButZeros(RandomSource random) {
        float[] values = activations(3, 40, random);
        values[5] = 0;
        LexicalBatch batch = sparsify(values, 3, 40, Sparsification.dense());
        int nonzero = 0;
        for (float value : values) {
            nonzero += value != 0 ? 1 : 0;
        }
        assertThat(batch.active()).isEqualTo(nonzero);
        assertThat(batch.meanActive()).isEqualTo(nonzero / 3.0);
    }

    @Test
    void renormalizedRowsHaveLengthOneOrNothing(RandomSource random) {
        float[] values = new float[4 * 60];
        for (int i = 0; i < values.length; i++) {
            values[i] = i >= 60 && i < 120 ? 0 : 0.2f + random.nextFloat();
        }
        for (Sparsification how : List.of(
                Sparsification.standard(60).withRenormalize(true),
                Sparsification.topK(7).withRenormalize(true),
                Sparsification.dense().withRenormalize(true))) {
            LexicalBatch batch = sparsify(values, 4, 60, how);
            assertThat(batch.get(1).active()).isZero();
            for (int row : new int[] {0, 2, 3}) {
                float[] weights = batch.get(row).weights();
                double squares = 0;
                for (float weight : weights) {
                    squares += (double) weight * weight;
                }
                assertThat(Math.sqrt(squares)).isCloseTo(1, within(1e-6));
                int first = batch.get(row).ids()[0];
                int second = batch.get(row).ids()[1];
                assertThat(weights[0] / weights[1])
                        .isCloseTo(values[row * 60 + first] / values[row * 60 + second], within(1e-3f));
            }
        }
    }

    @Test
    void nanIsKeptToBeSeen() {
        LexicalBatch batch = sparsify(new float[] {0.1f, Float.NaN, 0.9f}, 1, 3, Sparsification.threshold(0.5f));
        assertThat(batch.get(0).ids()).containsExactly(1, 2);
        assertThat(batch.get(0).weights()).containsExactly(Float.NaN, 0.9f);
    }

    @RepeatedTest(5)
    void scoresGiveWhatTheirActivationsGive(RandomSource random) {
        int rows = random.nextInt(5);
        int words = 1 + random.nextInt(300);
        float[] scores = new float[rows * words];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = random.nextInt(10) == 0 ? Float.NEGATIVE_INFINITY : 3 * random.nextFloat() - 2;
        }
        try (HostArray raw = HostArray.floats(allocator, scores, rows, words);
                HostArray dense = HostArray.floats(allocator, scores, rows, words);
                HostArray norms = HostArray.floats(allocator, new float[rows], rows)) {
            Kernels.activateNormalizeForward(raw.view(), dense.view(), norms.view());
            for (Sparsification how : List.of(
                    Sparsification.standard(words),
                    Sparsification.topK(1 + random.nextInt(words)),
                    Sparsification.dense(),
                    Sparsification.standard(words).withRenormalize(true))) {
                LexicalBatch one = keep(LexicalBatch.sparsifyScores(raw.view(), how, vocabulary(words), allocator));
                LexicalBatch two = keep(LexicalBatch.sparsify(dense.view(), how, vocabulary(words), allocator));
                assertThat(one.size()).isEqualTo(rows);
                for (int row = 0; row < rows; row++) {
                    assertThat(one.get(row).ids()).isEqualTo(two.get(row).ids());
                    assertThat(one.get(row).weights()).isEqualTo(two.get(row).weights());
                }
            }
        }
    }

    @Test
    void moreThanIsHeldTwiceIsCountedFirst(RandomSource random) {
        int rows = 1100;
        int words = 4000;
        float[] values = new float[rows * words];
        for (int i = 0; i < 5000; i++) {
            values[random.nextInt(values.length)] = 1 + random.nextInt(9);
        }
        LexicalBatch batch = sparsify(values, rows, words, Sparsification.threshold(5));
        for (int row = 0; row < rows; row++) {
            float[] dense = Arrays.copyOfRange(values, row * words, (row + 1) * words);
            assertRow(
                    batch.get(row),
                    IntStream.range(0, words).filter(v -> dense[v] >= 5).toArray(),
                    dense);
        }
    }

    @Test
    void aRowOfEqualWordsIsKeptWhole() {
        // The tie of SPEC §5: every entry is 1/√V, whichever way the kernel rounds it.
        for (int words = 1; words < 1200; words++) {
            float[] norms = new float[1];
            try (HostArray scores = HostArray.floats(allocator, new float[words], 1, words);
                    HostArray norm = HostArray.floats(allocator, norms, 1)) {
                Kernels.activateNormalizeForward(scores.view(), scores.view(), norm.view());
                try (LexicalBatch batch = LexicalBatch.sparsify(
                        scores.view(), Sparsification.standard(words), vocabulary(words), allocator)) {
                    assertThat(batch.active()).as("of %d equal words", words).isEqualTo(words);
                }
            }
        }
    }

    @Test
    void standardThresholdIsThatOfThePaper() {
        assertThat(Sparsification.standard(17_149).value()).isCloseTo(0.007636f, within(1e-6f));
        assertThat(Sparsification.standard(16).value()).isEqualTo(0.25f);
    }

    @Test
    void refusesWaysThatAreNone() {
        assertThatThrownBy(() -> Sparsification.threshold(Float.NaN)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Sparsification.threshold(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1.0");
        assertThatThrownBy(() -> Sparsification.topK(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("k is 0");
        assertThatThrownBy(() -> Sparsification.standard(0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesActivationsThatDoNotFit() {
        Vocabulary vocabulary = vocabulary(5);
        HostArray values = keep(HostArray.floats(allocator, new float[8], 2, 4));
        HostArray ints = keep(HostArray.ints(allocator, new int[10], 2, 5));
        HostArray flat = keep(HostArray.floats(allocator, new float[5], 5));
        Sparsification how = Sparsification.standard(5);
        assertThatThrownBy(() -> LexicalBatch.sparsify(values.view(), how, vocabulary, allocator))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("FLOAT32[2, 4]")
                .hasMessageContaining("5 words");
        assertThatThrownBy(() -> LexicalBatch.sparsify(ints.view(), how, vocabulary, allocator))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> LexicalBatch.sparsify(flat.view(), how, vocabulary, allocator))
                .isInstanceOf(IllegalArgumentException.class);
        DenseView elsewhere = DenseView.of(64, ElementType.FLOAT32, Device.cuda(0), 2, 5);
        assertThatThrownBy(() -> LexicalBatch.sparsify(elsewhere, how, vocabulary, allocator))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cuda:0");
    }

    @Test
    void anAllocatorThatIsTooSmallLosesNothing(RandomSource random) {
        HostArray values = keep(HostArray.floats(allocator, activations(9, 100, random), 9, 100));
        try (RootAllocator small = new RootAllocator(2048)) {
            assertThatThrownBy(
                            () -> LexicalBatch.sparsify(values.view(), Sparsification.dense(), vocabulary(100), small))
                    .isInstanceOf(OutOfMemoryException.class);
            assertThat(small.getAllocatedMemory()).isZero();
        }
    }

    @RepeatedTest(20)
    void dotAgreesWithLoops(RandomSource random) {
        Vocabulary vocabulary = vocabulary(1 + random.nextInt(200));
        List<LexicalVector> left = vectors(vocabulary, random.nextInt(6), random);
        List<LexicalVector> right = vectors(vocabulary, random.nextInt(6), random);
        LexicalBatch a = batch(vocabulary, left);
        LexicalBatch b = batch(vocabulary, right);
        float[][] products = a.dot(b);
        assertThat(products.length).isEqualTo(left.size());
        for (int i = 0; i < left.size(); i++) {
            assertThat(products[i]).hasSize(right.size());
            for (int j = 0; j < right.size(); j++) {
                float expected = left.get(i).dot(right.get(j));
                assertThat(products[i][j]).isCloseTo(expected, within(1e-5f * Math.max(1, expected)));
            }
        }
        assertThat(a.dot(a).length).isEqualTo(left.size());
    }

    @RepeatedTest(20)
    void topKAgreesWithSorting(RandomSource random) {
        Vocabulary vocabulary = vocabulary(1 + random.nextInt(100));
        List<LexicalVector> rows = vectors(vocabulary, random.nextInt(40), random);
        LexicalBatch batch = batch(vocabulary, rows);
        LexicalVector query = vector(vocabulary, 0.3, random);
        int k = random.nextInt(rows.size() + 5);
        float[] scores = new float[rows.size()];
        for (int row = 0; row < scores.length; row++) {
            scores[row] = query.dot(rows.get(row));
        }
        List<Float> best = IntStream.range(0, scores.length)
                .filter(row -> scores[row] > 0)
                .mapToObj(row -> scores[row])
                .sorted(Collections.reverseOrder())
                .limit(k)
                .toList();
        List<LexicalBatch.Hit> hits = batch.topK(query, k);
        assertThat(hits).hasSameSizeAs(best);
        for (int i = 0; i < hits.size(); i++) {
            // Rows may change places on a near tie: judged by the score of the chosen row.
            assertThat(hits.get(i).score()).isCloseTo(best.get(i), within(1e-5f * Math.max(1, best.get(i))));
            assertThat(scores[hits.get(i).row()])
                    .isCloseTo(hits.get(i).score(), within(1e-5f * Math.max(1, best.get(i))));
        }
        assertThat(hits.stream().map(LexicalBatch.Hit::row).distinct().count()).isEqualTo(hits.size());
    }

    @Test
    void equalHitsComeByRow() {
        Vocabulary vocabulary = vocabulary(3);
        LexicalVector one = LexicalVector.of(vocabulary, new int[] {1}, new float[] {0.5f});
        LexicalVector none = LexicalVector.of(vocabulary, new int[0], new float[0]);
        LexicalBatch batch = batch(vocabulary, List.of(none, one, none, one, one));
        assertThat(batch.topK(one, 2)).containsExactly(new LexicalBatch.Hit(1, 0.25f), new LexicalBatch.Hit(3, 0.25f));
        assertThat(batch.topK(one, 99)).hasSize(3);
        assertThat(batch.topK(none, 99)).isEmpty();
        assertThat(batch.topK(one, 0)).isEmpty();
        assertThatThrownBy(() -> batch.topK(one, -1)).isInstanceOf(IllegalArgumentException.class);
    }

    @RepeatedTest(20)
    void slicesAndJoinsAreTheSameRows(RandomSource random) {
        Vocabulary vocabulary = vocabulary(1 + random.nextInt(100));
        List<LexicalVector> rows = vectors(vocabulary, random.nextInt(30), random);
        LexicalBatch batch = LexicalBatch.of(rows, vocabulary, allocator);
        int cut = random.nextInt(rows.size() + 1);
        LexicalBatch head = keep(batch.slice(0, cut));
        LexicalBatch tail = keep(batch.slice(cut, rows.size()));
        int from = random.nextInt(tail.size() + 1);
        LexicalBatch inner = keep(tail.slice(from, tail.size()));
        LexicalVector query = vector(vocabulary, 0.5, random);
        float[][] whole = batch.dot(batch);
        batch.close();

        assertThat(rowsOf(head)).isEqualTo(rows.subList(0, cut));
        assertThat(rowsOf(tail)).isEqualTo(rows.subList(cut, rows.size()));
        assertThat(rowsOf(inner)).isEqualTo(rows.subList(cut + from, rows.size()));
        LexicalBatch joined = keep(LexicalBatch.concat(List.of(head, inner, tail), allocator));
        List<LexicalVector> expected = new ArrayList<>(rowsOf(head));
        expected.addAll(rowsOf(inner));
        expected.addAll(rowsOf(tail));
        assertThat(rowsOf(joined)).isEqualTo(expected);
        assertThat(joined.active()).isEqualTo(head.active() + inner.active() + tail.active());
        // The kernels see the same in a slice: its buffers begin in the middle of others.
        float[][] part = inner.dot(head);
        for (int i = 0; i < part.length; i++) {
            assertThat(part[i]).containsExactly(Arrays.copyOf(whole[cut + from + i], cut));
        }
        assertThat(inner.topK(query, 3))
                .isEqualTo(
                        batch(vocabulary, rows.subList(cut + from, rows.size())).topK(query, 3));
    }

    @Test
    void refusesRowsOutside(RandomSource random) {
        Vocabulary vocabulary = vocabulary(9);
        LexicalBatch batch = batch(vocabulary, vectors(vocabulary, 3, random));
        assertThatThrownBy(() -> batch.get(3)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> batch.get(-1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> batch.slice(2, 4)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> batch.slice(2, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> LexicalBatch.concat(List.of(), allocator))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one");
    }

    @Test
    void refusesOtherVocabularies(RandomSource random) {
        LexicalBatch mine = batch(vocabulary(9), vectors(vocabulary(9), 3, random));
        LexicalBatch foreign = batch(vocabulary(8), vectors(vocabulary(8), 3, random));
        for (Callable<?> use : List.<Callable<?>>of(
                () -> mine.dot(foreign),
                () -> mine.topK(foreign.get(0), 1),
                () -> LexicalBatch.concat(List.of(mine, foreign), allocator),
                () -> LexicalBatch.of(List.of(foreign.get(0)), vocabulary(9), allocator))) {
            assertThatThrownBy(use::call)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("another vocabulary");
        }
    }

    @Test
    void aClosedBatchSaysSo(RandomSource random) {
        Vocabulary vocabulary = vocabulary(9);
        LexicalBatch batch = LexicalBatch.of(vectors(vocabulary, 3, random), vocabulary, allocator);
        LexicalBatch open = batch(vocabulary, vectors(vocabulary, 3, random));
        LexicalVector query = open.get(0);
        batch.close();
        batch.close();
        for (Callable<?> use : List.<Callable<?>>of(
                batch::size,
                batch::active,
                batch::meanActive,
                batch::vector,
                () -> batch.get(0),
                () -> batch.dot(open),
                () -> open.dot(batch),
                () -> batch.slice(0, 1),
                () -> batch.topK(query, 1),
                () -> LexicalBatch.concat(List.of(open, batch), allocator),
                () -> {
                    batch.write(java.nio.file.Path.of("never"), List.of());
                    return null;
                },
                () -> {
                    batch.exportTo(null, null);
                    return null;
                })) {
            assertThatThrownBy(use::call)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("this LexicalBatch is closed");
        }
        assertThat(batch).hasToString("closed LexicalBatch");
    }

    @Test
    void severalThreadsMayReadWhileOneCloses(RandomSource random) throws Exception {
        Vocabulary vocabulary = vocabulary(200);
        LexicalBatch batch = LexicalBatch.of(vectors(vocabulary, 50, random), vocabulary, allocator);
        float[][] expected = batch.dot(batch);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try {
            List<Future<Integer>> readers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                readers.add(pool.submit(() -> {
                    int reads = 0;
                    try {
                        while (true) {
                            assertThat(batch.dot(batch)).isDeepEqualTo(expected);
                            reads++;
                        }
                    } catch (IllegalStateException closed) {
                        return reads;
                    }
                }));
            }
            Thread.sleep(50);
            batch.close();
            for (Future<Integer> reader : readers) {
                assertThat(reader.get()).isNotNegative();
            }
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void peopleCanReadIt() {
        Vocabulary vocabulary = vocabulary(30);
        LexicalVector ab = LexicalVector.of(vocabulary, new int[] {0, 1}, new float[] {0.25f, 0.5f});
        LexicalVector none = LexicalVector.of(vocabulary, new int[0], new float[0]);
        assertThat(batch(vocabulary, List.of(ab, none)))
                .hasToString("2 rows, 1.0 of 30 words each: [b 0.50, a 0.25], []");
        assertThat(batch(vocabulary, List.of(ab, ab, ab, ab)).toString()).endsWith("[b 0.50, a 0.25], …");
        assertThat(batch(vocabulary, List.of())).hasToString("0 rows, 0.0 of 30 words each");
    }

    private LexicalBatch sparsify(float[] values, int rows, int words, Sparsification how) {
        try (HostArray array = HostArray.floats(allocator, values, rows, words)) {
            LexicalBatch batch = keep(LexicalBatch.sparsify(array.view(), how, vocabulary(words), allocator));
            assertThat(batch.size()).isEqualTo(rows);
            return batch;
        }
    }

    private LexicalBatch batch(Vocabulary vocabulary, List<LexicalVector> rows) {
        return keep(LexicalBatch.of(rows, vocabulary, allocator));
    }

    /** Not negative, of few different values so that there are ties, some rows of zeros. */
    private static float[] activations(int rows, int words, RandomSource random) {
        float[] values = new float[rows * words];
        for (int row = 0; row < rows; row++) {
            boolean zeros = random.nextInt(5) == 0;
            for (int v = 0; v < words; v++) {
                values[row * words + v] = zeros ? 0 : random.nextInt(30) / 29f;
            }
        }
        return values;
    }

    private static List<LexicalVector> vectors(Vocabulary vocabulary, int count, RandomSource random) {
        List<LexicalVector> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            rows.add(vector(vocabulary, random.nextInt(4) == 0 ? 0 : random.nextDouble(), random));
        }
        return rows;
    }

    private static List<LexicalVector> rowsOf(LexicalBatch batch) {
        return IntStream.range(0, batch.size()).mapToObj(batch::get).toList();
    }

    private static void assertRow(LexicalVector row, int[] kept, float[] dense) {
        assertThat(row.ids()).containsExactly(kept);
        for (int i = 0; i < kept.length; i++) {
            assertThat(row.weights()[i]).isEqualTo(dense[kept[i]]);
        }
    }
}
