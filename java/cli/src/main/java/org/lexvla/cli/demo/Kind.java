package org.lexvla.cli.demo;

import java.util.ArrayList;
import java.util.List;

/** The kinds of object a scene may show, each with the nouns that captions use for it. */
public enum Kind {
    BOAT("boat", "boats", "ship", "ships"),
    TREE("tree", "trees"),
    HOUSE("house", "houses", "cottage", "cottages"),
    FISH("fish", "fish"),
    CAR("car", "cars", "automobile", "automobiles"),
    STAR("star", "stars"),
    FLOWER("flower", "flowers", "blossom", "blossoms"),
    UMBRELLA("umbrella", "umbrellas", "parasol", "parasols"),
    BALL("ball", "balls"),
    KITE("kite", "kites"),
    MUSHROOM("mushroom", "mushrooms", "toadstool", "toadstools"),
    GIFT("gift", "gifts", "present", "presents");

    private final List<String> singulars;
    private final List<String> plurals;
    private final WordGroup group;

    /** Takes pairs of singular and plural, the canonical pair first. */
    Kind(String... pairs) {
        List<String> one = new ArrayList<>();
        List<String> many = new ArrayList<>();
        List<String> all = new ArrayList<>();
        for (int i = 0; i < pairs.length; i += 2) {
            one.add(pairs[i]);
            many.add(pairs[i + 1]);
            all.add(pairs[i]);
            if (!pairs[i].equals(pairs[i + 1])) {
                all.add(pairs[i + 1]);
            }
        }
        singulars = List.copyOf(one);
        plurals = List.copyOf(many);
        group = new WordGroup(WordGroup.Role.KIND, all);
    }

    /** Nouns for one object, canonical first. */
    public List<String> singulars() {
        return singulars;
    }

    /** Nouns for several objects, in the order of {@link #singulars()}. */
    public List<String> plurals() {
        return plurals;
    }

    /** All nouns of this kind as one group of synonyms. */
    public WordGroup group() {
        return group;
    }

    /** The canonical noun. */
    public String word() {
        return singulars.get(0);
    }
}
