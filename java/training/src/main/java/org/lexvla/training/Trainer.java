package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.model.LexicalHead;
import org.lexvla.model.TextBatch;
import org.lexvla.model.TextSide;

/**
 * Trains a model on captioned pictures (SPEC §7): LoRA, adapter, image codebook and τ; the backbones only if the settings
 * un-freeze them. Z_txt never changes.
 *
 * <p>A step computes both towers, cuts the graph at the head ({@link LexicalHead}), lets the loss fill the gradients of the
 * activations, and hands these back through the head's own backward into the towers. All its tensors live in one
 * {@code PointerScope}. On the CPU a seed gives the same run to the bit as long as the number of LibTorch's threads is the same.
 *
 * <p>The directory of the run becomes a model directory: {@code config.json} and weights as {@link LexVla#save} writes them, besides
 * {@code training.yaml} (the settings in effect), {@code metrics.jsonl} (a {@link StepReport} per line), {@code skipped.jsonl} (a
 * {@link SkippedSample} per line, if there is any), backbones that were trained
 * under {@code vision/} and {@code text/}, and {@code checkpoints/} if asked for.
 */
public final class Trainer {
    private final LexVla model;
    private final CaptionSource data;
    private final TrainingConfig config;
    private final Path out;
    private final int steps;
    private final Schedule schedule;
    private final double threshold;
    /** Whether texts go through the language model, and whether its own weights are trained. */
    private final boolean readsTexts;

    private final boolean trainsBackbone;

    private Trainer(LexVla model, CaptionSource data, TrainingConfig config, Path out) throws IOException {
        this.model = model;
        this.data = data;
        this.config = config;
        this.out = out;
        this.steps = config.stepsOver(data.size());
        this.schedule = new Schedule(
                steps, config.optimizer().warmupSteps(), config.loss().lambda().steps());
        this.readsTexts = model.config().textSide() == TextSide.LANGUAGE_MODEL;
        this.trainsBackbone = readsTexts && !config.text().frozen();
        this.threshold = model.config().sparsification() instanceof Sparsification.Threshold given
                ? given.value()
                : Sparsification.standard(model.vocabulary().size()).value();
    }

    /**
     * Runs all steps and writes the model.
     *
     * @param model    trained in place
     * @param out      made if missing
     * @param listener called after every step, on the caller's thread
     * @throws IOException              if something cannot be written
     * @throws IllegalArgumentException if the data set has fewer readable pictures than a batch
     * @throws IllegalStateException    if the loss is no longer finite, naming the step; nothing is written then
     */
    public static void run(
            LexVla model, CaptionSource data, TrainingConfig config, Path out, Consumer<StepReport> listener)
            throws IOException {
        new Trainer(model, data, config, out).run(listener);
    }

    private void run(Consumer<StepReport> listener) throws IOException {
        if (model.text().merged()) {
            throw new IllegalStateException(
                    "LoRA is merged into the matrices of the language model, where it cannot be trained: unmerge it first");
        }
        Files.createDirectories(out);
        Files.writeString(out.resolve("training.yaml"), config.yaml());
        torch.manual_seed(config.seed());
        setTraining(true);
        try (Metrics metrics = Metrics.open(out.resolve("metrics.jsonl"));
                Optimization optimization = new Optimization(groups(), config.optimizer(), schedule);
                BufferAllocator allocator = new RootAllocator();
                BatchLoader loader = new BatchLoader(
                        data,
                        model.transform(),
                        config,
                        Part.WHOLE,
                        null,
                        out.resolve(SkippedSample.FILE),
                        allocator)) {
            for (int step = 0; step < steps; step++) {
                StepReport report = step(step, loader, optimization);
                if ((step + 1) % config.logEvery() == 0 || step + 1 == steps) {
                    metrics.write(report);
                }
                listener.accept(report);
                int every = config.checkpoint().every();
                if (every > 0 && (step + 1) % every == 0 && step + 1 < steps) {
                    save(out.resolve("checkpoints").resolve(String.format(Locale.ROOT, "%08d", step + 1)));
                }
            }
        } finally {
            setTraining(false);
        }
        save(out);
    }

    private void setTraining(boolean training) {
        model.lora().setTraining(training);
        model.vision().setTrainable(training && !config.vision().frozen());
        model.text().setTrainable(training && trainsBackbone);
        model.vision().setCheckpointing(training && config.vision().checkpointing());
        model.text().setCheckpointing(training && config.text().checkpointing());
    }

