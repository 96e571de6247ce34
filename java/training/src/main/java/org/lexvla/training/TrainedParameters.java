package org.lexvla.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.model.LexVla;
import org.lexvla.model.TextSide;

/** Which parameters of a model a run trains, and with which share of the learning rate (SPEC §7). */
final class TrainedParameters {
    private TrainedParameters() {}

    /** Whether there is LoRA to train: a bag of words has no use for it. */
    static boolean haveLora(LexVla model) {
        return model.config().textSide() == TextSide.LANGUAGE_MODEL;
    }

    /** Whether the language model's own weights are trained. */
    static boolean haveLanguageModel(LexVla model, TrainingConfig config) {
        return haveLora(model) && !config.text().frozen();
    }

    /** The groups of the optimizer, under names that are the same in every run. */
    static List<Optimization.Group> groups(LexVla model, TrainingConfig config) {
        TrainingConfig.Optimizer settings = config.optimizer();
        Map<String, Tensor> plain = named("adapter.", model.adapter().parameters());
        if (!config.vision().frozen()) {
            plain.putAll(named("vision.", model.vision().parameters()));
        }
        if (haveLanguageModel(model, config)) {
            plain.putAll(named("text.", model.text().parameters()));
        }
        List<Optimization.Group> groups = new ArrayList<>();
        groups.add(new Optimization.Group(plain, 1));
        if (haveLora(model)) {
            groups.add(new Optimization.Group(named("lora.", model.lora().parameters()), settings.loraFactor()));
        }
        groups.add(new Optimization.Group(
                Map.of("image_codebook", model.imageCodebook()),
                settings.codebookFactor(),
                settings.touchedRowsOnly()));
        groups.add(new Optimization.Group(Map.of("logit_scale", model.logitScale()), settings.scaleFactor()));
        return groups;
    }

    private static Map<String, Tensor> named(String prefix, Map<String, Tensor> parameters) {
        Map<String, Tensor> named = new LinkedHashMap<>();
        parameters.forEach((name, tensor) -> named.put(prefix + name, tensor));
        return named;
    }
}
