package org.lexvla.cli.demo;

import java.util.ArrayList;
import java.util.List;

/**
 * What one picture shows, before it is drawn: enough to draw it again to the byte.
 *
 * <p>Every object is of one of a few <em>parties</em>, one or two where there are captions; the objects of a party share kind and colour, so "two red boats next to
 * a green tree" has two parties and three objects.
 *
 * @param name file name without suffix
 * @param size side of the picture in pixels
 * @param seed of everything that is random in drawing it
 * @param background what no object covers
 * @param parties one or two; more in scenes without captions
 * @param relation of the first party to the second; null unless there are two
 * @param captions in the order in which they were written; empty in scenes that only have labels
 */
public record Scene(
        String name,
        int size,
        long seed,
        Background background,
        List<Party> parties,
        Relation relation,
        List<String> captions) {

    /**
     * Objects of one kind and colour.
     *
     * @param boxes where each is drawn
     */
    public record Party(Kind kind, Colour colour, List<Box> boxes) {
        public Party {
            boxes = List.copyOf(boxes);
        }

        public int count() {
            return boxes.size();
        }
    }

    /** A square in pixels: left and upper edge, side. */
    public record Box(double x, double y, double side) {}

    /** Number of classes in a mask: {@link Kind}s first, then {@link Background}s. */
    public static final int CLASSES = Kind.values().length + Background.values().length;

    public Scene {
        parties = List.copyOf(parties);
        captions = List.copyOf(captions);
    }

    /** Class of a kind in masks: its ordinal. */
    public static int classOf(Kind kind) {
        return kind.ordinal();
    }

    /** Class of a background in masks: it follows the kinds. */
    public static int classOf(Background background) {
        return Kind.values().length + background.ordinal();
    }

    /** Canonical words of the classes, by class index. */
    public static List<String> classNames() {
        List<String> names = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            names.add(kind.word());
        }
        for (Background background : Background.values()) {
            names.add(background.word());
        }
        return List.copyOf(names);
    }

    /**
     * The true content words: kinds, colours, counts above one, and the background, each group of synonyms once, in that order.
     */
    public List<WordGroup> truth() {
        List<WordGroup> groups = new ArrayList<>();
        parties.forEach(party -> addOnce(groups, party.kind().group()));
        parties.forEach(party -> addOnce(groups, party.colour().group()));
        for (Party party : parties) {
            if (party.count() > 1) {
                addOnce(groups, SceneWords.count(party.count()));
            }
        }
        addOnce(groups, background.group());
        return List.copyOf(groups);
    }

    private static void addOnce(List<WordGroup> groups, WordGroup group) {
        if (!groups.contains(group)) {
            groups.add(group);
        }
    }

    /** Draws the picture and its masks. */
    public DrawnScene draw() {
        return ScenePainter.draw(this);
    }
}
