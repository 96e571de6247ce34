package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Says what is in a model. */
@Command(
        name = "info",
        description = "Say what is in a model: its parts, their parameters, its vocabulary.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla info model"})
final class InfoCommand implements Callable<Integer> {
    @Parameters(paramLabel = "MODEL", description = "Model directory.")
    private Path directory;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        try (LexVla model = LexVla.load(directory, Device.cpu())) {
            Map<String, Object> facts = facts(model);
            print(facts, console);
            console.result(facts);
        }
        return 0;
    }

    /** Parameters by part, as the paper counts them, and the shape of the head. */
    static Map<String, Object> facts(LexVla model) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("vision_parameters", count(model.vision().parameters()));
        facts.put("text_parameters", count(model.text().parameters()));
        facts.put("adapter_parameters", count(model.adapter().parameters()));
        facts.put("lora_parameters", count(model.lora().parameters()));
        facts.put("image_codebook_parameters", model.imageCodebook().numel());
        facts.put("vocabulary", model.vocabulary().size());
        facts.put("width", model.imageCodebook().size(1));
        facts.put("prompt", model.prompt().template());
        return facts;
    }

    static void print(Map<String, Object> facts, Console console) {
        facts.forEach((name, value) -> console.line(
                value instanceof Number ? "%-26s %,14d" : "%-26s %s",
                name.replace('_', ' '),
                value instanceof Integer number ? (Object) number.longValue() : value));
    }

    private static long count(Map<String, Tensor> parameters) {
        return parameters.values().stream().mapToLong(Tensor::numel).sum();
    }
}
