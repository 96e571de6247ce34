package org.lexvla.training;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.model.TextSide;

/**
 * Every setting of a run; the defaults are those of the paper (SPEC §7). Written as YAML with the names of the components,
 * addressed on a command line by the same names with dots: {@code --set loss.lambda.image=1e-3}.
 *
 * <p>Settings under {@code fresh}, {@code backbones}, {@code adapter}, {@code lora} and {@code vocabulary}, and {@code prompt},
 * {@code captionTokens}, {@code textSide}, {@code poolCls} and {@code sparsification}, make a new model (see {@link NewModelConfig}); a run that continues from a
 * model takes these from it.
 *
 * @param steps         optimizer steps; 0: as many as {@code epochs} ask for
 * @param epochs        passes over the pairs when {@code steps} is 0
 * @param batch         pairs in a step, of all processes together, at least 2: the other pairs are the negatives
 * @param microBatch    pairs that go through the towers together, so that memory does not grow with {@code batch}: the loss is that of
 *                      the whole batch, and the towers run once more; 0: all together
 * @param precision     float32; or bfloat16: frozen backbones and the head's products in bfloat16 with sums in float32, all that is
 *                      trained and its optimizer in float32
 * @param seed          of shuffling, cropping and everything new in a model; the same seed gives the same run
 * @param logEvery      steps between two lines of {@code metrics.jsonl}
 * @param optimizer     Adam and its schedule
 * @param ema           a mean of the weights
 * @param loss          the parts of the loss
 * @param vision        the visual backbone
 * @param text          the language model
 * @param data          how pictures are read
 * @param checkpoint    what is written during the run
 * @param nonFinite     what happens when a loss or gradient is not finite
 * @param evaluation    what is measured during the run
 * @param backbones     how the backbones of a new model are read
 * @param prompt        what the language model is asked, with {@code [TEXT]} for the caption; empty: the paper's
 * @param captionTokens longer captions are cut to this
 * @param textSide      language_model; or bag_of_words: a caption's own nouns, adjectives and non-auxiliary verbs in its place
 * @param poolCls       whether CLS takes part in the pooling of a picture
 * @param sparsification which words encoding keeps
 * @param adapter       between the visual backbone and the codebook
 * @param lora          low-rank update of the language model
 * @param vocabulary    which tokens are words
 * @param fresh         the tiny backbones that are made where no model is given
 */
