package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

class DenseRowsTest {
    @Test
    void entriesStandAtTheirWords() {
        Vocabulary words = Vocabulary.select(
                List.of(new Token(0, "▁boat", true), new Token(1, "▁red", true), new Token(2, "▁sea", true)),
                Vocabulary.Rule.standard(),
                null);
        try (RootAllocator allocator = new RootAllocator();
                LexicalBatch batch = LexicalBatch.of(
                        List.of(
                                LexicalVector.of(words, new int[] {0, 2}, new float[] {0.5f, 0.25f}),
                                LexicalVector.of(words, new int[0], new float[0])),
                        words,
                        allocator)) {
            assertThat(DenseRows.of(batch)).isDeepEqualTo(new float[][] {{0.5f, 0, 0.25f}, {0, 0, 0}});
        }
    }
}
