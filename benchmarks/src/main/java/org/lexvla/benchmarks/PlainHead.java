package org.lexvla.benchmarks;

import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * The lexical head in LibTorch's own operations.
 *
 * <p>{@link #eager} is what one writes from the paper, {@code Normalize(MaxPool(elu1p(X Zᵀ)))}: a matrix product, elu, + 1,
 * the maximum over the tokens, each an operation over all [B, P, V] scores. {@link #poolFirst} knows that elu1p is monotone,
 * takes the maximum of the raw scores and activates only [B, V] of them: the best that can be had without a kernel.
 */
final class PlainHead {
    private static final Scalar ONE = scalar(1);
    private static final Scalar TWO = scalar(2);

    private PlainHead() {}

    /** [B, P, d] and [V, d] to [B, V], in the paper's order. */
    static Tensor eager(Tensor tokens, Tensor codebook) {
        Tensor scores = tokens.matmul(codebook.t());
        return normalized(torch.elu(scores).add(ONE).amax(new long[] {1}, false));
    }

    /** The same with the maximum before the activation. */
    static Tensor poolFirst(Tensor tokens, Tensor codebook) {
        return activated(tokens.matmul(codebook.t()).amax(new long[] {1}, false));
    }

    private static Tensor normalized(Tensor activated) {
        return activated.div(activated.pow(TWO).sum(1).unsqueeze(1).sqrt());
    }

    /** elu1p and normalisation of scores that are pooled already. */
    static Tensor activated(Tensor scores) {
        return normalized(torch.elu(scores).add(ONE));
    }

    /** Ids (row, word) and weights of what reaches a threshold: the sparse form of LibTorch's own operations. */
    static Tensor[] aboveThreshold(Tensor activations, float threshold) {
        Tensor kept = activations.ge(new Scalar(threshold));
        return new Tensor[] {kept.nonzero(), activations.masked_select(kept)};
    }

    /** Autograd's backward from activations with a given gradient. */
    static void backward(Tensor activations, Tensor gradient) {
        activations.backward(
                gradient.to(activations.scalar_type()), new BoolOptional(false), false, new TensorArrayRefOptional());
    }

    /** A scalar that no scope frees. */
    private static Scalar scalar(double value) {
        return new Scalar(value).retainReference();
    }
}
