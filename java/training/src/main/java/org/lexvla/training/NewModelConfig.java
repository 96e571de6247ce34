package org.lexvla.training;

import java.util.List;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.BackboneOptions;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.UnknownTensors;

/** The groups of {@link TrainingConfig} that make a new model; a run that continues from a model takes these from it. */
public final class NewModelConfig {
    private NewModelConfig() {}

    /**
     * How the backbones of a new model are read.
     *
     * @param interpolation  how the visual backbone's position embeddings are brought to another size of pictures: offset, size or
     *                       antialias; checkpoint: as its own config.json says
     * @param unknownTensors refuse: tensors that a backbone has no place for are an error; leave_out: they are listed in a warning
     */
    public record Backbones(String interpolation, String unknownTensors) {
        /** The choice where it is not left to the checkpoint. */
        static final String CHECKPOINT = "checkpoint";

        public Backbones {
            if (!interpolation.equals(CHECKPOINT)) {
                Range.oneOf("backbones.interpolation", interpolation, DinoV2Config.Interpolation.class);
            }
            Range.oneOf("backbones.unknownTensors", unknownTensors, UnknownTensors.class);
        }

        BackboneOptions options() {
            return new BackboneOptions(
                    interpolation.equals(CHECKPOINT)
                            ? null
                            : Range.oneOf("backbones.interpolation", interpolation, DinoV2Config.Interpolation.class),
                    Range.oneOf("backbones.unknownTensors", unknownTensors, UnknownTensors.class));
        }
    }

    /**
     * Which words of a vector encoding keeps, on both sides (SPEC §5); training sees all.
     *
     * @param threshold   those of at least this weight; 0: the paper's, 1/√V
     * @param topK        so many strongest instead; 0: by threshold
     * @param renormalize whether what is kept gets norm 1 again
     */
    public record Kept(double threshold, int topK, boolean renormalize) {
        public Kept {
            Range.within("sparsification.threshold", threshold, 0, 1);
            Range.atLeast("sparsification.topK", topK, 0);
            if (threshold > 0 && topK > 0) {
                throw new IllegalArgumentException("settings sparsification.threshold is " + threshold
                        + " and sparsification.topK " + topK + ": either decides by itself, set the other to 0");
            }
        }

        /** Null where it is the paper's threshold, which depends on the vocabulary. */
        Sparsification choice() {
            if (topK > 0) {
                return Sparsification.topK(topK);
            }
            return threshold > 0 ? Sparsification.threshold((float) threshold) : null;
        }
    }

    /**
     * The adapter of a new model.
     *
     * @param heads     of its attention layer
     * @param mlpHidden width of its MLPs; 0: three times the width of the backbone
     */
    public record Adapter(int heads, int mlpHidden) {
        public Adapter {
            Range.atLeast("adapter.heads", heads, 1);
            Range.atLeast("adapter.mlpHidden", mlpHidden, 0);
        }
    }

    /**
     * The LoRA of a new model, in PEFT's terms.
     *
     * @param rank    r
     * @param alpha   the update counts alpha / rank
     * @param dropout of the update's input
     * @param targets projections of every layer
     */
    public record Lora(int rank, double alpha, double dropout, List<String> targets) {
        public Lora {
            Range.atLeast("lora.rank", rank, 1);
            Range.positive("lora.alpha", alpha);
            Range.within("lora.dropout", dropout, 0, 0.99);
            targets = List.copyOf(targets);
        }
    }

    /**
     * The rule of SPEC §1.
     *
     * @param minCount             occurrences in the captions that a word needs
     * @param punctuationAndDigits keep single characters of these kinds, too
     * @param upperCase            keep capital letters, too
     */
    public record Vocabulary(int minCount, boolean punctuationAndDigits, boolean upperCase) {
        public Vocabulary {
            Range.atLeast("vocabulary.minCount", minCount, 0);
        }
    }

    /**
     * Tiny backbones, made and prepared where no model is given; see {@link FreshModel}.
     *
     * @param vision the visual backbone
     * @param text   the language model and its tokenizer
     */
    public record Fresh(FreshVision vision, FreshText text) {}

    /**
     * A tiny DINOv2 with patches of 14 pixels and its stand-in for pre-training.
     *
     * @param hidden    width
     * @param layers    number of blocks
     * @param heads     of attention
     * @param image     side of the pictures in pixels, a multiple of 14
     * @param standIn   how it is prepared
     */
    public record FreshVision(int hidden, int layers, int heads, int image, Preparation standIn) {
        public FreshVision {
            Range.atLeast("fresh.vision.layers", layers, 1);
            Range.atLeast("fresh.vision.heads", heads, 1);
            Range.multiple("fresh.vision.hidden", hidden, heads);
            Range.multiple("fresh.vision.image", image, 14);
        }
    }

    /**
     * A tiny Llama, its tokenizer and its stand-in for pre-training.
     *
     * @param hidden       width
     * @param intermediate width of the MLPs
     * @param layers       number of blocks
     * @param heads        of attention
     * @param tokens       most tokens of the tokenizer
     * @param standIn      how it is prepared
     */
    public record FreshText(int hidden, int intermediate, int layers, int heads, int tokens, Preparation standIn) {
        public FreshText {
            Range.atLeast("fresh.text.layers", layers, 1);
            Range.atLeast("fresh.text.heads", heads, 1);
            Range.multiple("fresh.text.hidden", hidden, 2 * heads);
            Range.atLeast("fresh.text.intermediate", intermediate, 1);
            Range.atLeast("fresh.text.tokens", tokens, 300);
        }
    }

    /**
     * Training that takes the place of pre-training.
     *
     * @param steps        0: the weights stay random
     * @param batch        pictures or captions in a step
     * @param learningRate at its highest
     */
    public record Preparation(int steps, int batch, double learningRate) {
        public Preparation {
            Range.atLeast("fresh.*.standIn.steps", steps, 0);
            Range.atLeast("fresh.*.standIn.batch", batch, 1);
            Range.positive("fresh.*.standIn.learningRate", learningRate);
        }
    }
}
