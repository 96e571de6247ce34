package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.lexical.VocabularyReport;
import org.lexvla.model.InitOptions;
import org.lexvla.model.LexVla;
import org.lexvla.model.ModelSummary;
import org.lexvla.model.Tokenizer;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.TrainingConfig;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a model from two backbones. */
@Command(
        name = "init",
        description = {
            "Make a model from a DINOv2 and a Llama in Hugging Face layout.",
            "Codebooks from lm_head, vocabulary by the rule of the documentation, a fresh adapter, LoRA that changes"
                    + " nothing yet. The backbones are referred to, not copied; of their weights only the words' rows of lm_head are"
                    + " read."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Example: ./lexvla init --vision dinov2-base --text llama-2-7b --out model",
            "         ./lexvla init --vision dinov2-base --text llama-2-7b --dry-run --vocabulary-report words.tsv"
        })
final class InitCommand implements Callable<Integer> {
    @Option(names = "--vision", required = true, paramLabel = "DIR", description = "DINOv2 directory.")
    private Path vision;

    @Option(names = "--text", required = true, paramLabel = "DIR", description = "Llama directory with its tokenizer.")
    private Path text;

    @ArgGroup(multiplicity = "1")
    private Target target;

    private static final class Target {
        @Option(names = "--out", paramLabel = "MODEL", description = "Model directory to make.")
        private Path out;

        @Option(
                names = "--dry-run",
                description =
                        "Make nothing: say what the model would be. Needs configurations and tokenizer, no weights.")
        private boolean dryRun;
    }

    @Option(
            names = "--vocabulary-report",
            paramLabel = "FILE",
            description = "Write a table of every token: whether it becomes a word, and if not, why.")
    private Path report;

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
        if (target.out != null) {
            Inputs.requireAbsent(target.out);
        }
        if (report != null) {
            Inputs.requireAbsent(report);
        }
        TrainingConfig settings = config.get();
        if (settings.vocabulary().minCount() > 0 && captions == null) {
            throw new IllegalArgumentException(
                    "vocabulary.minCount is " + settings.vocabulary().minCount()
                            + " but there are no captions to count in: give --captions, or --set vocabulary.minCount=0");
        }
        List<String> counted =
                captions == null ? List.of() : CaptionDataset.open(captions).captions();
        InitOptions options = FreshModel.options(settings, text, counted);
        ModelSummary summary = ModelSummary.ofNew(vision, text, options);
        Map<String, Object> result = new LinkedHashMap<>(InfoCommand.facts(summary));
        InfoCommand.print(result, console);
        if (report != null) {
            report(options, result);
        }
        if (target.dryRun) {
            console.line("Nothing was made.");
        } else {
            LexVla.create(vision, text, options, target.out);
            console.line("Written to %s.", target.out);
            result.put("model", target.out.toString());
        }
        console.result(result);
        return 0;
    }

    private void report(InitOptions options, Map<String, Object> result) throws IOException {
        try (Tokenizer tokenizer = Tokenizer.load(text)) {
            VocabularyReport verdicts = options.vocabularyReport(tokenizer);
            verdicts.write(report);
            Map<String, Integer> dropped = new LinkedHashMap<>();
            verdicts.dropped().forEach((reason, number) -> {
                console.line("%-26s %,14d  %s", "tokens dropped", number, reason.text());
                dropped.put(reason.text(), number);
            });
            console.line("Every token with its reason: %s", report);
            result.put("dropped_tokens", dropped);
            result.put("vocabulary_report", report.toString());
        }
    }
}
