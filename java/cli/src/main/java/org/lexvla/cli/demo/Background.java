package org.lexvla.cli.demo;

import java.util.List;

/** What a scene lies in. Every part of the picture that no object covers belongs to it. */
public enum Background {
    SEA(List.of("sea", "ocean"), "on the sea", "in the sea", "at sea", "on the ocean", "in the ocean"),
    MEADOW(List.of("meadow", "grass"), "in the meadow", "on a meadow", "on the grass", "in the grass"),
    DESERT(List.of("desert", "sand"), "in the desert", "in a desert", "on the sand", "in the sand"),
    SNOW(List.of("snow"), "in the snow", "on the snow", "in deep snow"),
    NIGHT(List.of("night", "dark"), "at night", "in the night", "in the dark"),
    SKY(List.of("sky", "clouds"), "in the sky", "under a wide sky", "among the clouds", "in the clouds");

    private final WordGroup group;
    private final List<String> phrases;

    Background(List<String> words, String... phrases) {
        this.group = new WordGroup(WordGroup.Role.BACKGROUND, words);
        this.phrases = List.of(phrases);
    }

    /** The nouns as one group of synonyms. */
    public WordGroup group() {
        return group;
    }

    /** The places a caption may name, "in the snow"; each holds exactly one word of {@link #group()}. */
    List<String> phrases() {
        return phrases;
    }

    /** The canonical noun. */
    public String word() {
        return group.canonical();
    }
}
