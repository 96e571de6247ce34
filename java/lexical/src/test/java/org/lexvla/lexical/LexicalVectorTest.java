package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class LexicalVectorTest {
    private static final Vocabulary WORDS = Vocabulary.select(
            List.of(
                    new Token(10, "▁fox", true),
                    new Token(11, "▁snow", true),
                    new Token(12, "fox", true),
                    new Token(13, "▁boat", true)),
            Vocabulary.Rule.standard(),
            null);

    @Test
    void topMergesPiecesByMaximum() {
        LexicalVector vector = LexicalVector.of(WORDS, new int[] {0, 1, 2, 3}, new float[] {0.1f, 0.2f, 0.3f, 0.05f});
        assertThat(vector.top(2)).containsExactly(new WeightedWord("fox", 0.3f), new WeightedWord("snow", 0.2f));
        assertThat(vector.top(0)).isEmpty();
        assertThat(vector.top(99)).hasSize(3);
        assertThat(vector.active()).isEqualTo(4);
        assertThat(vector).hasToString("fox 0.30, snow 0.20, boat 0.05");
        assertThatThrownBy(() -> vector.top(-1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void theWeightOfAWordIsThatOfAllItsPieces() {
        LexicalVector vector = LexicalVector.of(WORDS, new int[] {0, 1, 2}, new float[] {0.25f, 0.2f, 0.5f});
        assertThat(vector.weight("fox")).isEqualTo(0.75f);
        assertThat(vector.weight("snow")).isEqualTo(0.2f);
        assertThat(vector.weight("boat")).isZero();
        assertThatThrownBy(() -> vector.weight("fix"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"fix\" is not among the 4 words of the vocabulary, the nearest are fox");
    }

    @Test
    void longOnesAreCutShortForPeople() {
        Vocabulary many = ArrowTest.vocabulary(11);
        int[] ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
        float[] weights = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
        assertThat(LexicalVector.of(many, ids, weights))
                .hasToString("a 11.00, b 10.00, c 9.00, d 8.00, e 7.00, f 6.00, g 5.00, h 4.00, i 3.00, j 2.00, …");
        assertThat(LexicalVector.of(many, new int[0], new float[0])).hasToString("(no words)");
    }

    @Test
    void explanationAddsUpToTheScore() {
        LexicalVector query = LexicalVector.of(WORDS, new int[] {0, 2, 3}, new float[] {0.5f, 0.25f, 1});
        LexicalVector picture = LexicalVector.of(WORDS, new int[] {0, 1, 2}, new float[] {0.5f, 9, 0.5f});
        assertThat(query.explain(picture, 5)).containsExactly(new WeightedWord("fox", 0.375f));
        assertThat(query.dot(picture)).isEqualTo(0.375f);
    }

    @RepeatedTest(20)
    void dotAgreesWithDenseLoops(RandomSource random) {
        Vocabulary vocabulary = ArrowTest.vocabulary(1 + random.nextInt(200));
        LexicalVector a = ArrowTest.vector(vocabulary, random.nextDouble(), random);
        LexicalVector b = ArrowTest.vector(vocabulary, random.nextDouble(), random);
        double[] dense = new double[vocabulary.size()];
        for (int i = 0; i < a.active(); i++) {
            dense[a.ids()[i]] = a.weights()[i];
        }
        double expected = 0;
        for (int i = 0; i < b.active(); i++) {
            expected += dense[b.ids()[i]] * b.weights()[i];
        }
        assertThat((double) a.dot(b)).isCloseTo(expected, within(1e-6 * Math.max(1, expected)));
        assertThat(b.dot(a)).isEqualTo(a.dot(b));
        double shares = a.explain(b, Integer.MAX_VALUE).stream()
                .mapToDouble(WeightedWord::weight)
                .sum();
        assertThat(shares).isCloseTo(expected, within(1e-6 * Math.max(1, expected)));
    }

    @Test
    void doesNotShareItsArrays() {
        int[] ids = {1};
        float[] weights = {2};
        LexicalVector vector = LexicalVector.of(WORDS, ids, weights);
        ids[0] = 3;
        weights[0] = 9;
        vector.ids()[0] = 3;
        vector.weights()[0] = 9;
        assertThat(vector)
                .isEqualTo(LexicalVector.of(WORDS, new int[] {1}, new float[] {2}))
                .hasSameHashCodeAs(LexicalVector.of(WORDS, new int[] {1}, new float[] {2}))
                .isNotEqualTo(LexicalVector.of(WORDS, new int[] {1}, new float[] {3}))
                .isNotEqualTo(LexicalVector.of(ArrowTest.vocabulary(4), new int[] {1}, new float[] {2}));
    }

    @Test
    void refusesWhatIsNoVector() {
        assertThatThrownBy(() -> LexicalVector.of(WORDS, new int[] {4}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("lexical id 4 at entry 0 is outside the 4 words");
        assertThatThrownBy(() -> LexicalVector.of(WORDS, new int[] {-1}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> LexicalVector.of(WORDS, new int[] {2, 2}, new float[2]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("ascend strictly");
        assertThatThrownBy(() -> LexicalVector.of(WORDS, new int[] {1, 2}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 ids but 1 weights");
    }

    @Test
    void refusesOtherVocabularies() {
        LexicalVector vector = LexicalVector.of(WORDS, new int[] {1}, new float[1]);
        LexicalVector foreign = LexicalVector.of(ArrowTest.vocabulary(4), new int[] {1}, new float[1]);
        assertThatThrownBy(() -> vector.dot(foreign))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("another vocabulary");
        assertThatThrownBy(() -> vector.explain(foreign, 3)).isInstanceOf(IllegalArgumentException.class);
    }
}
