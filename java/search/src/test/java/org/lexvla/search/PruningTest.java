package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class PruningTest {
    private static final Vocabulary WORDS = vocabulary(26);
    /** The example of OpenSearch's documentation, and a tie. */
    private static final LexicalVector VECTOR =
            LexicalVector.of(WORDS, new int[] {1, 2, 3, 4, 5}, new float[] {1, 2, 3, 6, 3});

    @Test
    void eachTypeKeepsItsWords() {
        assertKept("max_ratio=0.5", 3, 4, 5);
        assertKept("max_ratio=0.51", 4);
        assertKept("max_ratio=0", 1, 2, 3, 4, 5);
        assertKept("top_k=2", 3, 4);
        assertKept("top_k=9", 1, 2, 3, 4, 5);
        assertKept("abs_value=2", 2, 3, 4, 5);
        assertKept("abs_value=7");
        // 6 of 15 is two fifths.
        assertKept("alpha_mass=0.4", 4);
        assertKept("alpha_mass=0.59", 4);
        assertKept("alpha_mass=0.6", 3, 4);
        // Even the strongest has more: OpenSearch would leave nothing, here it stays.
        assertKept("alpha_mass=0.39", 4);
        assertKept("alpha_mass=1", 1, 2, 3, 4, 5);
        LexicalVector empty = LexicalVector.of(WORDS, new int[0], new float[0]);
        assertThat(Pruning.parse("alpha_mass=0.5").apply(empty)).isEqualTo(empty);
    }

    private static void assertKept(String pruning, int... ids) {
        LexicalVector kept = Pruning.parse(pruning).apply(VECTOR);
        assertThat(kept.ids()).as(pruning).containsExactly(ids);
        for (int i = 0; i < ids.length; i++) {
            assertThat(kept.weights()[i]).isEqualTo(VECTOR.weights()[ids[i] - 1]);
        }
    }

    @RepeatedTest(10)
    void whatStaysIsStrongerThanWhatGoes(RandomSource random) {
        int active = 1 + random.nextInt(26);
        int[] ids = new int[active];
        float[] weights = new float[active];
        for (int i = 0; i < active; i++) {
            ids[i] = i;
            weights[i] = (1 + random.nextInt(20)) / 20f;
        }
        LexicalVector vector = LexicalVector.of(WORDS, ids, weights);
        for (Pruning.Type type : Pruning.Type.values()) {
            Pruning pruning =
                    new Pruning(type, type == Pruning.Type.TOP_K ? 1 + random.nextInt(26) : 1 - random.nextDouble());
            LexicalVector kept = pruning.apply(vector);
            double weakest = Double.POSITIVE_INFINITY;
            double mass = 0;
            boolean[] stays = new boolean[26];
            for (int i = 0; i < kept.active(); i++) {
                stays[kept.ids()[i]] = true;
                weakest = Math.min(weakest, kept.weights()[i]);
                mass += kept.weights()[i];
            }
            double total = 0;
            for (int i = 0; i < active; i++) {
                total += weights[i];
                if (!stays[i]) {
                    assertThat((double) weights[i]).as("%s", pruning).isLessThanOrEqualTo(weakest);
                }
            }
            if (type == Pruning.Type.ALPHA_MASS) {
                if (kept.active() > 1) {
                    assertThat(mass).isLessThanOrEqualTo(pruning.ratio() * total + 1e-9);
                }
                double next = 0;
                for (int i = 0; i < active; i++) {
                    next = stays[i] ? next : Math.max(next, weights[i]);
                }
                if (kept.active() < active) {
                    assertThat(mass + next)
                            .as("with one more it is too much")
                            .isGreaterThan(pruning.ratio() * total - 1e-9);
                }
            }
        }
    }

    @Test
    void aWeightOfTheBoundStays() {
        // Some of these are below their decimal in float32, and others above.
        for (String decimal : List.of("0.02", "0.1", "0.3", "0.7", "0.9")) {
            float weight = Float.parseFloat(decimal);
            LexicalVector vector = LexicalVector.of(WORDS, new int[] {1, 2}, new float[] {1, weight});
            assertThat(Pruning.parse("abs_value=" + decimal).apply(vector)).isEqualTo(vector);
            assertThat(Pruning.parse("max_ratio=" + decimal).apply(vector)).isEqualTo(vector);
        }
    }

    @Test
    void wrongNumbersAreNamed() {
        for (String wrong : List.of(
                "max_ratio=1.5",
                "max_ratio=-1",
                "top_k=0",
                "top_k=2.5",
                "abs_value=-1",
                "abs_value=Infinity",
                "alpha_mass=0",
                "alpha_mass=NaN")) {
            assertThatThrownBy(() -> Pruning.parse(wrong))
                    .as(wrong)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("must be");
        }
        assertThatThrownBy(() -> Pruning.parse("best=3"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("max_ratio, top_k, abs_value, alpha_mass");
        assertThatThrownBy(() -> Pruning.parse("top_k=many"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'many' in top_k=many is no number");
    }

    private static Vocabulary vocabulary(int size) {
        List<Token> tokens = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            tokens.add(new Token(i, String.valueOf((char) ('a' + i)), true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
