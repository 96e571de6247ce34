package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.lexvla.model.LexVla;

/** Writes a model that is being trained, with the backbones that are trained, too; the others are referred to. */
final class ModelWriter {
    private final LexVla model;
    private final TrainingConfig config;

    ModelWriter(LexVla model, TrainingConfig config) {
        this.model = model;
        this.config = config;
    }

    /** As {@link LexVla#save}, with {@code vision/} and {@code text/} where these are trained. */
    void save(Path directory) throws IOException {
        Path vision = model.config().vision();
        Path text = model.config().text();
        if (!config.vision().frozen()) {
            Path trained = Files.createDirectories(directory.resolve("vision"));
            model.vision().save(trained);
            model.transform().save(trained);
            vision = trained;
        }
        if (TrainedParameters.haveLanguageModel(model, config)) {
            Path trained = Files.createDirectories(directory.resolve("text"));
            model.text().save(trained);
            for (String file : List.of("tokenizer.json", "tokenizer.model", "tokenizer_config.json")) {
                if (Files.exists(text.resolve(file)) && !Files.exists(trained.resolve(file))) {
                    Files.copy(text.resolve(file), trained.resolve(file));
                }
            }
            text = trained;
        }
        model.save(directory, vision, text);
    }

    /** The model with the mean of its weights in their place. */
    void save(WeightMean mean, Path directory) throws IOException {
        mean.exchange();
        save(directory);
        mean.exchange();
    }
}