public record TrainingConfig(
        int steps,
        double epochs,
        int batch,
        int microBatch,
        String precision,
        long seed,
        int logEvery,
        Optimizer optimizer,
        Ema ema,
        Loss loss,
        Backbone vision,
        Backbone text,
        Data data,
        Checkpoint checkpoint,
        NonFinite nonFinite,
        Evaluation evaluation,
        NewModelConfig.Backbones backbones,
        String prompt,
        int captionTokens,
        String textSide,
        boolean poolCls,
        NewModelConfig.Kept sparsification,
        NewModelConfig.Adapter adapter,
        NewModelConfig.Lora lora,
        NewModelConfig.Vocabulary vocabulary,
        NewModelConfig.Fresh fresh) {

    /**
     * Adam with linear warm-up, cosine decay to zero and clipping of the gradient's norm over all parameters.
     *
     * @param learningRate    at its highest
     * @param warmupSteps     of linear rise
     * @param beta1           decay of the mean gradient
     * @param beta2           decay of the mean squared gradient
     * @param eps             added to the root
     * @param weightDecay     L2 term of Adam
     * @param clipNorm        largest norm of the gradient of all parameters; 0: no clipping
     * @param loraFactor      of the learning rate, for LoRA
     * @param codebookFactor  of the learning rate, for the image codebook
     * @param scaleFactor     of the learning rate, for the logarithm of 1/τ
     * @param codebookRows    all: Adam over the whole image codebook; touched: over the words that have a gradient in this step, whose
     *                        moments alone decay ("lazy" Adam)
     */
    public record Optimizer(
            double learningRate,
            int warmupSteps,
            double beta1,
            double beta2,
            double eps,
            double weightDecay,
            double clipNorm,
            double loraFactor,
            double codebookFactor,
            double scaleFactor,
            String codebookRows) {
        private enum Rows {
            ALL,
            TOUCHED
        }

        /** Whether only words with a gradient are moved. */
        @JsonIgnore
        boolean touchedRowsOnly() {
            return Range.oneOf("optimizer.codebookRows", codebookRows, Rows.class) == Rows.TOUCHED;
        }

        public Optimizer {
            Range.oneOf("optimizer.codebookRows", codebookRows, Rows.class);
            Range.positive("optimizer.learningRate", learningRate);
            Range.atLeast("optimizer.warmupSteps", warmupSteps, 0);
            Range.within("optimizer.beta1", beta1, 0, 1);
            Range.within("optimizer.beta2", beta2, 0, 1);
            Range.positive("optimizer.eps", eps);
            Range.atLeast("optimizer.weightDecay", weightDecay, 0);
            Range.atLeast("optimizer.clipNorm", clipNorm, 0);
            Range.atLeast("optimizer.loraFactor", loraFactor, 0);
            Range.atLeast("optimizer.codebookFactor", codebookFactor, 0);
            Range.atLeast("optimizer.scaleFactor", scaleFactor, 0);
        }
    }

    /**
     * An exponential mean of all that is trained, written beside the model as {@code RUN/ema}.
     *
     * @param decay of the mean in a step, such as 0.999; 0: none is kept
     */
    public record Ema(double decay) {
        public Ema {
            Range.within("ema.decay", decay, 0, 0.999_999);
        }
    }

    /**
     * The loss of SPEC §6.
     *
     * @param penalty which penalty both sides have
     * @param lambda  how much it counts
     */
    public record Loss(Penalty penalty, Lambda lambda) {}

    /**
     * Weights of the penalties.
     *
     * @param image of the pictures' penalty
     * @param text  of the texts' penalty
     * @param steps of quadratic rise
     */
    public record Lambda(double image, double text, int steps) {
        public Lambda {
            Range.atLeast("loss.lambda.image", image, 0);
            Range.atLeast("loss.lambda.text", text, 0);
            Range.atLeast("loss.lambda.steps", steps, 0);
        }
    }

    /**
     * A backbone.
     *
     * @param frozen        whether its own weights stay as they are; LoRA is trained in any case
     * @param checkpointing whether a step keeps only the input of each block and computes its inside again in the backward pass:
     *                      the same gradients with less memory, for one more forward pass
     */
    public record Backbone(boolean frozen, boolean checkpointing) {}

    /**
     * Reading of pictures.
     *
     * @param image       what holds the picture: a column, or in a tar the end of a name; empty: the usual ones
     * @param caption     what holds the caption, in the same way
     * @param shuffle     samples that are shuffled among themselves and held in memory, encoded, twice; a table of captions is shuffled
     *                    as a whole
     * @param interleave  shards that are open at a time and give a sample each in turn
     * @param minScale    least share of a picture's area that a random crop keeps; 1: no random crops, pictures as in encoding
     * @param ahead       batches decoded in advance
     * @param threads     that decode; 0: as many as there are processors
     * @param cache       megabytes of decoded pictures that are kept, so that small sets are decoded once; 0: none
     * @param maxSkipped  largest share of the samples, and of the shards, that may be broken
     * @param slowSeconds after which a shard or a picture that gives nothing is named in a warning
     * @param deadSeconds after which it is given up
     * @param whenDead    fail: the run stops, to be resumed when the shard is back; skip: it goes on without the rest of the shard
     */
    public record Data(
            String image,
            String caption,
            int shuffle,
            int interleave,
            double minScale,
            int ahead,
            int threads,
            int cache,
            double maxSkipped,
            double slowSeconds,
            double deadSeconds,
            String whenDead) {
        public Data {
            Range.atLeast("data.shuffle", shuffle, 1);
            Range.atLeast("data.interleave", interleave, 1);
            Range.within("data.minScale", minScale, 0.01, 1);
            Range.atLeast("data.ahead", ahead, 1);
            Range.atLeast("data.threads", threads, 0);
            Range.atLeast("data.cache", cache, 0);
            Range.within("data.maxSkipped", maxSkipped, 0, 1);
            Range.positive("data.slowSeconds", slowSeconds);
            Range.positive("data.deadSeconds", deadSeconds);
            Range.oneOf("data.whenDead", whenDead, WhenDead.class);
        }

        private enum WhenDead {
            FAIL,
            SKIP
        }

        /** How many threads decode. */
        @JsonIgnore
        int decoders() {
            return threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        }

        @JsonIgnore
        boolean skipsDead() {
            return Range.oneOf("data.whenDead", whenDead, WhenDead.class) == WhenDead.SKIP;
        }
    }

    /**
     * What a run that is interrupted can go on from, see {@link org.lexvla.training.Checkpoint}.
     *
     * @param every steps between two of them, the first at step 0; 0: none, but when the run is told to end
     * @param keep  how many stay, the newest
     */
    public record Checkpoint(int every, int keep) {
        public Checkpoint {
            Range.atLeast("checkpoint.every", every, 0);
            Range.atLeast("checkpoint.keep", keep, 1);
        }
    }

    /**
     * Losses and gradients that are not finite: their step changes nothing but the schedule.
     *
     * @param limit so many such steps in a row end the run
     */
    public record NonFinite(int limit) {
        public NonFinite {
            Range.atLeast("nonFinite.limit", limit, 1);
        }
    }

    /**
     * Figures on pictures that are not trained on. The trainer itself measures nothing; {@code lexvla train} does.
     *
     * @param every steps between two measurements, another at the end; 0: none
     * @param data  captions.tsv, relative to the working directory
     */
    public record Evaluation(int every, String data) {
        public Evaluation {
            Range.atLeast("evaluation.every", every, 0);
            if (every > 0 && data.isEmpty()) {
                throw new IllegalArgumentException("evaluation.every is " + every
                        + " and evaluation.data names no table: give captions.tsv of pictures that are not trained on");
            }
        }
    }

    public TrainingConfig {
        Range.atLeast("steps", steps, 0);
        Range.atLeast("epochs", epochs, 0);
        Range.atLeast("batch", batch, 2);
        Range.atLeast("microBatch", microBatch, 0);
        Range.oneOf("precision", precision, Precision.class);
        if (precision(precision) == Precision.BFLOAT16 && !(vision.frozen() && text.frozen())) {
            throw new IllegalArgumentException("precision is bfloat16, but " + (vision.frozen() ? "text" : "vision")
                    + ".frozen is false: what is trained is float32, set precision to float32 or freeze the backbone");
        }
        Range.atLeast("logEvery", logEvery, 1);
        Range.atLeast("captionTokens", captionTokens, 1);
        Range.oneOf("textSide", textSide, TextSide.class);
        if (steps == 0 && epochs == 0) {
            throw new IllegalArgumentException("steps and epochs are both 0: one of them says how long the run is");
        }
    }

    /** The paper's settings; the tiny backbones have the sizes of the demo. */
    public static TrainingConfig standard() {
        return new TrainingConfig(
                0,
                12,
                6144,
                0,
                "float32",
                0,
                1,
                new Optimizer(5e-4, 2000, 0.9, 0.98, 1e-6, 0, 1, 1, 1, 1, "all"),
                new Ema(0),
                new Loss(Penalty.OVERUSE, new Lambda(5e-4, 1e-3, 2000)),
                new Backbone(true, false),
                new Backbone(true, false),
                new Data("", "", 4096, 4, 0.9, 2, 0, 0, 0.1, 30, 300, "fail"),
                new Checkpoint(500, 3),
                new NonFinite(5),
                new Evaluation(0, ""),
                new NewModelConfig.Backbones(NewModelConfig.Backbones.CHECKPOINT, "refuse"),
                "",
                77,
                "language_model",
                true,
                new NewModelConfig.Kept(0, 0, false),
                new NewModelConfig.Adapter(12, 0),
                new NewModelConfig.Lora(8, 16, 0, org.lexvla.model.LoraConfig.ALL_TARGETS),
                new NewModelConfig.Vocabulary(0, false, false),
                new NewModelConfig.Fresh(
                        new NewModelConfig.FreshVision(96, 2, 4, 112, new NewModelConfig.Preparation(1200, 8, 6e-3)),
                        new NewModelConfig.FreshText(
                                128, 352, 2, 4, 1000, new NewModelConfig.Preparation(350, 32, 2e-3))));
    }

    /**
     * Reads a YAML file over the defaults, then settings of the form {@code key=value} over both.
     *
     * @param file     may be null: defaults alone
     * @param settings dotted keys; the value is YAML
     * @throws IOException              naming the file, if it cannot be read or is no YAML
     * @throws IllegalArgumentException for an unknown key, naming the nearest one, or a value of the wrong kind or out of range
     */
    public static TrainingConfig load(Path file, List<String> settings) throws IOException {
        return ConfigText.read(standard(), file, settings);
    }

    /** What the numbers of a run are. */
    private enum Precision {
        FLOAT32,
        BFLOAT16
    }

    private static Precision precision(String name) {
        return Range.oneOf("precision", name, Precision.class);
    }

    /** Whether the head multiplies in bfloat16. */
    @JsonIgnore
    boolean isBfloat16() {
        return precision(precision) == Precision.BFLOAT16;
    }

    /** The element type in which the backbones are to be loaded; null: that of their files. */
    @JsonIgnore
    public ScalarType backboneType() {
        return isBfloat16() ? ScalarType.BFloat16 : null;
    }

    /** The same with another batch. */
    TrainingConfig withBatch(int other) {
        return ConfigText.with(this, "batch=" + other);
    }

    /** What may be another when a run goes on: it changes nothing in the weights. */
    private static final List<String> FREE = List.of(
            "logEvery",
            "vision.checkpointing",
            "text.checkpointing",
            "data.ahead",
            "data.threads",
            "data.cache",
            "data.maxSkipped",
            "data.slowSeconds",
            "data.deadSeconds",
            "data.whenDead",
            "checkpoint.every",
            "checkpoint.keep",
            "nonFinite.limit",
            "evaluation.every",
            "evaluation.data");

    /**
     * Refuses settings that a run which was begun with these cannot go on with.
     *
     * @throws IllegalArgumentException naming each setting with both values
     */
    void requireContinues(TrainingConfig begun) {
        List<String> changed = ConfigText.differences(begun, this).stream()
                .filter(difference ->
                        !FREE.contains(difference.key()) && !difference.key().startsWith("fresh."))
                .map(difference -> difference.key() + " was " + difference.one() + " and is " + difference.other())
                .toList();
        if (!changed.isEmpty()) {
            throw new IllegalArgumentException("a run goes on with the settings it was begun with, but "
                    + String.join(", ", changed) + ": set them back, or begin a new run with --model");
        }
    }

    /** The settings that are not the paper's, as {@code key=value}, in the order of the keys. */
    public List<String> changes() {
        return ConfigText.differences(standard(), this).stream()
                .map(difference -> difference.key() + "=" + difference.other())
                .toList();
    }

    /** The settings as YAML, every key included. */
    public String yaml() {
        return ConfigText.write(this);
    }

    /**
     * Optimizer steps of the run over a data set.
     *
     * @param pairs rows of the data set
     */
    @JsonIgnore
    public int stepsOver(long pairs) {
        return steps > 0 ? steps : (int) Math.max(1, Math.round(epochs * pairs / batch));
    }
}
