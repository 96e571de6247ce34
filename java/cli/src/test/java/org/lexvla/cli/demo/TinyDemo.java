package org.lexvla.cli.demo;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;

/** A model that has learned next to nothing, made of scenes in a few seconds. */
public final class TinyDemo {
    private TinyDemo() {}

    /** Makes the model; its backbones and scenes go to the directory. */
    public static LexVla model(Path directory) throws IOException {
        Path scenes = directory.resolve("train");
        SceneFiles.write(scenes, new SceneGenerator(5, 112).generate(SceneGenerator.Split.TRAIN, 60, 3));
        TrainingConfig config = TrainingConfig.load(
                null,
                List.of(
                        "fresh.vision.hidden=32",
                        "fresh.vision.layers=1",
                        "fresh.vision.heads=2",
                        "fresh.vision.standIn.steps=2",
                        "fresh.vision.standIn.batch=4",
                        "fresh.text.hidden=32",
                        "fresh.text.intermediate=64",
                        "fresh.text.layers=1",
                        "fresh.text.heads=2",
                        "fresh.text.standIn.steps=2",
                        "fresh.text.standIn.batch=4",
                        "adapter.heads=2"));
        return FreshModel.create(
                config,
                CaptionDataset.open(scenes.resolve("captions.tsv")),
                new ScenePatchLabels(new SceneGenerator(6, 112), 20, 14, FreshModel.transform(config)),
                directory.resolve("fresh"),
                Device.cpu(),
                (stage, progress) -> {});
    }
}
