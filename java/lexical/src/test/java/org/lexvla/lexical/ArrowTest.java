package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.lexvla.testing.RandomSource;

/** Tests with an allocator, which must be empty after each of them, as must be JavaCPP's books. */
abstract class ArrowTest {
    BufferAllocator allocator;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private long nativeBytes;

    @BeforeEach
    void openAllocator() {
        Kernels.version();
        allocator = new RootAllocator();
        nativeBytes = Pointer.totalBytes();
    }

    @AfterEach
    void everythingWasClosed() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
        allocator.close();
        assertThat(Pointer.totalBytes()).as("native memory of JavaCPP").isEqualTo(nativeBytes);
    }

    /** Closes a resource at the end of the test. */
    <T extends AutoCloseable> T keep(T resource) {
        opened.push(resource);
        return resource;
    }

    /** Words a, b, …, z, aa, ab, …; token ids leave gaps. */
    static Vocabulary vocabulary(int size) {
        List<Token> tokens = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            StringBuilder word = new StringBuilder();
            for (int n = i + 1; n > 0; n = (n - 1) / 26) {
                word.insert(0, (char) ('a' + (n - 1) % 26));
            }
            tokens.add(new Token(3 + 2 * i, "▁" + word, true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }

    /** A vector in which each word appears with the given probability. */
    static LexicalVector vector(Vocabulary vocabulary, double density, RandomSource random) {
        int[] ids = random.ints(0, 1 << 20).limit(vocabulary.size()).toArray();
        int[] kept = IntStream.range(0, ids.length)
                .filter(i -> ids[i] < density * (1 << 20))
                .toArray();
        float[] weights = new float[kept.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = 1 - random.nextFloat();
        }
        return LexicalVector.of(vocabulary, kept, weights);
    }

    /** Every element within a tolerance; NaN is close to nothing. */
    static void assertClose(float[] actual, double[] expected, double tolerance) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            if (!(Math.abs(actual[i] - expected[i]) <= tolerance)) {
                throw new AssertionError("element " + i + " is " + actual[i] + ", expected " + expected[i] + " within "
                        + tolerance + " of it");
            }
        }
    }
}
