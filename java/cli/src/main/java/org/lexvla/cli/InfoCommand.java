package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.ModelSummary;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Says what is in a model. */
@Command(
        name = "info",
        description = {
            "Say what is in a model: its parts, their parameters, its vocabulary.",
            "Computed from the configurations; no weight is read."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla info model"})
final class InfoCommand implements Callable<Integer> {
    @Parameters(paramLabel = "MODEL", description = "Model directory.")
    private Path directory;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        Map<String, Object> facts = facts(ModelSummary.of(directory));
        print(facts, console);
        console.result(facts);
        return 0;
    }

    /** Parameters by part, as the paper counts them, and the shape of the head. */
    static Map<String, Object> facts(ModelSummary model) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("vision_parameters", model.vision().parameterCount());
        facts.put("text_parameters", model.text().parameterCount());
        facts.put("adapter_parameters", model.adapter().parameterCount());
        facts.put("lora_parameters", model.loraParameters());
        facts.put("image_codebook_parameters", model.codebookParameters());
        facts.put("trained_parameters", model.trainedParameters());
        facts.put("vocabulary", model.vocabulary());
        facts.put("width", model.text().hiddenSize());
        facts.put("text_side", model.textSide().name().toLowerCase(Locale.ROOT));
        facts.put("prompt", model.prompt().template());
        facts.put("pool_cls", model.poolCls());
        facts.put("keeps", keeps(model.sparsification()));
        return facts;
    }

    /** What encoding keeps, in words. */
    private static String keeps(Sparsification sparsification) {
        String kept = "every word";
        if (sparsification instanceof Sparsification.Threshold threshold) {
            kept = String.format(Locale.ROOT, "words of at least %.6f", threshold.value());
        } else if (sparsification instanceof Sparsification.TopK top) {
            kept = "the " + top.k() + " strongest words";
        }
        return kept + (sparsification.renormalize() ? ", with norm 1 again" : "");
    }

    static void print(Map<String, Object> facts, Console console) {
        facts.forEach((name, value) ->
                console.line(value instanceof Number ? "%-26s %,14d" : "%-26s %s", name.replace('_', ' '), value));
    }
}
