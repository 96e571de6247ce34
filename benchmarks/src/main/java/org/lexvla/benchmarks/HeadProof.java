package org.lexvla.benchmarks;

import java.util.Locale;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.model.LexicalHead;

/**
 * Proves the fused head against float64 before it is timed.
 *
 * <p>Forward: it may be at most twice as far from the truth as LibTorch in the same type, all words of all images. Backward:
 * by the definition from the winners that the forward chose, in float64, for the first {@value #COLUMNS} columns of both
 * gradients, with the error that a float32 sum of so many products may have, and that of rounding it to the type of the tokens.
 */
@SuppressWarnings("try") // scopes are there to be closed, not used
final class HeadProof {
    private static final long COLUMNS = 32;
    private static final double FLOAT_UNIT = 0x1p-24;

    /** What a rounding may do: in proportion to the number, and to the smallest ones. */
    private record Rounding(double relative, double absolute) {
        static Rounding to(ScalarType type) {
            return switch (type) {
                case BFloat16 -> new Rounding(0x1p-9, Float.MIN_VALUE);
                case Half -> new Rounding(0x1p-11, 0x1p-25);
                default -> new Rounding(0, Float.MIN_VALUE);
            };
        }
    }

    private HeadProof() {}

    /** Proves the forward and the backward; returns what was found in a line. */
    static String of(Tensor x, Tensor z, Tensor gradient) {
        try (PointerScope scope = new PointerScope();
                LexicalHead.Forward forward = LexicalHead.forward(x, z, null)) {
            Tensor truth = truth(x, z);
            double ours = distance(forward.activations(), truth);
            double theirs = distance(PlainHead.eager(x, z), truth);
            // One rounding of the activation itself is everybody's.
            if (!(ours <= 2 * theirs + FLOAT_UNIT)) {
                throw new IllegalStateException("the fused head is off by " + ours + ", LibTorch by " + theirs);
            }
            LexicalHead.Gradients gradients = forward.backward(gradient, true, true);
            double part = backward(forward, x, z, gradient, gradients);
            return String.format(
                    Locale.ROOT,
                    "matches: forward off by %.1e, LibTorch by %.1e; gradients within %.0f %% of the bound",
                    ours,
                    theirs,
                    100 * part);
        }
    }

    /** Activations in float64, image by image so that the scores of one only are there. */
    private static Tensor truth(Tensor x, Tensor z) {
        Tensor codebook = z.to(ScalarType.Double);
        Tensor all = torch.empty(x.size(0), z.size(0)).to(x.device(), ScalarType.Double);
        for (long b = 0; b < x.size(0); b++) {
            try (PointerScope image = new PointerScope()) {
                Tensor tokens = x.narrow(0, b, 1).to(ScalarType.Double);
                all.narrow(0, b, 1).copy_(PlainHead.poolFirst(tokens, codebook));
            }
        }
        return all;
    }

    /** The largest share of its bound that an element of the gradients is off by; an error if one is beyond. */
    private static double backward(
            LexicalHead.Forward forward, Tensor x, Tensor z, Tensor gradient, LexicalHead.Gradients gradients) {
        Rounding last = Rounding.to(x.scalar_type().intern());
        long columns = Math.min(COLUMNS, x.size(2));
        long words = z.size(0);
        ScoreGradient g = scoreGradient(forward.scores().to(ScalarType.Double), gradient.to(ScalarType.Double));
        Tensor winners = forward.winners().to(ScalarType.Long);
        Tensor tokens = x.narrow(2, 0, columns).to(ScalarType.Double);
        Tensor codes = z.narrow(1, 0, columns).to(ScalarType.Double);
        Tensor codebookTruth = torch.zeros_like(codes);
        Tensor codebookSize = torch.zeros_like(codes);
        double worst = 0;
        for (long b = 0; b < x.size(0); b++) {
            try (PointerScope image = new PointerScope()) {
                Tensor value = g.value.select(0, b).unsqueeze(1);
                Tensor magnitude = g.magnitude.select(0, b).unsqueeze(1);
                Tensor index = winners.select(0, b);
                Tensor won = tokens.select(0, b).index_select(0, index);
                codebookTruth.add_(won.mul(value));
                codebookSize.add_(won.abs().mul(magnitude));
                Tensor zeros = torch.zeros_like(tokens.select(0, b));
                Tensor expected = zeros.index_add(0, index, codes.mul(value));
                Tensor size = zeros.index_add(0, index, codes.abs().mul(magnitude));
                Tensor actual = gradients.tokens().select(0, b).narrow(1, 0, columns);
                worst = Math.max(worst, share(actual, expected, size, words, last));
            }
        }
        Tensor actual = gradients.codebook().narrow(1, 0, columns);
        return Math.max(worst, share(actual, codebookTruth, codebookSize, x.size(0), Rounding.to(ScalarType.Float)));
    }

    /**
     * Gradient of the scores.
     *
     * @param value     (h − s (h·s)) / n · slope
     * @param magnitude the same with a sum for the difference, to which its rounding errors are in proportion
     */
    private record ScoreGradient(Tensor value, Tensor magnitude) {}

    /** In float64: through the normalisation and elu1p. */
    private static ScoreGradient scoreGradient(Tensor scores, Tensor gradient) {
        Tensor negative = scores.lt(new Scalar(0.0));
        Tensor slope = torch.where(negative, scores.exp(), torch.ones_like(scores));
        Tensor activated = torch.where(negative, scores.exp(), scores.add(new Scalar(1.0)));
        Tensor norm = activated.mul(activated).sum(1).unsqueeze(1).sqrt();
        Tensor s = activated.div(norm);
        Tensor along = s.mul(s.mul(gradient).sum(1).unsqueeze(1));
        Tensor factor = slope.div(norm);
        return new ScoreGradient(
                gradient.sub(along).mul(factor), gradient.abs().add(along.abs()).mul(factor));
    }

    private static double share(Tensor actual, Tensor truth, Tensor size, long terms, Rounding last) {
        // The gradient of a score has roundings of its own: two exponentials of two units each, norm, slope,
        // difference.
        double relative = (terms + 16) * FLOAT_UNIT + last.relative;
        Tensor bound = size.mul(new Scalar(relative)).add(new Scalar(last.absolute));
        double part =
                actual.to(ScalarType.Double).sub(truth).abs().div(bound).max().item_double();
        if (!(part <= 1)) {
            throw new IllegalStateException("a gradient is off by " + part + " times what rounding may do");
        }
        return part;
    }

    private static double distance(Tensor a, Tensor b) {
        return a.to(ScalarType.Double).sub(b).abs().max().item_double();
    }
}
