package org.lexvla.training;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The contrastive loss of pictures and their texts (SPEC §6): with unit rows {@code aᵢ}, {@code bᵢ} of a batch of N pairs,
 *
 * <pre>
 * l_a2b = −(1/N) Σᵢ log( exp(aᵢbᵢᵀ/τ) / Σⱼ exp(aᵢbⱼᵀ/τ) )
 * </pre>
 *
 * in both directions. The loss of the paper is their plain sum, not their mean. The temperature is learned as the natural
 * logarithm of the scale {@code 1/τ}; it starts at {@code ln(1/0.07)} and the scale is kept at or below 100.
 *
 * <p>The gradients are LibTorch's: both directions are part of its graph. float32 and float64.
 */
public final class InfoNce {
    /** τ at the first step. */
    public static final double INITIAL_TEMPERATURE = 0.07;

    /** The largest scale 1/τ. */
    public static final double MAX_SCALE = 100;

    private InfoNce() {}

    /**
     * Both directions, as scalars in the graph.
     *
     * @param imageToText cross entropy of each picture over all texts of the batch
     * @param textToImage cross entropy of each text over all pictures of the batch
     * @param logits      [N,N] picture i against text j, times the scale
     */
    public record Directions(Tensor imageToText, Tensor textToImage, Tensor logits) {
        /** The paper's plain sum. */
        public Tensor sum() {
            return imageToText.add(textToImage);
        }
    }

    /**
     * Computes both directions; the pair of row i of one side is row i of the other.
     *
     * @param images   [N,V], rows of unit length
     * @param texts    [N,V], rows of unit length
     * @param logScale scalar or [1], the natural logarithm of 1/τ
     * @throws IllegalArgumentException if the shapes differ
     */
    public static Directions directions(Tensor images, Tensor texts, Tensor logScale) {
        if (images.dim() != 2
                || texts.dim() != 2
                || images.size(0) != texts.size(0)
                || images.size(1) != texts.size(1)) {
            throw new IllegalArgumentException("pictures are " + shape(images) + ", texts " + shape(texts)
                    + ": InfoNCE needs both as [pairs, vocabulary]");
        }
        Tensor logits = images.matmul(texts.t()).mul(logScale.exp());
        return new Directions(crossEntropy(logits, 1), crossEntropy(logits, 0), logits);
    }

    /** Mean over the batch of −log softmax at the diagonal. */
    private static Tensor crossEntropy(Tensor logits, long over) {
        return torch.log_softmax(logits, over).diagonal().mean().neg();
    }

    /** Brings the parameter back to a scale of at most {@link #MAX_SCALE}; to be called after every step, without a graph. */
    public static void clamp(Tensor logScale) {
        try (Scalar most = new Scalar(Math.log(MAX_SCALE))) {
            logScale.clamp_max_(most);
        }
    }

    private static String shape(Tensor tensor) {
        StringBuilder text = new StringBuilder("[");
        for (long i = 0; i < tensor.dim(); i++) {
            text.append(i == 0 ? "" : ",").append(tensor.size(i));
        }
        return text.append(']').toString();
    }
}
