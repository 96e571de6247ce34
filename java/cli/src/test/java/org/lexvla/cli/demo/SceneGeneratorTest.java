package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class SceneGeneratorTest {
    @Test
    void theSameSeedGivesTheSamePixelsAndCaptions(RandomSource random) {
        long seed = random.nextLong();
        List<Scene> one = new SceneGenerator(seed, 112).generate(SceneGenerator.Split.TRAIN, 20, 2);
        List<Scene> other = new SceneGenerator(seed, 112).generate(SceneGenerator.Split.TRAIN, 40, 2);
        assertThat(other.subList(0, 20)).isEqualTo(one);
        for (int i = 0; i < one.size(); i++) {
            DrawnScene first = one.get(i).draw();
            DrawnScene second = other.get(i).draw();
            assertThat(pixels(second)).isEqualTo(pixels(first));
            assertThat(second.classes()).isEqualTo(first.classes());
        }
        assertThat(new SceneGenerator(seed + 1, 112).generate(SceneGenerator.Split.TRAIN, 20, 2))
                .isNotEqualTo(one);
    }

    @Test
    void trainingNeverShowsAHeldOutCombination(RandomSource random) {
        SceneGenerator generator = new SceneGenerator(random.nextLong(), 112);
        for (SceneGenerator.Split split : SceneGenerator.Split.values()) {
            for (Scene scene : generator.generate(split, 300, 1)) {
                for (Scene.Party party : scene.parties()) {
                    assertThat(SceneGenerator.heldOut(party.kind(), party.colour(), scene.background()))
                            .isEqualTo(split == SceneGenerator.Split.HELD_OUT);
                }
            }
        }
    }

    @Test
    void everyPairStillOccursInTraining() {
        Set<String> pairs = new HashSet<>();
        int heldOut = 0;
        for (Kind kind : Kind.values()) {
            for (Colour colour : Colour.values()) {
                for (Background background : Background.values()) {
                    if (SceneGenerator.heldOut(kind, colour, background)) {
                        heldOut++;
                        continue;
                    }
                    pairs.add(kind + "/" + colour);
                    pairs.add(kind + "/" + background);
                    pairs.add(colour + "/" + background);
                }
            }
        }
        assertThat(pairs).hasSize(12 * 8 + 12 * 6 + 8 * 6);
        assertThat(heldOut).isBetween(100, 130);
    }

    @Test
    void heldOutScenesDifferInWhatTheyShow(RandomSource random) {
        List<Scene> scenes = new SceneGenerator(random.nextLong(), 112).generate(SceneGenerator.Split.HELD_OUT, 200, 1);
        Set<Object> shown = new HashSet<>();
        for (Scene scene : scenes) {
            Set<String> parties = new HashSet<>();
            scene.parties().forEach(p -> parties.add(p.count() + "/" + p.kind() + "/" + p.colour()));
            shown.add(List.of(scene.background(), parties));
        }
        assertThat(shown).hasSize(scenes.size());
    }

    @Test
    void objectsLieInsideApartAndAsTheirRelationSays(RandomSource random) {
        int size = 112 + 14 * random.nextInt(8);
        for (Scene scene : new SceneGenerator(random.nextLong(), size).generate(SceneGenerator.Split.TRAIN, 300, 1)) {
            List<Scene.Box> boxes = scene.parties().stream()
                    .flatMap(party -> party.boxes().stream())
                    .toList();
            assertThat(boxes).hasSizeBetween(1, 3);
            for (int i = 0; i < boxes.size(); i++) {
                Scene.Box a = boxes.get(i);
                assertThat(a.x()).isBetween(-1e-9, size - a.side() + 1e-9);
                assertThat(a.y()).isBetween(-1e-9, size - a.side() + 1e-9);
                assertThat(a.side()).isBetween(0.32 * size, 0.71 * size);
                for (Scene.Box b : boxes.subList(0, i)) {
                    boolean apart =
                            Math.abs(a.x() + a.side() / 2 - b.x() - b.side() / 2) >= (a.side() + b.side()) / 2 - 1e-9
                                    || Math.abs(a.y() + a.side() / 2 - b.y() - b.side() / 2)
                                            >= (a.side() + b.side()) / 2 - 1e-9;
                    assertThat(apart).as("%s", scene).isTrue();
                }
            }
            if (scene.relation() != null) {
                for (Scene.Box a : scene.parties().get(0).boxes()) {
                    for (Scene.Box b : scene.parties().get(1).boxes()) {
                        switch (scene.relation()) {
                            case LEFT_OF -> assertThat(a.x() + a.side()).isLessThanOrEqualTo(b.x() + 1e-9);
                            case ABOVE -> assertThat(a.y() + a.side()).isLessThanOrEqualTo(b.y() + 1e-9);
                            case NEXT_TO ->
                                assertThat(a.x() + a.side() <= b.x() + 1e-9 || b.x() + b.side() <= a.x() + 1e-9)
                                        .isTrue();
                        }
                    }
                }
            }
        }
    }

    @Test
    void crowdedScenesShowFourKindsAndNoHeldOutCombination(RandomSource random) {
        SceneGenerator generator = new SceneGenerator(random.nextLong(), 112);
        double objects = 0;
        List<Scene> scenes = generator.crowded(40);
        assertThat(scenes).hasSize(40).isEqualTo(generator.crowded(40));
        for (Scene scene : scenes) {
            Set<Kind> kinds = new HashSet<>();
            for (Scene.Party party : scene.parties()) {
                kinds.add(party.kind());
                assertThat(SceneGenerator.heldOut(party.kind(), party.colour(), scene.background()))
                        .isFalse();
            }
            assertThat(kinds).hasSize(4);
            for (byte label : scene.draw().classes()) {
                objects += label < Kind.values().length ? 1 : 0;
            }
        }
        assertThat(objects / (40 * 112 * 112)).isBetween(0.3, 0.6);
    }

    @Test
    void aSizeThatHoldsNoTextureIsRefused() {
        assertThatThrownBy(() -> new SceneGenerator(1, 28))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("28")
                .hasMessageContaining("56");
        assertThatThrownBy(() -> new SceneGenerator(1, 112).generate(SceneGenerator.Split.TRAIN, 1, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one caption");
        assertThatThrownBy(() -> new SceneGenerator(1, 112).generate(SceneGenerator.Split.HELD_OUT, 100_000, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("ask for fewer");
    }

    private static int[] pixels(DrawnScene drawn) {
        int size = drawn.scene().size();
        return drawn.picture().getRGB(0, 0, size, size, null, 0, size);
    }
}
