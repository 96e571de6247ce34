package org.lexvla.training;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.model.TextSide;

/**
 * From a batch to the gradients of all that is trained: both towers, cut out of the graph at the head ({@link org.lexvla.model.LexicalHead}); the
 * loss, which fills the gradients of the activations; and these, back through the head and into the towers.
 */
final class TrainingStep {
    /**
     * What a step found, as numbers.
     *
     * @param activeImage mean words of a picture at or above the model's threshold
     * @param activeText  mean words of a text at or above it
     */
    record Result(Losses losses, double activeImage, double activeText) {}

    private final LexVla model;
    private final TrainingConfig config;
    private final Processes processes;
    private final double threshold;
    /** Whether texts go through the language model. */
    private final boolean readsTexts;

    TrainingStep(LexVla model, TrainingConfig config, Processes processes) {
        this.model = model;
        this.config = config;
        this.processes = processes;
        this.readsTexts = model.config().textSide() == TextSide.LANGUAGE_MODEL;
        this.threshold = model.config().sparsification() instanceof Sparsification.Threshold given
                ? given.value()
                : Sparsification.standard(model.vocabulary().size()).value();
    }

    /**
     * Adds the gradients of a batch to those of the parameters. Tensors of the result belong to the caller's scope.
     *
     * <p>Of several processes each computes the loss of the whole batch, from the representations of all, and goes on with the gradients
     * of its own: over the processes, the gradients of a parameter add up to that of the whole batch.
     *
     * <p>With micro-batches this is gradient caching (Gao et al. 2021): a first pass without a graph gives the representations, the loss
     * on all of them their gradients, and a second pass with a graph takes these on into the towers, a micro-batch at a time. Of the
     * head, scores and winners are kept from the first pass, 8 bytes for each picture or text and word: to find them again would cost a
     * forward pass of the head, which is most of its work.
     *
     * @param factor of the penalties in this step
     * @return with a loss that may not be finite; then no gradient was touched
     */
    Result run(Batch batch, double factor) {
        int size = batch.size();
        int together = config.microBatch() == 0 ? size : Math.min(size, config.microBatch());
        Tensor codebook = model.imageCodebook().detach();
        Tensor multiplied = config.isBfloat16() ? codebook.to(torch.ScalarType.BFloat16) : codebook;
        List<MicroBatch> parts = new ArrayList<>();
        try {
            for (int from = 0; from < size; from += together) {
                parts.add(new MicroBatch(model, batch, from, Math.min(size, from + together), readsTexts, multiplied));
            }
            Representations found = represent(parts, batch);
            Tensor s = processes.gather(found.images()).set_requires_grad(true);
            // A bag of words is what it is: no gradient goes into it.
            Tensor t = processes.gather(found.texts()).set_requires_grad(readsTexts);
            Losses losses = Losses.of(s, t, model.logitScale(), config.loss(), factor);
            if (Double.isFinite(losses.value())) {
                losses.backward().run();
                propagate(parts, own(s.grad(), size), readsTexts ? own(t.grad(), size) : null);
                // The temperature has its whole gradient in every process already, where the others have a part of
                // theirs.
                model.logitScale().grad().div_(new Scalar((double) processes.size()));
            }
            return new Result(losses, active(s), active(t));
        } finally {
            parts.forEach(MicroBatch::close);
        }
    }

    /** [B,V] both. */
    private record Representations(Tensor images, Tensor texts) {}

    private Representations represent(List<MicroBatch> parts, Batch batch) {
        if (parts.size() == 1) {
            MicroBatch whole = parts.get(0);
            whole.represent(true);
            return new Representations(
                    whole.images().activations(),
                    readsTexts ? whole.texts().activations() : model.textActivations(batch.captions()));
        }
        long[] shape = {batch.size(), model.vocabulary().size()};
        Tensor images = HostTensor.to(HostTensor.floats(shape), model.device());
        Tensor texts = readsTexts
                ? HostTensor.to(HostTensor.floats(shape), model.device())
                : model.textActivations(batch.captions());
        for (MicroBatch part : parts) {
            part.represent(false);
            part.of(images).copy_(part.images().activations());
            if (readsTexts) {
                part.of(texts).copy_(part.texts().activations());
            }
            part.release();
        }
        return new Representations(images, texts);
    }

    /** The rows of this process. */
    private Tensor own(Tensor rows, int size) {
        return rows.narrow(0, (long) processes.rank() * size, size);
    }

    private void propagate(List<MicroBatch> parts, Tensor imageGradients, Tensor textGradients) {
        Tensor codebook = null;
        for (MicroBatch part : parts) {
            if (parts.size() > 1) {
                part.represent(true);
            }
            Tensor gradient = part.backward(imageGradients, textGradients, codebook);
            codebook = codebook == null ? gradient : codebook;
            if (parts.size() > 1) {
                part.close();
            }
        }
        push(model.imageCodebook(), codebook);
    }

    /** Hands a gradient on to whatever the tensor was computed from; into a leaf, it is added. */
    static void push(Tensor tensor, Tensor gradient) {
        if (tensor.requires_grad()) {
            tensor.backward(gradient, new BoolOptional(false), false, new TensorArrayRefOptional());
        }
    }

    private double active(Tensor activations) {
        Tensor kept = activations.detach().ge(new Scalar(threshold));
        return kept.sum().item_long() / (double) activations.size(0);
    }
}
