package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.LexVla;
import org.lexvla.model.ProductThreads;
import org.lexvla.training.CaptionSource;
import org.lexvla.training.Checkpoint;
import org.lexvla.training.FreshModel;
import org.lexvla.training.Processes;
import org.lexvla.training.SkippedSample;
import org.lexvla.training.StepReport;
import org.lexvla.training.Trainer;
import org.lexvla.training.TrainingConfig;
import org.lexvla.training.TrainingPlan;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

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
    private static final String PROCESSES = "--processes";
    /** Exit code of a run that has steps left. */
    private static final int STOPPED = 1;

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

    @Option(
            names = PROCESSES,
            paramLabel = "N",
            defaultValue = "1",
            description = {
                "Train in N processes on this machine, each with its part of every batch (default: ${DEFAULT-VALUE}).",
                "On several machines start each process with torchrun, or set WORLD_SIZE, RANK, MASTER_ADDR and MASTER_PORT."
            })
    private int processes;

    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Lexvla lexvla;

    @Mixin
    private ConfigOptions config;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    private StepReport last;

    @Override
    public Integer call() throws Exception {
        if (processes < 1) {
            throw new IllegalArgumentException(PROCESSES + " is " + processes + ", must be at least 1");
        }
        if (plan) {
            TrainingConfig planned = config.get();
            plan(planned, CaptionSource.open(data, planned.data()));
            return 0;
        }
        if (processes > 1) {
            LocalProcesses.run(processes, withoutProcesses());
            return 0;
        }
        try (Processes together = Processes.meet(System.getenv(), device.get())) {
            return call(together);
        }
    }

    /** The arguments as they were given, but for the number of processes. */
    private List<String> withoutProcesses() {
        List<String> arguments =
                new ArrayList<>(spec.root().commandLine().getParseResult().originalArgs());
        int at = arguments.indexOf(PROCESSES);
        if (at >= 0) {
            arguments.subList(at, at + 2).clear();
        }
        arguments.removeIf(argument -> argument.startsWith(PROCESSES + "="));
        return arguments;
    }

    private int call(Processes together) throws IOException {
        Checkpoint from = resume ? last(together) : null;
        if (!resume && together.isFirst()) {
            Inputs.requireAbsent(out);
        }
        TrainingConfig settings = config.get(from == null ? null : from.settings());
        CaptionSource pairs = CaptionSource.open(data, settings.data());
        // Named wrongly, it is found now and not after the first thousand steps.
        HeldOut heldOut = settings.evaluation().every() == 0
                ? null
                : HeldOut.open(Path.of(settings.evaluation().data()), console);
        if (together.isFirst()) {
            tell(settings);
        }
        long start = System.nanoTime();
        int steps = settings.stepsOver(pairs.size());
        try (LexVla trained = begin(from, settings, pairs, together)) {
            int done;
            if (!together.isFirst()) {
                lexvla.endWithCommand(() -> {});
                done = train(trained, pairs, settings, from, together, report -> {});
                return done == steps ? 0 : STOPPED;
            }
            try (Progress progress = console.progress("train", "steps", steps)) {
                lexvla.endWithCommand(() -> progress.line("Told to end: " + out
                        + " finishes its step and writes a checkpoint (Ctrl-C once more ends at once)"));
                try (RunWatch watch = new RunWatch(trained, settings, out, heldOut, progress)) {
                    done = train(trained, pairs, settings, from, together, watch);
                    last = watch.last();
                }
            }
            report(pairs, from == null ? 0 : from.step(), done, steps, (System.nanoTime() - start) / 1e9);
            return done == steps ? 0 : STOPPED;
        }
    }

    /** The one that the first process takes: another may look while it is removing old ones. */
    private Checkpoint last(Processes together) throws IOException {
        String found = "";
        if (together.isFirst()) {
            found = Checkpoint.last(out)
                    .map(checkpoint -> checkpoint.directory().toString())
                    .orElse("");
        }
        found = together.gather(found).get(0);
        return found.isEmpty() ? null : Checkpoint.open(Path.of(found));
    }

    private int train(
            LexVla trained,
            CaptionSource pairs,
            TrainingConfig settings,
            Checkpoint from,
            Processes together,
            Consumer<StepReport> listener)
            throws IOException {
        // A step has one batch: its products may have all threads that LibTorch has.
        ProductThreads all = ProductThreads.use(torch.get_num_threads());
        try {
            return from == null
                    ? Trainer.run(trained, pairs, settings, out, together, listener)
                    : Trainer.resume(trained, pairs, settings, out, from, together, listener);
        } finally {
            all.close();
        }
    }

    private LexVla begin(Checkpoint from, TrainingConfig settings, CaptionSource pairs, Processes together)
            throws IOException {
        if (from != null) {
            if (together.isFirst()) {
                console.line("Going on after step %d", from.step());
            }
            return LexVla.load(from.directory(), device.get(), settings.backboneType(), null);
        }
        if (model != null) {
            return LexVla.load(model, device.get(), settings.backboneType(), null);
        }
        LexVla made = together.isFirst() ? fresh(settings, pairs) : null;
        together.await();
        return made != null ? made : FreshModel.open(settings, pairs, out, device.get());
    }

    private LexVla fresh(TrainingConfig settings, CaptionSource pairs) throws IOException {
        try (PreparationProgress progress = new PreparationProgress(console)) {
            return FreshModel.create(settings, pairs, null, out, device.get(), progress);
        }
    }

    private void report(CaptionSource pairs, int before, int done, int steps, double seconds) throws IOException {
        List<SkippedSample> skipped = SkippedSample.list(out.resolve(SkippedSample.FILE));
        Encoder.reportSkipped(
                skipped.stream()
                        .map(sample -> sample.place() + ", " + sample.name() + ": " + sample.reason())
                        .toList(),
                console);
        if (last != null) {
            console.line(
                    "%s in %.0f s: loss %.3f, R@1 within the last batch %.2f (image to text) and %.2f (text to image)",
                    Count.of(last.step() - before, "step"),
                    seconds,
                    last.loss(),
                    last.imageToTextR1(),
                    last.textToImageR1());
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
        new PlanReport(planned, pairs.size(), settings, device.get(), console).print(out, memory);
    }
}
