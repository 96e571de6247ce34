package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.lexvla.testing.Golden;
import org.lexvla.testing.GoldenTensors;

/** The lexical head of SPEC §4 and §5 through the kernels, from tokens to sparse vectors and back to gradients. */
class LexheadGoldenTest extends ArrowTest {
    static Stream<Path> cases() {
        return Golden.files("lexhead", ".safetensors").stream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void isWhatTheDefinitionSays(Path file) {
        GoldenTensors golden = GoldenTensors.read(file);
        // From the table of tolerances beside the cases: float32 against float64.
        boolean extreme = file.getFileName().toString().startsWith("extreme_negative");
        double pooledTolerance = extreme ? 1e-5 : 1e-6;
        double gradientTolerance = extreme ? 1e-3 : 1e-6;
        long[] shape = golden.shape("tokens");
        long words = golden.shape("codebook")[0];
        HostArray tokens = keep(HostArray.floats(allocator, golden.floats("tokens"), shape));
        HostArray codebook = keep(HostArray.floats(allocator, golden.floats("codebook"), golden.shape("codebook")));
        HostArray scores = keep(HostArray.empty(allocator, ElementType.FLOAT32, shape[0], words));
        HostArray winners = keep(HostArray.empty(allocator, ElementType.INT32, shape[0], words));
        HostArray pooled = keep(HostArray.empty(allocator, ElementType.FLOAT32, shape[0], words));
        HostArray norms = keep(HostArray.empty(allocator, ElementType.FLOAT32, shape[0]));

        Kernels.projectMaxForward(tokens.view(), null, codebook.view(), scores.view(), winners.view());
        Kernels.activateNormalizeForward(scores.view(), pooled.view(), norms.view());

        assertClose(pooled.floats(), golden.doubles("pooled"), pooledTolerance);
        double[] norm = golden.doubles("norm");
        for (int image = 0; image < norm.length; image++) {
            assertThat((double) norms.floats()[image]).isCloseTo(norm[image], within(1e-5 * norm[image]));
        }

        Vocabulary vocabulary = vocabulary((int) words);
        Sparsification.Threshold threshold = Sparsification.standard((int) words);
        assertRows(golden, "csr", pooled, threshold, vocabulary, pooledTolerance);
        // Strictly above: at or above the next float.
        Sparsification strict = Sparsification.threshold(Math.nextUp((float) (1 / Math.sqrt(words))));
        assertRows(golden, "csr_strict", pooled, strict, vocabulary, pooledTolerance);

        HostArray gradPooled = keep(HostArray.floats(allocator, golden.floats("loss_weight"), shape[0], words));
        assertGradients(golden, "", gradPooled, tokens, codebook, scores, winners, norms, gradientTolerance);
        // Of the kept entries only: the choice of what is kept has no gradient.
        float[] kept = new float[(int) (shape[0] * words)];
        int[] indptr = golden.ints("csr_indptr");
        int[] indices = golden.ints("csr_indices");
        for (int row = 0; row < shape[0]; row++) {
            for (int at = indptr[row]; at < indptr[row + 1]; at++) {
                int entry = (int) (row * words + indices[at]);
                kept[entry] = golden.floats("loss_weight")[entry];
            }
        }
        HostArray gradKept = keep(HostArray.floats(allocator, kept, shape[0], words));
        assertGradients(golden, "_kept", gradKept, tokens, codebook, scores, winners, norms, gradientTolerance);
    }

    private void assertRows(
            GoldenTensors golden,
            String name,
            HostArray pooled,
            Sparsification how,
            Vocabulary vocabulary,
            double tolerance) {
        int[] indptr = golden.ints(name + "_indptr");
        int[] indices = golden.ints(name + "_indices");
        double[] values = golden.doubles(name + "_values");
        LexicalBatch batch = keep(LexicalBatch.sparsify(pooled.view(), how, vocabulary, allocator));
        assertThat(batch.size()).isEqualTo(indptr.length - 1);
        for (int row = 0; row < batch.size(); row++) {
            LexicalVector vector = batch.get(row);
            assertThat(vector.ids())
                    .as("%s of row %d", name, row)
                    .containsExactly(Arrays.copyOfRange(indices, indptr[row], indptr[row + 1]));
            assertClose(vector.weights(), Arrays.copyOfRange(values, indptr[row], indptr[row + 1]), tolerance);
        }
    }

    private void assertGradients(
            GoldenTensors golden,
            String suffix,
            HostArray gradPooled,
            HostArray tokens,
            HostArray codebook,
            HostArray scores,
            HostArray winners,
            HostArray norms,
            double tolerance) {
        HostArray gradScores = keep(
                HostArray.empty(allocator, ElementType.FLOAT32, scores.view().shape()));
        HostArray gradTokens = keep(
                HostArray.empty(allocator, ElementType.FLOAT32, tokens.view().shape()));
        HostArray gradCodebook = keep(
                HostArray.empty(allocator, ElementType.FLOAT32, codebook.view().shape()));
        Kernels.activateNormalizeBackward(gradPooled.view(), scores.view(), norms.view(), gradScores.view());
        Kernels.projectMaxBackward(
                gradScores.view(),
                winners.view(),
                tokens.view(),
                codebook.view(),
                gradTokens.view(),
                gradCodebook.view(),
                false);
        // Tied patches: the kernels give all to the first. Where the cases share it out, they say so apart, and not for
        // the kept entries.
        boolean apart = golden.names().contains("grad_tokens_first_patch");
        if (apart && !suffix.isEmpty()) {
            return;
        }
        String names = apart ? "_first_patch" : suffix;
        assertClose(gradTokens.floats(), golden.doubles("grad_tokens" + names), tolerance);
        assertClose(gradCodebook.floats(), golden.doubles("grad_codebook" + names), tolerance);
    }
}
