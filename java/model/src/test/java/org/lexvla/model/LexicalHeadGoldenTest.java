package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.lexvla.testing.Golden;
import org.lexvla.testing.GoldenTensors;

/** The head in float32 against the float64 values of every golden case; bounds of the golden cases' own table. */
class LexicalHeadGoldenTest {
    private static final double TOLERANCE = 1e-6;
    private static final double EXTREME_POOLED = 1e-5;
    private static final double EXTREME_GRADIENT = 1e-3;

    @TestFactory
    List<DynamicTest> everyCase() {
        return Golden.files("lexhead", ".safetensors").stream()
                .map(file -> DynamicTest.dynamicTest(file.getFileName().toString(), () -> check(file)))
                .toList();
    }

    private static void check(Path file) {
        boolean extreme = file.getFileName().toString().startsWith("extreme_negative");
        double pooledBound = extreme ? EXTREME_POOLED : TOLERANCE;
        double gradientBound = extreme ? EXTREME_GRADIENT : TOLERANCE;
        GoldenTensors golden = GoldenTensors.read(file);
        PointerScope scope = new PointerScope();
        try {
            Tensor tokens = LibTorch.of(golden.floats("tokens"), golden.shape("tokens"));
            Tensor codebook = LibTorch.of(golden.floats("codebook"), golden.shape("codebook"));
            Tensor weight = LibTorch.of(golden.floats("loss_weight"), golden.shape("loss_weight"));
            try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
                assertThat(worst(head.activations(), golden.doubles("pooled")))
                        .as("activations")
                        .isLessThanOrEqualTo(pooledBound);
                boolean ties = golden.names().contains("grad_tokens_first_patch");
                if (ties) {
                    firstOfEqualsWins(head, golden);
                }
                String which = ties ? "_first_patch" : "";
                LexicalHead.Gradients gradients = head.backward(weight, true, true);
                assertThat(worst(gradients.tokens(), golden.doubles("grad_tokens" + which)))
                        .as("gradient of the tokens")
                        .isLessThanOrEqualTo(gradientBound);
                assertThat(worst(gradients.codebook(), golden.doubles("grad_codebook" + which)))
                        .as("gradient of the codebook")
                        .isLessThanOrEqualTo(gradientBound);
            }
        } finally {
            scope.close();
        }
    }

    private static void firstOfEqualsWins(LexicalHead.Forward head, GoldenTensors golden) {
        long[] winners = LibTorch.longs(head.winners());
        int[] first = golden.ints("argmax_patch_first");
        int[] tied = golden.ints("tied_patches");
        double[] activated = golden.doubles("pooled_unnormalised");
        for (int i = 0; i < winners.length; i++) {
            // Where elu1p underflowed, activations are equal though scores are not.
            if (tied[i] > 1 && activated[i] > 0) {
                assertThat(winners[i]).as("winner " + i + " of a tie").isEqualTo(first[i]);
            }
        }
    }

    private static double worst(Tensor ours, double[] truth) {
        float[] values = new float[truth.length];
        assertThat(ours.numel()).isEqualTo(truth.length);
        ours.contiguous().data_ptr_float().get(values);
        double worst = 0;
        for (int i = 0; i < values.length; i++) {
            double difference = Math.abs(values[i] - truth[i]);
            worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
        }
        return worst;
    }
}
