package org.lexvla.cli.demo;

import java.util.List;

/**
 * Words that name the same thing in a scene: the canonical word first, then its synonyms and plurals. A group counts once among
 * the true words of a picture, whichever of its words a caption used.
 *
 * @param role what the group describes
 * @param words canonical word first, lower case, no word twice
 */
public record WordGroup(Role role, List<String> words) {
    /** What a group of words describes. */
    public enum Role {
        KIND,
        COLOUR,
        BACKGROUND,
        COUNT
    }

    public WordGroup {
        words = List.copyOf(words);
        if (words.isEmpty()) {
            throw new IllegalArgumentException("word group of role " + role + " has no word: name at least one");
        }
    }

    /** The word that stands for the group in tables and reports. */
    public String canonical() {
        return words.get(0);
    }
}
