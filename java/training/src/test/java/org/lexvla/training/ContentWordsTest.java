package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ContentWordsTest {
    private final ContentWords english = ContentWords.english();

    @Test
    void whatNamesSomethingIsContent() {
        assertThat(english.of("A nice photo of two red boats to the left of a green tree, in the snow."))
                .containsExactly("two", "red", "boats", "green", "tree", "snow");
        assertThat(english.of("here we see The man is riding a white horse"))
                .containsExactly("man", "riding", "white", "horse");
        assertThat(english.of("red red RED")).containsExactly("red");
        assertThat(english.of("a picture of the")).isEmpty();
    }

    @Test
    void phrasesOfPlaceLeaveTheWordsThemselvesAlone() {
        assertThat(english.of("a picture of left right arrow")).containsExactly("left", "right", "arrow");
        assertThat(english.of("a cat left of a dog")).containsExactly("cat", "dog");
    }

    @Test
    void ownLists() {
        ContentWords own = new ContentWords(Set.of("the"), List.of("hot dog"));
        assertThat(own.of("the hot dog the dog")).containsExactly("dog");
        assertThat(own.isContent("The")).isFalse();
        assertThat(own.isContent("")).isFalse();
    }
}
