package org.lexvla.cli;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.random.RandomGenerator;
import org.lexvla.cli.demo.DrawnScene;
import org.lexvla.cli.demo.Scene;
import org.lexvla.cli.demo.SceneGenerator;
import org.lexvla.cli.demo.ScenePatchLabels;
import org.lexvla.lexical.Device;
import org.lexvla.model.ImageTransform;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;

/** The stand-ins for pre-trained backbones, prepared on the drawn world. */
final class DemoBackbones {
    private static final int PATCH = 14;

    private final TrainingConfig settings;
    private final SceneGenerator scenes;
    private final Console console;

    /** @param scenes what the visual ones are prepared on, another world than that of the pairs */
    DemoBackbones(TrainingConfig settings, SceneGenerator scenes, Console console) {
        this.settings = settings;
        this.scenes = scenes;
        this.console = console;
    }

    /** In place of Llama 2: on captions alone. */
    Void text(Path table, Path directory) throws IOException {
        try (PreparationProgress progress = new PreparationProgress(console)) {
            List<String> captions = CaptionDataset.open(table).captions();
            FreshModel.text(settings, captions, directory, Device.cpu(), progress);
        }
        return null;
    }

    /** In place of DINOv2: on what the patches of so many scenes show, without words. */
    Void vision(int count, Path directory) throws IOException {
        try (PreparationProgress progress = new PreparationProgress(console)) {
            ScenePatchLabels labels = new ScenePatchLabels(scenes, count, PATCH, FreshModel.transform(settings));
            FreshModel.vision(settings, labels, directory, Device.cpu(), progress);
        }
        return null;
    }

    /** In place of another visual backbone: on the pictures of so many scenes alone. */
    Void selfSupervisedVision(int count, Path directory) throws IOException {
        ImageTransform transform = FreshModel.transform(settings);
        List<BufferedImage> pictures = scenes.generate(SceneGenerator.Split.TRAIN, count, 1).stream()
                .map(Scene::draw)
                .map(DrawnScene::picture)
                .toList();
        try (PreparationProgress progress = new PreparationProgress(console)) {
            FreshModel.vision(
                    settings,
                    (int wanted, RandomGenerator random, FloatBuffer pixels) -> {
                        for (int i = 0; i < wanted; i++) {
                            transform.of(pictures.get(random.nextInt(pictures.size())), pixels);
                        }
                    },
                    directory,
                    Device.cpu(),
                    progress);
        }
        return null;
    }
}
