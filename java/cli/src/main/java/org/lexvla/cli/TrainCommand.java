package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.model.LexVla;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.FreshModel;
import org.lexvla.training.SkippedSample;
import org.lexvla.training.StepReport;
import org.lexvla.training.Trainer;
import org.lexvla.training.TrainingConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains a model on captioned pictures. */
@Command(
        name = "train",
        description = {
            "Train a model on captioned pictures.",
            "Without --model a fresh tiny one is made from the settings: its language model is prepared on the captions, its"
                    + " visual backbone on the pictures alone, in place of real pre-training."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Example: ./lexvla train --data captions.tsv --config configs/demo.yaml --out run --set steps=500",
            "Then:    ./lexvla evaluate retrieval --model run --data captions.tsv"
        })
final class TrainCommand implements Callable<Integer> {
    @Option(
            names = "--data",
            required = true,
            paramLabel = "TABLE",
            description = "captions.tsv: tab-separated, columns file (relative to the table) and caption.")
    private Path data;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "RUN",
            description = "Directory to make; a model directory in the end.")
    private Path out;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "Model to continue from (default: a fresh tiny one).")
    private Path model;

    @Mixin
    private ConfigOptions config;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    private StepReport last;

    @Override
    public Integer call() throws Exception {
        TrainingConfig settings = config.get();
        Inputs.require(data);
        Inputs.requireAbsent(out);
        CaptionDataset pairs = CaptionDataset.open(data);
        // Named wrongly, it is found now and not after the first thousand steps.
        HeldOut heldOut = settings.evaluation().every() == 0
                ? null
                : HeldOut.open(Path.of(settings.evaluation().data()), console);
        long start = System.nanoTime();
        try (LexVla trained = model == null ? fresh(settings, pairs) : LexVla.load(model, device.get())) {
            try (Progress progress = console.progress(
                    "train", "steps", settings.stepsOver(pairs.pairs().size()))) {
                try (RunWatch watch = new RunWatch(trained, settings, out, heldOut, progress)) {
                    Trainer.run(trained, pairs, settings, out, watch);
                    last = watch.last();
                }
            }
        }
        report(pairs, (System.nanoTime() - start) / 1e9);
        return 0;
    }

    private LexVla fresh(TrainingConfig settings, CaptionDataset pairs) throws IOException {
        try (PreparationProgress progress = new PreparationProgress(console)) {
            return FreshModel.create(settings, pairs, null, out, device.get(), progress);
        }
    }

    private void report(CaptionDataset pairs, double seconds) throws IOException {
        List<SkippedSample> skipped = SkippedSample.list(out.resolve(SkippedSample.FILE));
        Encoder.reportSkipped(
                skipped.stream()
                        .map(sample -> sample.place() + ", " + sample.name() + ": " + sample.reason())
                        .toList(),
                console);
        console.line(
                "%d steps in %.0f s: loss %.3f, R@1 within the last batch %.2f (image to text) and %.2f (text to image)",
                last.step(), seconds, last.loss(), last.imageToTextR1(), last.textToImageR1());
        console.line("Written to %s", out);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("run", out.toString());
        result.put("pairs", pairs.pairs().size());
        result.put("skipped", skipped);
        result.put("seconds", seconds);
        result.put("last", last);
        console.result(result);
    }
}
