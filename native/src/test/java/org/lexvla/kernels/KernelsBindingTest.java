package org.lexvla.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;
import static org.lexvla.kernels.global.kernels.*;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;

/** That the binding reaches the library with the right arguments in the right order; the kernels have tests of their own. */
class KernelsBindingTest {
    private static final int IMAGES = 1;
    private static final int TOKENS = 2;
    private static final int WIDTH = 2;
    private static final int WORDS = 3;

    @Test
    void constantsAndQueriesAreThoseOfTheHeader() {
        assertThat(LEXVLA_OK).isZero();
        assertThat(LEXVLA_CPU).isEqualTo(-1);
        assertThat(LEXVLA_BFLOAT16).isEqualTo(1);
        assertThat(LEXVLA_NORM_EPS).isEqualTo(1e-12f);
        assertThat(lexvla_version()).isGreaterThanOrEqualTo(100);
        assertThat(lexvla_active_isa().getString()).isIn("portable", "avx2", "avx512", "avx512vnni", "avx512bf16");
    }

    @Test
    void memoryOfAnotherOwnerIsWrittenInPlace() {
        try (lexvla_exec exec = exec();
                FloatPointer tokens = new FloatPointer(1, 2, 3, 4);
                FloatPointer codebook = new FloatPointer(1, 0, 0, 1, -1, -1);
                FloatPointer scores = new FloatPointer((long) WORDS);
                IntPointer winners = new IntPointer((long) WORDS)) {
            FloatPointer borrowed = new FloatPointer(new Borrowed(scores.address()));
            int status = lexvla_project_max_forward(
                    exec,
                    LEXVLA_FLOAT32,
                    tokens,
                    (BytePointer) null,
                    codebook,
                    IMAGES,
                    TOKENS,
                    WIDTH,
                    WORDS,
                    borrowed,
                    winners);
            assertThat(status).isEqualTo(LEXVLA_OK);
            assertThat(new float[] {scores.get(0), scores.get(1), scores.get(2)})
                    .containsExactly(3, 4, -3);
            assertThat(new int[] {winners.get(0), winners.get(1), winners.get(2)})
                    .containsExactly(1, 1, 0);
        }
    }

    @Test
    void theReferenceIsBoundBesideTheKernels() {
        try (lexvla_exec exec = exec()) {
            float[] activations = new float[2];
            float[] reference = new float[2];
            float[] norm = new float[1];
            float[] scores = {2, -1};
            assertThat(lexvla_activate_normalize_forward(exec, scores, 1, 2, activations, norm))
                    .isEqualTo(LEXVLA_OK);
            assertThat(lexvla_reference_activate_normalize_forward(exec, scores, 1, 2, reference, norm))
                    .isEqualTo(LEXVLA_OK);
            assertThat(activations[0]).isCloseTo(reference[0], offset(1e-6f));
            assertThat(activations[1]).isCloseTo(reference[1], offset(1e-6f));
        }
    }

    @Test
    void aRefusalIsAStatusWithAMessage() {
        try (lexvla_exec exec = exec()) {
            float[] scores = new float[1];
            assertThat(lexvla_activate_normalize_forward(exec, scores, 1, -1, scores, scores))
                    .isEqualTo(LEXVLA_INVALID_ARGUMENT);
            assertThat(lexvla_last_error().getString()).contains("words is -1, at least 0");
        }
    }

    private static lexvla_exec exec() {
        return new lexvla_exec().device(LEXVLA_CPU).threads(1).stream(null);
    }

    /** A pointer to memory that it does not own. */
    private static final class Borrowed extends Pointer {
        Borrowed(long address) {
            this.address = address;
        }
    }
}
