package org.lexvla.training;

import org.bytedeco.pytorch.Tensor;

/**
 * The FLOPs loss {@code Σⱼ s̄ⱼ²}, {@code s̄ⱼ = (1/N) Σᵢ |sᵢⱼ|} (SPEC §6): what the overuse penalty is compared with. It is the
 * expected number of products in a dot product of two random vectors, and it lets a few words that every picture shares
 * stand, since these cost as little as many rare ones.
 */
public final class FlopsPenalty {
    private FlopsPenalty() {}

    /**
     * The penalty as a scalar in the graph.
     *
     * @param activations [N,V]
     */
    public static Tensor of(Tensor activations) {
        Tensor mean = activations.abs().mean(new long[] {0});
        return mean.mul(mean).sum();
    }
}
