package org.lexvla.cli.demo;

import java.awt.Color;
import java.util.List;

/** The colours an object's body may take, each with the adjectives that captions use for it. */
public enum Colour {
    RED(0xD7263D, "red", "crimson"),
    ORANGE(0xF77F00, "orange"),
    YELLOW(0xFFD21F, "yellow"),
    GREEN(0x1E9E4A, "green"),
    BLUE(0x1F5FE0, "blue"),
    PURPLE(0x7B2CBF, "purple", "violet"),
    PINK(0xFF7EB6, "pink"),
    BROWN(0x7A4A21, "brown");

    private final Color base;
    private final WordGroup group;

    Colour(int rgb, String... words) {
        base = new Color(rgb);
        group = new WordGroup(WordGroup.Role.COLOUR, List.of(words));
    }

    /** The body colour before the small variation each object gets. */
    Color base() {
        return base;
    }

    /** The adjectives as one group of synonyms. */
    public WordGroup group() {
        return group;
    }

    /** The canonical adjective. */
    public String word() {
        return group.canonical();
    }
}
