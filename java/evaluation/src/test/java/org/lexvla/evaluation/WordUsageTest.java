package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

class WordUsageTest {
    private static final Vocabulary WORDS = Vocabulary.select(
            List.of(
                    new Token(0, "▁fox", true),
                    new Token(1, "fox", true),
                    new Token(2, "▁snow", true),
                    new Token(3, "▁the", true)),
            Vocabulary.Rule.standard(),
            null);

    @Test
    void meansAndShares() {
        try (RootAllocator allocator = new RootAllocator();
                LexicalBatch batch = LexicalBatch.of(
                        List.of(
                                LexicalVector.of(WORDS, new int[] {0, 3}, new float[] {0.5f, 0.75f}),
                                LexicalVector.of(WORDS, new int[] {1, 3}, new float[] {0.25f, 0.75f}),
                                LexicalVector.of(WORDS, new int[] {}, new float[] {}),
                                LexicalVector.of(WORDS, new int[] {3}, new float[] {0.5f})),
                        WORDS,
                        allocator)) {
            WordUsage usage = WordUsage.of(batch);
            assertThat(usage.top(10))
                    .containsExactly(new WordUsage.Used("the", 0.5, 0.75), new WordUsage.Used("fox", 0.125, 0.25));
            assertThat(usage.top(1)).hasSize(1);
            assertThat(usage.means()).containsExactly(0.5, 0.125, 0.0625, 0);
            double cubes = 0.5 * 0.5 * 0.5 + 0.125 * 0.125 * 0.125 + 0.0625 * 0.0625 * 0.0625;
            assertThat(usage.overuse()).isCloseTo(4 * cubes / 0.6875, within(1e-12));
        }
    }

    @Test
    void overuseOfOneWordAloneIsTheSizeOfTheVocabulary() {
        // SPEC §6: every sample on the same k equal tokens gives V / k.
        try (RootAllocator allocator = new RootAllocator();
                LexicalBatch batch = LexicalBatch.of(
                        List.of(
                                LexicalVector.of(WORDS, new int[] {2}, new float[] {1}),
                                LexicalVector.of(WORDS, new int[] {2}, new float[] {1})),
                        WORDS,
                        allocator)) {
            assertThat(WordUsage.of(batch).overuse()).isEqualTo(4);
        }
    }

    @Test
    void nothingUsesNothing() {
        try (RootAllocator allocator = new RootAllocator();
                LexicalBatch batch = LexicalBatch.of(List.of(), WORDS, allocator)) {
            WordUsage usage = WordUsage.of(batch);
            assertThat(usage.top(3)).isEmpty();
            assertThat(usage.overuse()).isZero();
            assertThat(usage.means()).containsOnly(0);
        }
    }
}
