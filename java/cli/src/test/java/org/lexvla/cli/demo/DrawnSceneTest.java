package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class DrawnSceneTest {
    @Test
    void aMaskHoldsExactlyWhatTheSceneShows(RandomSource random) {
        for (Scene scene : new SceneGenerator(random.nextLong(), 112).generate(SceneGenerator.Split.TRAIN, 60, 1)) {
            DrawnScene drawn = scene.draw();
            Set<Integer> expected = new TreeSet<>();
            expected.add(Scene.classOf(scene.background()));
            scene.parties().forEach(party -> expected.add(Scene.classOf(party.kind())));
            Set<Integer> found = new TreeSet<>();
            int objects = 0;
            for (int i = 0; i < drawn.classes().length; i++) {
                found.add((int) drawn.classes()[i]);
                boolean object = drawn.classes()[i] < Kind.values().length;
                objects += object ? 1 : 0;
                assertThat(drawn.colours()[i] >= 0).isEqualTo(object);
            }
            assertThat(found).isEqualTo(expected);
            assertThat(objects / (double) drawn.classes().length).isBetween(0.05, 0.5);
        }
    }

    @Test
    void everyKindCoversWholePatches() {
        for (Kind kind : Kind.values()) {
            Scene scene = single(kind, Colour.GREEN, new Scene.Box(28, 28, 56));
            DrawnScene.PatchLabels labels = scene.draw().patchLabels(14);
            long covered = java.util.Arrays.stream(labels.kinds())
                    .filter(k -> k == kind.ordinal())
                    .count();
            assertThat(covered).as("patches of a %s", kind).isBetween(5L, 18L);
        }
    }

    @Test
    void patchLabelsAreTheMajority() {
        Scene scene = single(Kind.GIFT, Colour.BLUE, new Scene.Box(0, 0, 112));
        DrawnScene.PatchLabels labels = scene.draw().patchLabels(14);
        int middle = 5 * 8 + 4;
        assertThat(labels.grid()).isEqualTo(8);
        assertThat(labels.kinds()[middle]).isEqualTo(Kind.GIFT.ordinal());
        assertThat(labels.colours()[middle]).isEqualTo(Colour.BLUE.ordinal());
        assertThat(labels.backgrounds()[middle]).isEqualTo(-1);
        assertThat(labels.kinds()[0]).as("left above the bow").isEqualTo(-1);
        assertThat(labels.backgrounds()[0]).isEqualTo(Background.SNOW.ordinal());
        int[] joint = labels.joint();
        assertThat(joint[middle]).isEqualTo(Kind.GIFT.ordinal() * 8 + Colour.BLUE.ordinal());
        assertThat(joint[0]).isEqualTo(12 * 8 + Background.SNOW.ordinal());
        assertThatThrownBy(() -> scene.draw().patchLabels(15))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("15")
                .hasMessageContaining("112");
    }

    @Test
    void anObjectShowsItsColour() {
        for (Kind kind : Kind.values()) {
            BufferedImage red =
                    single(kind, Colour.RED, new Scene.Box(28, 28, 56)).draw().picture();
            BufferedImage blue =
                    single(kind, Colour.BLUE, new Scene.Box(28, 28, 56)).draw().picture();
            int changed = 0;
            for (int y = 0; y < 112; y++) {
                for (int x = 0; x < 112; x++) {
                    changed += red.getRGB(x, y) != blue.getRGB(x, y) ? 1 : 0;
                }
            }
            assertThat(changed).as("pixels of a %s that take its colour", kind).isGreaterThan(56 * 56 / 5);
        }
    }

    @Test
    void filesHoldTheSamePixels(@TempDir Path directory) throws Exception {
        List<Scene> scenes = new SceneGenerator(3, 112).generate(SceneGenerator.Split.HELD_OUT, 4, 2);
        List<Path> pictures = SceneFiles.write(directory, scenes);
        assertThat(Files.readAllLines(directory.resolve("captions.tsv")))
                .hasSize(1 + 4 * 2)
                .startsWith(
                        "file\tcaption",
                        "images/00000.png\t" + scenes.get(0).captions().get(0));
        for (int i = 0; i < scenes.size(); i++) {
            DrawnScene drawn = scenes.get(i).draw();
            BufferedImage picture = ImageIO.read(new ByteArrayInputStream(Files.readAllBytes(pictures.get(i))));
            assertThat(picture.getRGB(0, 0, 112, 112, null, 0, 112))
                    .isEqualTo(drawn.picture().getRGB(0, 0, 112, 112, null, 0, 112));
            BufferedImage mask = ImageIO.read(
                    directory.resolve("masks/" + scenes.get(i).name() + ".png").toFile());
            assertThat((byte[]) mask.getRaster().getDataElements(0, 0, 112, 112, null))
                    .isEqualTo(drawn.classes());
        }
        String description = Files.readString(directory.resolve("scenes.json"));
        assertThat(description)
                .contains(scenes.get(3).captions().get(1))
                .contains("\"background\" : \"" + scenes.get(3).background().word() + "\"");
    }

    private static Scene single(Kind kind, Colour colour, Scene.Box box) {
        return new Scene(
                "x",
                112,
                5,
                Background.SNOW,
                List.of(new Scene.Party(kind, colour, List.of(box))),
                null,
                List.of("a " + kind.word()));
    }
}
