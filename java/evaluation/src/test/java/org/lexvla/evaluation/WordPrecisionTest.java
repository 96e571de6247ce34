package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class WordPrecisionTest {
    private static final Map<String, String> CANONICAL =
            Map.of("boat", "boat", "ship", "boat", "red", "red", "blue", "blue", "sea", "sea", "car", "car");

    private static WordPrecision fresh() {
        return new WordPrecision(CANONICAL, Set.of("boat", "car"), Set.of("a", "nice"));
    }

    @Test
    void synonymsCountOnce() {
        WordPrecision words = fresh();
        // Merged: boat, blue, sea | red …: two of three are true.
        words.add(List.of("ship", "boat", "blue", "sea", "red"), Set.of("boat", "red", "sea"));
        assertThat(words.precision()).isCloseTo(2 / 3.0, within(1e-12));
        assertThat(words.objectPrecision()).isEqualTo(1);
        assertThat(words.objectRecall()).isEqualTo(1);
        assertThat(words.fillerShare()).isZero();
    }

    @Test
    void objectsAreJudgedAmongThemselvesAndAmongAll() {
        WordPrecision words = fresh();
        words.add(List.of("red", "nice", "sea", "car", "boat"), Set.of("boat", "red", "sea"));
        assertThat(words.precision()).isCloseTo(2 / 3.0, within(1e-12));
        assertThat(words.objectPrecision()).as("car is the strongest object").isZero();
        assertThat(words.objectRecall()).as("no boat among the three strongest").isZero();
        assertThat(words.fillerShare()).isCloseTo(0.2, within(1e-12));
        words.add(List.of("boat", "red", "sea"), Set.of("boat", "red", "sea"));
        assertThat(words.objectPrecision()).isCloseTo(0.5, within(1e-12));
        assertThat(words.precision()).isCloseTo(5 / 6.0, within(1e-12));
        assertThat(words.pictures()).isEqualTo(2);
    }

    @Test
    void tooFewWordsAreWrongOnesAndFillerLooksAtTen() {
        WordPrecision words = fresh();
        words.add(List.of("red"), Set.of("boat", "red", "sea", "blue"));
        assertThat(words.precision()).isEqualTo(0.25);
        WordPrecision filler = fresh();
        filler.add(List.of("q", "w", "e", "r", "t", "z", "u", "i", "o", "a", "nice", "nice"), Set.of("boat"));
        assertThat(filler.fillerShare()).isCloseTo(0.1, within(1e-12));
    }

    @Test
    void badInputIsNamed() {
        assertThatThrownBy(() -> fresh().add(List.of("red"), Set.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no true word");
        assertThatThrownBy(() -> new WordPrecision(CANONICAL, Set.of("boat"), Set.of("sea")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"sea\"");
    }
}