    private List<Optimization.Group> groups() {
        TrainingConfig.Optimizer settings = config.optimizer();
        List<Tensor> backbones = new ArrayList<>(model.adapter().parameters().values());
        if (!config.vision().frozen()) {
            backbones.addAll(model.vision().parameters().values());
        }
        if (trainsBackbone) {
            backbones.addAll(model.text().parameters().values());
        }
        List<Optimization.Group> groups = new ArrayList<>();
        groups.add(new Optimization.Group(backbones, 1));
        if (readsTexts) {
            groups.add(new Optimization.Group(model.lora().parameters().values(), settings.loraFactor()));
        }
        groups.add(new Optimization.Group(List.of(model.imageCodebook()), settings.codebookFactor()));
        groups.add(new Optimization.Group(List.of(model.logitScale()), settings.scaleFactor()));
        return groups;
    }

    private void save(Path directory) throws IOException {
        Path vision = model.config().vision();
        Path text = model.config().text();
        if (!config.vision().frozen()) {
            Path trained = Files.createDirectories(directory.resolve("vision"));
            model.vision().save(trained);
            model.transform().save(trained);
            vision = trained;
        }
        if (trainsBackbone) {
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

    @SuppressWarnings("try")
    private StepReport step(int step, BatchLoader loader, Optimization optimization) {
        long began = System.nanoTime();
        try (PointerScope scope = new PointerScope();
                Batch batch = loader.take()) {
            double waited = secondsSince(began);
            int size = batch.size();
            Tensor pixels = batch.pixels(0, size);
            Tensor imageTokens;
            Tensor textTokens = null;
            try (AutoGradMode graph = new AutoGradMode(true)) {
                imageTokens = model.imageTokens(HostTensor.to(pixels, model.device()));
                if (readsTexts) {
                    TextBatch prompts = model.prompts(batch.captions());
                    textTokens = model.textTokens(prompts.ids(), prompts.mask());
                }
            }
            try (LexicalHead.Forward images = LexicalHead.forward(imageTokens, model.imageCodebook(), null);
                    LexicalHead.Forward texts =
                            readsTexts ? LexicalHead.forward(textTokens, model.packedTextCodebook(), null) : null) {
                Tensor s = images.activations().set_requires_grad(true);
                // A bag of words is what it is: no gradient goes into it.
                Tensor t = readsTexts
                        ? texts.activations().set_requires_grad(true)
                        : model.textActivations(batch.captions());
                double factor = schedule.penalty(step);
                Losses losses = Losses.of(s, t, model.logitScale(), config.loss(), factor);
                if (!Double.isFinite(losses.value())) {
                    throw new IllegalStateException(
                            "loss is " + losses.value() + " at step " + (step + 1) + " of " + steps
                                    + " (" + losses + "): lower optimizer.learningRate, now "
                                    + config.optimizer().learningRate() + ", or raise optimizer.warmupSteps");
                }
                losses.total().backward();
                LexicalHead.Gradients towards = images.backward(s.grad(), true, true);
                push(imageTokens, towards.tokens());
                push(model.imageCodebook(), towards.codebook());
                if (readsTexts) {
                    push(textTokens, texts.backward(t.grad(), true, false).tokens());
                }
                double norm = optimization.step(step);
                try (NoGradGuard noGraph = new NoGradGuard()) {
                    InfoNce.clamp(model.logitScale());
                }
                return report(
                        step,
                        losses,
                        s,
                        t,
                        optimization.learningRate(step),
                        norm,
                        size,
                        secondsSince(began),
                        waited,
                        loader.skipped());
            }
        }
    }

    /** Hands a gradient on to whatever the tensor was computed from; into a leaf, it is added. */
    private static void push(Tensor tensor, Tensor gradient) {
        if (tensor.requires_grad()) {
            tensor.backward(gradient, new BoolOptional(false), false, new TensorArrayRefOptional());
        }
    }

    private StepReport report(
            int step,
            Losses losses,
            Tensor images,
            Tensor texts,
            double rate,
            double norm,
            int size,
            double seconds,
            double waited,
            int skipped) {
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
                nearestIsOwn(losses.logits(), 1),
                nearestIsOwn(losses.logits(), 0),
                active(images),
                active(texts),
                Math.exp(-model.logitScale().item_double()),
                rate,
                norm,
                size / seconds,
                seconds,
                waited,
                MemoryUse.now(model.device()),
                skipped);
    }

    /** Share of rows (1) or columns (0) whose largest logit is on the diagonal. */
    private static double nearestIsOwn(Tensor logits, long over) {
        Tensor own = torch.arange(
                new Scalar(logits.size(0)),
                logits.options().dtype(new org.bytedeco.pytorch.ScalarTypeOptional(torch.ScalarType.Long)));
        return logits.detach()
                .argmax(new LongOptional(over), false)
                .eq(own)
                .to(torch.ScalarType.Double)
                .mean()
                .item_double();
    }

    private double active(Tensor activations) {
        Tensor kept = activations.detach().ge(new Scalar(threshold));
        return kept.sum().item_long() / (double) activations.size(0);
    }

    private static double secondsSince(long began) {
        return (System.nanoTime() - began) / 1e9;
    }
}
