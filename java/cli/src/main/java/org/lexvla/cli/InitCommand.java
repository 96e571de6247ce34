package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.model.InitOptions;
import org.lexvla.model.LexVla;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a model from two backbones. */
@Command(
        name = "init",
        description = {
            "Make a model from a DINOv2 and a Llama in Hugging Face layout.",
            "Codebooks from lm_head, vocabulary by the rule of the documentation, a fresh adapter, LoRA that changes"
                    + " nothing yet. The backbones are referred to, not copied."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla init --vision dinov2-base --text llama-2-7b --out model"})
final class InitCommand implements Callable<Integer> {
    @Option(names = "--vision", required = true, paramLabel = "DIR", description = "DINOv2 directory.")
    private Path vision;

    @Option(names = "--text", required = true, paramLabel = "DIR", description = "Llama directory with its tokenizer.")
    private Path text;

    @Option(names = "--out", required = true, paramLabel = "MODEL", description = "Model directory to make.")
    private Path out;

    @Option(
            names = "--captions",
            paramLabel = "TABLE",
            description = "captions.tsv whose words are counted, where vocabulary.minCount asks for it.")
    private Path captions;

    @Mixin
    private ConfigOptions config;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        Inputs.requireAbsent(out);
        TrainingConfig settings = config.get();
        if (settings.vocabulary().minCount() > 0 && captions == null) {
            throw new IllegalArgumentException(
                    "vocabulary.minCount is " + settings.vocabulary().minCount()
                            + " but there are no captions to count in: give --captions, or --set vocabulary.minCount=0");
        }
        List<String> counted =
                captions == null ? List.of() : CaptionDataset.open(captions).captions();
        InitOptions options = FreshModel.options(settings, text, counted);
        try (LexVla model = LexVla.init(vision, text, options)) {
            model.save(out);
            Map<String, Object> facts = InfoCommand.facts(model);
            InfoCommand.print(facts, console);
            Map<String, Object> result = new LinkedHashMap<>(facts);
            result.put("model", out.toString());
            console.result(result);
        }
        console.line("Written to %s.", out);
        return 0;
    }
}
