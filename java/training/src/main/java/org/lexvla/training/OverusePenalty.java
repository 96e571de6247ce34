package org.lexvla.training;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The penalty of words that are activated by everything (SPEC §6): with {@code s̄ⱼ = (1/N) Σᵢ sᵢⱼ} over a batch,
 *
 * <pre>
 * l_over = V · Σⱼ s̄ⱼ³ / Σₖ s̄ₖ
 * ∂l_over/∂sᵢⱼ = (V/N)(3 s̄ⱼ²/A − B/A²)      A = Σₖ s̄ₖ, B = Σₖ s̄ₖ³
 * </pre>
 *
 * <p>It is a weighted FLOPs loss: each {@code s̄ⱼ²} counts by the share {@code V s̄ⱼ/A} that its word has of all activation, so
 * that {@code l_over ≥ l_FLOPs}, with equality iff all words are used alike. The gradient of a word falls below zero
 * where {@code s̄ⱼ² < B/(3A)}: rare words are encouraged.
 */
public final class OverusePenalty {
    /** Below this sum of all s̄ nothing is active and the penalty is zero, as is its gradient. */
    private static final double NOTHING = 1e-12;

    private OverusePenalty() {}

    /**
     * The penalty as a scalar in the graph.
     *
     * @param activations [N,V], not negative
     */
    public static Tensor of(Tensor activations) {
        Tensor mean = activations.mean(new long[] {0});
        try (Scalar least = new Scalar(NOTHING);
                Scalar cube = new Scalar(3.0);
                Scalar vocabulary = new Scalar((double) activations.size(1))) {
            return mean.pow(cube).sum().div(mean.sum().clamp_min(least)).mul(vocabulary);
        }
    }
}
