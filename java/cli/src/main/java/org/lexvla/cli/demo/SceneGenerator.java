package org.lexvla.cli.demo;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Draws captioned scenes at random: one to three objects on a background, from a seed.
 *
 * <p><b>Held-out combinations.</b> Of the 12 × 8 × 6 combinations of kind, colour and background, those with (kind + colour +
 * background) mod 5 = 0 are held out: scenes of {@link Split#TRAIN} never show one of them, scenes of {@link Split#HELD_OUT} show
 * nothing else. Every pair of kind and colour, kind and background, colour and background still occurs in training, so a held-out
 * scene asks for a new combination of known things, never for an unknown thing.
 *
 * <p>Held-out scenes of one call differ in what they show (background and number, kind, colour of the parties), so that each has a
 * caption of its own. The same arguments give the same scenes, captions and pixels.
 */
public final class SceneGenerator {
    /** Which combinations of kind, colour and background may occur. */
    public enum Split {
        TRAIN,
        HELD_OUT
    }

    /** Side of the pictures unless asked otherwise: 8 × 8 patches of 14 pixels. */
    public static final int DEFAULT_SIZE = 112;

    /** Scenes in a row that repeat an earlier one before it is said that there are no more. */
    private static final int MOST_REFUSED = 2000;

    private final long seed;
    private final int size;

    /**
     * @param seed of all randomness
     * @param size side of the pictures in pixels, at least 56 (smaller objects lose their texture)
     */
    public SceneGenerator(long seed, int size) {
        if (size < 56 || size > 1024) {
            throw new IllegalArgumentException("picture size " + size + " is outside [56, 1024]: take " + DEFAULT_SIZE
                    + " or another multiple of 14");
        }
        this.seed = seed;
        this.size = size;
    }

    /** Whether a combination is held out of training. */
    public static boolean heldOut(Kind kind, Colour colour, Background background) {
        return (kind.ordinal() + colour.ordinal() + background.ordinal()) % 5 == 0;
    }

    /**
     * Scenes number 0 to count - 1 of a split. Fewer scenes are a prefix of more.
     *
     * @param captionsPerScene captions of each scene, at least 1; the first always says colours and background
     */
    public List<Scene> generate(Split split, int count, int captionsPerScene) {
        if (count < 0 || captionsPerScene < 1) {
            throw new IllegalArgumentException("cannot draw " + count + " scenes with " + captionsPerScene
                    + " captions each: needs count >= 0 and at least one caption");
        }
        SplittableRandom random = new SplittableRandom(seed * 31 + split.ordinal());
        Set<String> shown = new HashSet<>();
        List<Scene> scenes = new ArrayList<>(count);
        int refused = 0;
        while (scenes.size() < count) {
            Scene scene = draw(split, scenes.size(), captionsPerScene, random.split());
            if (split == Split.HELD_OUT && !shown.add(content(scene))) {
                if (++refused > MOST_REFUSED) {
                    throw new IllegalArgumentException("cannot find " + count + " different held-out scenes, found "
                            + scenes.size() + ": ask for fewer");
                }
                continue;
            }
            refused = 0;
            scenes.add(scene);
        }
        return scenes;
    }

    /**
     * Scenes without captions that show four different kinds each, for labels of patches: half of their patches lie on objects,
     * against a fifth otherwise. No held-out combination occurs.
     */
    List<Scene> crowded(int count) {
        SplittableRandom random = new SplittableRandom(seed * 31 + Split.values().length);
        List<Scene> scenes = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            Background background = pick(Background.values(), random);
            List<Scene.Party> parties = new ArrayList<>();
            for (List<Scene.Box> boxes : SceneLayout.quarters(size, random)) {
                Scene.Party party;
                do {
                    party = party(Split.TRAIN, background, null, boxes, random);
                } while (holds(parties, party.kind()));
                parties.add(party);
            }
            scenes.add(new Scene(
                    String.format(Locale.ROOT, "crowd-%05d", i),
                    size,
                    random.nextLong(),
                    background,
                    parties,
                    null,
                    List.of()));
        }
        return scenes;
    }

    private static boolean holds(List<Scene.Party> parties, Kind kind) {
        return parties.stream().anyMatch(party -> party.kind() == kind);
    }

    private static String content(Scene scene) {
        List<String> parties = new ArrayList<>();
        for (Scene.Party party : scene.parties()) {
            parties.add(party.count() + " " + party.colour() + " " + party.kind());
        }
        parties.sort(null);
        return scene.background() + " " + parties;
    }

    private Scene draw(Split split, int number, int captionsPerScene, SplittableRandom random) {
        Background background = pick(Background.values(), random);
        double form = random.nextDouble();
        int first = form < 0.75 ? 1 : form < 0.87 ? 2 : form < 0.94 ? 3 : 2;
        int second = form < 0.40 ? 0 : form < 0.75 ? 1 : form < 0.94 ? 0 : 1;
        Relation relation = second == 0 ? null : pick(Relation.values(), random);
        List<List<Scene.Box>> boxes = SceneLayout.place(first, second, relation, size, random);
        List<Scene.Party> parties = new ArrayList<>();
        parties.add(party(split, background, null, boxes.get(0), random));
        if (second > 0) {
            parties.add(party(split, background, parties.get(0).kind(), boxes.get(1), random));
        }
        List<String> captions = new ArrayList<>();
        for (int i = 0; i < captionsPerScene; i++) {
            captions.add(SceneCaptions.write(background, parties, relation, i == 0, random));
        }
        String name = String.format(Locale.ROOT, "%05d", number);
        return new Scene(name, size, random.nextLong(), background, parties, relation, captions);
    }

    /** A party of another kind than the given one, its combination allowed in the split. */
    private static Scene.Party party(
            Split split, Background background, Kind other, List<Scene.Box> boxes, SplittableRandom random) {
        while (true) {
            Kind kind = pick(Kind.values(), random);
            Colour colour = pick(Colour.values(), random);
            if (kind != other && heldOut(kind, colour, background) == (split == Split.HELD_OUT)) {
                return new Scene.Party(kind, colour, boxes);
            }
        }
    }

    private static <T> T pick(T[] values, SplittableRandom random) {
        return values[random.nextInt(values.length)];
    }
}
