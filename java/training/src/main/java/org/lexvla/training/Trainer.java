package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.LexVla;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trains a model on captioned pictures (SPEC §7): LoRA, adapter, image codebook and τ; the backbones only if the settings
 * un-freeze them. Z_txt never changes.
 *
 * <p>Every step ({@link TrainingStep}) has its tensors in one {@code PointerScope}. On the CPU a seed gives the same run to the bit as
 * long as the number of LibTorch's threads is the same, whether or not the run was interrupted: every so many steps, and when the
 * JVM is told to end, a {@link Checkpoint} is written, from which {@link #resume} goes on.
 *
 * <p>The directory of the run becomes a model directory: {@code config.json} and weights as {@link LexVla#save} writes them (and the mean of the
 * weights under {@code ema/} if one is kept), besides
 * {@code training.yaml} (the settings in effect), {@code metrics.jsonl} (a {@link StepReport} per line), {@code skipped.jsonl} (a
 * {@link SkippedSample} per line, if there is any), backbones that were trained under {@code vision/} and {@code text/}, and {@code checkpoints/}.
 */
public final class Trainer {
    private static final Logger LOG = LoggerFactory.getLogger(Trainer.class);

    private final LexVla model;
    private final CaptionSource data;
    private final TrainingConfig config;
    private final Path out;
    private final Processes processes;
    private final int steps;
    private final Schedule schedule;
    private final TrainingStep oneStep;
    private final CheckpointDirectory checkpoints;
    private final SkippedSteps skipped;

    private Trainer(LexVla model, CaptionSource data, TrainingConfig config, Path out, Processes processes)
            throws IOException {
        if (config.batch() % processes.size() != 0 || config.batch() < 2 * processes.size()) {
            throw new IllegalArgumentException("a batch of " + config.batch() + " cannot be split among "
                    + processes.size() + " processes: set batch to a multiple of " + processes.size()
                    + ", with two pairs for each at least");
        }
        this.model = model;
        this.data = data;
        this.config = config;
        this.out = out;
        this.processes = processes;
        this.steps = config.stepsOver(data.size());
        this.schedule = new Schedule(
                steps, config.optimizer().warmupSteps(), config.loss().lambda().steps());
        this.oneStep = new TrainingStep(model, config, processes);
        this.checkpoints = CheckpointDirectory.of(out);
        this.skipped = new SkippedSteps(config, steps);
    }

    /**
     * Runs all steps and writes the model; or, when the JVM is told to end, finishes the step it is in and writes a checkpoint.
     *
     * @param model    trained in place
     * @param out      made if missing
     * @param listener called after every step, on the caller's thread
     * @return steps that are finished; fewer than the run has if it was told to end
     * @throws IOException              if something cannot be written, or {@code out} holds checkpoints of another run
     * @throws IllegalArgumentException if the data set has fewer readable pictures than a batch
     * @throws IllegalStateException    if loss or gradient are not finite so many steps in a row as the settings allow; the model is
     *                                  not written then, the checkpoints stay
     */
    public static int run(
            LexVla model, CaptionSource data, TrainingConfig config, Path out, Consumer<StepReport> listener)
            throws IOException {
        return run(model, data, config, out, Processes.alone(), listener);
    }

    /**
     * As {@link #run(LexVla, CaptionSource, TrainingConfig, Path, Consumer)} together with other processes, which call it with the same
     * arguments. Each takes its part of every batch; the weights of the first one are those that all begin with. The first one
     * writes and is the only one whose listener is called.
     */
    public static int run(
            LexVla model,
            CaptionSource data,
            TrainingConfig config,
            Path out,
            Processes processes,
            Consumer<StepReport> listener)
            throws IOException {
        return new Trainer(model, data, config, out, processes).begin(listener);
    }

    /**
     * Goes on with a run as if it had not been interrupted. What the run wrote after the checkpoint is taken back.
     *
     * @param model  as loaded from the directory of the checkpoint, its backbones in the element type they had
     * @param config as in the beginning, but for what changes nothing in the weights
     * @param out    of the run
     * @param from   see {@link Checkpoint#last}
     * @return as {@link #run}
     * @throws IllegalArgumentException if settings differ from those the run was begun with, naming them
     */
    public static int resume(
            LexVla model,
            CaptionSource data,
            TrainingConfig config,
            Path out,
            Checkpoint from,
            Consumer<StepReport> listener)
            throws IOException {
        return resume(model, data, config, out, from, Processes.alone(), listener);
    }

    /** As {@link #resume(LexVla, CaptionSource, TrainingConfig, Path, Checkpoint, Consumer)} together with other processes. */
    public static int resume(
            LexVla model,
            CaptionSource data,
            TrainingConfig config,
            Path out,
            Checkpoint from,
            Processes processes,
            Consumer<StepReport> listener)
            throws IOException {
        return new Trainer(model, data, config, out, processes).goOn(from, listener);
    }

    private int begin(Consumer<StepReport> listener) throws IOException {
        List<Path> older = checkpoints.newestFirst();
        if (processes.isFirst() && !older.isEmpty()) {
            throw new IOException(out + " holds checkpoints of a run, the newest " + older.get(0)
                    + ": go on with that run, or choose another directory");
        }
        return run(null, listener);
    }

    private int goOn(Checkpoint from, Consumer<StepReport> listener) throws IOException {
        config.requireContinues(from.config());
        warnIfOther("threads of LibTorch", from.state().threads(), torch.get_num_threads());
        warnIfOther("processes", from.state().processes(), processes.size());
        return run(from, listener);
    }

    private void warnIfOther(String what, int begun, int now) {
        if (now != begun && processes.isFirst()) {
            LOG.warn(
                    "the run was begun with {} {} and goes on with {}: its weights will not be the same to the bit",
                    begun,
                    what,
                    now);
        }
    }

    @SuppressWarnings("try")
    private int run(Checkpoint from, Consumer<StepReport> listener) throws IOException {
        if (model.text().merged()) {
            throw new IllegalStateException(
                    "LoRA is merged into the matrices of the language model, where it cannot be trained: unmerge it first");
        }
        if (processes.isFirst()) {
            Files.createDirectories(out);
            checkpoints.goOnFrom(from == null ? 0 : from.step());
            Files.writeString(out.resolve(Checkpoint.SETTINGS), config.yaml());
        }
        processes.await();
        setTraining(true);
        int step = from == null ? 0 : from.step();
        try (StopSignal stop = StopSignal.ofTheJvm();
                Metrics metrics = processes.isFirst()
                        ? Metrics.open(
                                out.resolve("metrics.jsonl"),
                                from == null ? 0 : from.state().metricsBytes())
                        : null;
                Optimization optimization =
                        new Optimization(TrainedParameters.groups(model, config), config.optimizer(), schedule);
                WeightMean mean = config.ema().decay() == 0
                        ? null
                        : new WeightMean(config.ema().decay(), optimization.parameters())) {
            RunCheckpoints states =
                    new RunCheckpoints(model, config, processes, checkpoints, optimization, mean, skipped, metrics);
            DataPosition position = null;
            // Dropout is another in each process.
            torch.manual_seed(config.seed() + processes.rank());
            if (from != null) {
                position = from.state().positionOf(processes.rank());
                states.restore(from);
            }
            processes.share(optimization.parameters().values());
            if (from == null && config.checkpoint().every() > 0) {
                states.write(0, null);
            }
            try (BufferAllocator allocator = new RootAllocator();
                    BatchLoader loader = loader(position, allocator)) {
                for (boolean stopping = false; step < steps && !stopping; ) {
                    position = step(step++, loader, optimization, mean, metrics, listener);
                    stopping = processes.any(stop.requested());
                    boolean due = config.checkpoint().every() > 0
                            && (step % config.checkpoint().every() == 0 || step == steps);
                    if (due || stopping) {
                        states.tryToWrite(step, position);
                    }
                }
            }
            if (step == steps && processes.isFirst()) {
                ModelWriter writer = new ModelWriter(model, config);
                writer.save(out);
                if (mean != null) {
                    writer.save(mean, out.resolve("ema"));
                }
            }
            processes.await();
            return step;
        } finally {
            setTraining(false);
        }
    }

    private BatchLoader loader(DataPosition position, BufferAllocator allocator) throws IOException {
        String skips = processes.isFirst() ? SkippedSample.FILE : "skipped." + processes.rank() + ".jsonl";
        return new BatchLoader(
                data,
                model.transform(),
                config.withBatch(config.batch() / processes.size()),
                processes.part(),
                position,
                out.resolve(skips),
                allocator);
    }

    private void setTraining(boolean training) {
        model.lora().setTraining(training);
        model.vision().setTrainable(training && !config.vision().frozen());
        model.text().setTrainable(training && TrainedParameters.haveLanguageModel(model, config));
        model.vision().setCheckpointing(training && config.vision().checkpointing());
        model.text().setCheckpointing(training && config.text().checkpointing());
    }

    /** Makes a step and says where the data are after it. */
    @SuppressWarnings("try")
    private DataPosition step(
            int step,
            BatchLoader loader,
            Optimization optimization,
            WeightMean mean,
            Metrics metrics,
            Consumer<StepReport> listener)
            throws IOException {
        long began = System.nanoTime();
        StepReport report;
        DataPosition position;
        try (PointerScope scope = new PointerScope();
                Batch batch = loader.take()) {
            double waited = secondsSince(began);
            TrainingStep.Result result = oneStep.run(batch, schedule.penalty(step));
            double norm = Double.NaN;
            if (Double.isFinite(result.losses().value())) {
                processes.sum(optimization.gradients());
                norm = optimization.step(step);
            }
            skipped.count(step, result.losses(), norm);
            try (NoGradGuard noGraph = new NoGradGuard()) {
                InfoNce.clamp(model.logitScale());
            }
            if (mean != null && Double.isFinite(norm)) {
                mean.add(optimization.adam().steps());
            }
            double seconds = secondsSince(began);
            report = report(
                    step,
                    result,
                    optimization.learningRate(step),
                    norm,
                    config.batch(),
                    seconds,
                    waited,
                    loader.skipped());
            position = batch.after();
        }
        if (!processes.isFirst()) {
            return position;
        }
        if ((step + 1) % config.logEvery() == 0 || step + 1 == steps) {
            metrics.write(report);
        }
        // A listener that looks at the model sees it as it is used, without dropout, which would also draw random
        // numbers.
        model.lora().setTraining(false);
        listener.accept(report);
        model.lora().setTraining(true);
        return position;
    }

    private StepReport report(
            int step,
            TrainingStep.Result result,
            double rate,
            double norm,
            int size,
            double seconds,
            double waited,
            int samples) {
        Losses losses = result.losses();
        return new StepReport(
                step + 1,
                steps,
                losses.value(),
                losses.imageToText(),
                losses.textToImage(),
                losses.imagePenalty(),
                losses.textPenalty(),
                losses.imageLambda(),
                losses.textLambda(),
                losses.imageToTextR1(),
                losses.textToImageR1(),
                result.activeImage(),
                result.activeText(),
                Math.exp(-model.logitScale().item_double()),
                rate,
                norm,
                size / seconds,
                seconds,
                waited,
                MemoryUse.now(model.device()),
                samples,
                skipped.all());
    }

    private static double secondsSince(long began) {
        return (System.nanoTime() - began) / 1e9;
    }
}
