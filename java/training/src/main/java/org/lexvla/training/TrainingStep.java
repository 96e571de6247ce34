package org.lexvla.training;

import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.model.LexicalHead;
import org.lexvla.model.TextBatch;
import org.lexvla.model.TextSide;

/**
 * From a batch to the gradients of all that is trained: both towers, cut out of the graph at the head ({@link LexicalHead}); the
 * loss, which fills the gradients of the activations; and these, back through the head and into the towers.
 */
final class TrainingStep {
    /**
     * What a step found, as numbers.
     *
     * @param losses        whose tensors are gone with the step's scope
     * @param imageToTextR1 share of pictures whose own text is nearest
     * @param textToImageR1 share of texts whose own picture is nearest
     * @param activeImage   mean words of a picture at or above the model's threshold
     * @param activeText    mean words of a text at or above it
     */
    record Result(Losses losses, double imageToTextR1, double textToImageR1, double activeImage, double activeText) {}

    private final LexVla model;
    private final TrainingConfig config;
    private final double threshold;
    /** Whether texts go through the language model. */
    private final boolean readsTexts;

    TrainingStep(LexVla model, TrainingConfig config) {
        this.model = model;
        this.config = config;
        this.readsTexts = model.config().textSide() == TextSide.LANGUAGE_MODEL;
        this.threshold = model.config().sparsification() instanceof Sparsification.Threshold given
                ? given.value()
                : Sparsification.standard(model.vocabulary().size()).value();
    }

    /**
     * Adds the gradients of a batch to those of the parameters. All tensors it makes belong to the caller's scope.
     *
     * @param factor of the penalties in this step
     * @return with a loss that may not be finite; then no gradient was touched
     */
    @SuppressWarnings("try")
    Result run(Batch batch, double factor) {
        Tensor pixels = batch.pixels(0, batch.size());
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
            Tensor t =
                    readsTexts ? texts.activations().set_requires_grad(true) : model.textActivations(batch.captions());
            Losses losses = Losses.of(s, t, model.logitScale(), config.loss(), factor);
            if (Double.isFinite(losses.value())) {
                losses.total().backward();
                LexicalHead.Gradients towards = images.backward(s.grad(), true, true);
                push(imageTokens, towards.tokens());
                push(model.imageCodebook(), towards.codebook());
                if (readsTexts) {
                    push(textTokens, texts.backward(t.grad(), true, false).tokens());
                }
            }
            return new Result(
                    losses, nearestIsOwn(losses.logits(), 1), nearestIsOwn(losses.logits(), 0), active(s), active(t));
        }
    }

    /** Hands a gradient on to whatever the tensor was computed from; into a leaf, it is added. */
    private static void push(Tensor tensor, Tensor gradient) {
        if (tensor.requires_grad()) {
            tensor.backward(gradient, new BoolOptional(false), false, new TensorArrayRefOptional());
        }
    }

    /** Share of rows (1) or columns (0) whose largest logit is on the diagonal. */
    private static double nearestIsOwn(Tensor logits, long over) {
        Tensor own = torch.arange(
                new Scalar(logits.size(0)), logits.options().dtype(new ScalarTypeOptional(torch.ScalarType.Long)));
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
}
