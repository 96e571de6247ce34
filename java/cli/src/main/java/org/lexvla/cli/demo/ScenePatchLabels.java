package org.lexvla.cli.demo;

import java.awt.image.BufferedImage;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.lexvla.model.ImageTransform;
import org.lexvla.training.PatchLabels;

/**
 * What the visual stand-in learns from: patches of scenes of its own, numbered by what covers most of them (kind of object or
 * background) and by the colour of the object. The numbers have no names: no word reaches the visual backbone.
 */
public final class ScenePatchLabels implements PatchLabels {
    private final List<BufferedImage> pictures = new ArrayList<>();
    private final List<DrawnScene.PatchLabels> labels = new ArrayList<>();
    private final ImageTransform transform;

    /**
     * Draws the scenes, half of them as in training, half crowded; they show no held-out combination.
     *
     * @param patch side of a patch in pixels
     */
    public ScenePatchLabels(SceneGenerator generator, int scenes, int patch, ImageTransform transform) {
        this.transform = transform;
        List<Scene> shown = new ArrayList<>(generator.generate(SceneGenerator.Split.TRAIN, scenes / 2, 1));
        shown.addAll(generator.crowded(scenes - scenes / 2));
        for (Scene scene : shown) {
            DrawnScene drawn = scene.draw();
            pictures.add(drawn.picture());
            labels.add(drawn.patchLabels(patch));
        }
    }

    @Override
    public int[] groups() {
        return new int[] {Scene.CLASSES, Colour.values().length};
    }

    @Override
    public void next(int count, RandomGenerator random, FloatBuffer pixels, int[][] into) {
        for (int i = 0; i < count; i++) {
            int scene = random.nextInt(pictures.size());
            transform.of(pictures.get(scene), pixels);
            DrawnScene.PatchLabels patches = labels.get(scene);
            int first = i * patches.kinds().length;
            for (int p = 0; p < patches.kinds().length; p++) {
                boolean object = patches.kinds()[p] >= 0;
                into[0][first + p] = object ? patches.kinds()[p] : Kind.values().length + patches.backgrounds()[p];
                into[1][first + p] = patches.colours()[p];
            }
        }
    }
}
