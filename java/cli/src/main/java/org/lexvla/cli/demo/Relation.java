package org.lexvla.cli.demo;

import java.util.List;

/**
 * How the first group of objects lies to the second. The words of a relation are function words here: no part of the true
 * content words of a picture (SPEC §3 keeps nouns, adjectives and verbs).
 */
public enum Relation {
    LEFT_OF("left of", "to the left of"),
    ABOVE("above", "over"),
    NEXT_TO("next to", "beside", "near");

    private final List<String> phrases;

    Relation(String... phrases) {
        this.phrases = List.of(phrases);
    }

    /** What captions say for it. */
    List<String> phrases() {
        return phrases;
    }
}
