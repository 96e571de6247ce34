package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.model.LexVla;
import org.lexvla.training.CaptionSource;
import org.lexvla.training.Checkpoint;
import org.lexvla.training.FreshModel;
import org.lexvla.training.SkippedSample;
import org.lexvla.training.StepReport;
import org.lexvla.training.Trainer;
import org.lexvla.training.TrainingConfig;
import org.lexvla.training.TrainingPlan;
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
            "         ./lexvla train --data captions.tsv --model model --config configs/paper.yaml --out run --plan",
            "Then:    ./lexvla evaluate retrieval --model run --data captions.tsv",
            "Cut off: ./lexvla train --data captions.tsv --out run --resume"
        })
final class TrainCommand implements Callable<Integer> {
    @Option(
            names = "--data",
            required = true,
            paramLabel = "DATA",
            description = {
                "captions.tsv (tab-separated, columns file, relative to the table, and caption); or shards of WebDataset (.tar),"
                        + " Parquet or Arrow IPC: a file, a directory, or a pattern such as 'shards/{00000..00099}.tar'."
            })
    private String data;

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

    @Option(
            names = "--resume",
            description = {
                "Go on with the run in --out from its last checkpoint, with its own settings where neither --config nor --set says"
                        + " otherwise; begin it if it has none yet."
            })
    private boolean resume;

    @Option(
            names = "--plan",
            description =
                    "Make nothing: say how many steps, what is trained, the memory it takes, and what would not fit. No"
                            + " weight is read.")
    private boolean plan;

    @Option(
            names = "--memory",
            paramLabel = "GB",
            description = "With --plan: memory of the device, for another machine than this one.")
    private Double memory;

    @Mixin
    private ConfigOptions config;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    private StepReport last;

    @Override
    public Integer call() throws Exception {
        if (plan) {
            TrainingConfig planned = config.get();
            plan(planned, CaptionSource.open(data, planned.data()));
            return 0;
        }
        Checkpoint from = null;
        if (resume) {
            from = Checkpoint.last(out).orElse(null);
        } else {
            Inputs.requireAbsent(out);
        }
        TrainingConfig settings = config.get(from == null ? null : from.settings());
        CaptionSource pairs = CaptionSource.open(data, settings.data());
        // Named wrongly, it is found now and not after the first thousand steps.
        HeldOut heldOut = settings.evaluation().every() == 0
                ? null
                : HeldOut.open(Path.of(settings.evaluation().data()), console);
        tell(settings);
        long start = System.nanoTime();
        int steps = settings.stepsOver(pairs.size());
        int done;
        try (LexVla trained = begin(from, settings, pairs)) {
            try (Progress progress = console.progress("train", "steps", steps)) {
                try (RunWatch watch = new RunWatch(trained, settings, out, heldOut, progress)) {
                    done = from == null
                            ? Trainer.run(trained, pairs, settings, out, watch)
                            : Trainer.resume(trained, pairs, settings, out, from, watch);
                    last = watch.last();
                }
            }
        }
        report(pairs, done, steps, (System.nanoTime() - start) / 1e9);
        return 0;
    }

    private LexVla begin(Checkpoint from, TrainingConfig settings, CaptionSource pairs) throws IOException {
        if (from != null) {
            console.line("Going on after step %d", from.step());
            return LexVla.load(from.directory(), device.get());
        }
        return model == null ? fresh(settings, pairs) : LexVla.load(model, device.get());
    }

    private LexVla fresh(TrainingConfig settings, CaptionSource pairs) throws IOException {
        try (PreparationProgress progress = new PreparationProgress(console)) {
            return FreshModel.create(settings, pairs, null, out, device.get(), progress);
        }
    }

    private void report(CaptionSource pairs, int done, int steps, double seconds) throws IOException {
        List<SkippedSample> skipped = SkippedSample.list(out.resolve(SkippedSample.FILE));
        Encoder.reportSkipped(
                skipped.stream()
                        .map(sample -> sample.place() + ", " + sample.name() + ": " + sample.reason())
                        .toList(),
                console);
        if (last != null) {
            console.line(
                    "%d steps in %.0f s: loss %.3f, R@1 within the last batch %.2f (image to text) and %.2f (text to image)",
                    last.step(), seconds, last.loss(), last.imageToTextR1(), last.textToImageR1());
        }
        console.line(done == steps ? "Written to %s" : "Told to stop: go on with --out %s --resume", out);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("run", out.toString());
        result.put("pairs", pairs.size());
        result.put("skipped", skipped);
        result.put("seconds", seconds);
        result.put("last", last);
        console.result(result);
    }

    private void tell(TrainingConfig settings) {
        List<String> changes = settings.changes();
        console.line(
                "Settings: those of the paper%s; all of them in %s",
                changes.isEmpty() ? "" : ", but " + String.join(", ", changes), out.resolve("training.yaml"));
    }

    private void plan(TrainingConfig settings, CaptionSource pairs) throws IOException {
        boolean onCpu = device.get().isCpu();
        TrainingPlan planned = model == null
                ? TrainingPlan.ofFresh(settings, pairs, onCpu)
                : TrainingPlan.of(model, settings, pairs, onCpu);
        tell(settings);
        new PlanReport(planned, settings, device.get(), console).print(out, memory);
    }
}
