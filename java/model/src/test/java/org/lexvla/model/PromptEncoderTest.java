package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** Encoding with a beginning computed once, against passes over whole prompts. */
@Seeded
@SuppressWarnings("try")
class PromptEncoderTest {
    private static final LlamaConfig CONFIG = new LlamaConfig(40, 16, 24, 3, 4, 2, 1e-5, 10000, 32, false);
    private static final int[] BEGINNING = {1, 7, 3, 9, 22, 5};
    /** Sums of the same numbers in another order; hidden states are of size 1 to 3. */
    private static final double BOUND = 1e-5;

    private PointerScope scope;
    private Llama model;
    private Lora lora;
    private PromptEncoder encoder;

    @BeforeEach
    void open() {
        scope = new PointerScope();
        model = Llama.random(CONFIG, 1, Device.cpu());
        // Llama's own 0.02 would let no token matter to another.
        model.parameters().forEach((name, tensor) -> {
            if (tensor.dim() > 1) {
                tensor.mul_(new Scalar(10));
            }
        });
        lora = Lora.create(new LoraConfig(2, 4, 0.5, List.of("q_proj", "v_proj")), CONFIG, 1, Device.cpu());
        model.attach(lora);
        encoder = new PromptEncoder(model, BEGINNING);
    }

    @AfterEach
    void close() {
        encoder.close();
        model.close();
        lora.close();
        scope.close();
    }

    private static int[] prompt(Random random, int shared, int rest) {
        int[] ids = Arrays.copyOf(BEGINNING, shared + rest);
        for (int i = shared; i < ids.length; i++) {
            ids[i] = i == shared && i < BEGINNING.length ? (BEGINNING[i] + 1) % 40 : random.nextInt(40);
        }
        return ids;
    }

    private float[] whole(List<int[]> prompts) {
        try (NoGradGuard guard = new NoGradGuard()) {
            TextBatch batch = TextBatch.of(prompts, Device.cpu());
            return Numbers.floats(batch.last(model.forward(batch.ids(), batch.mask())));
        }
    }

    private void assertSame(List<int[]> prompts) {
        Tensor hidden = encoder.lastHidden(prompts);
        assertThat(hidden.requires_grad()).isFalse();
        assertThat(LibTorch.shape(hidden)).containsExactly(prompts.size(), 1, 16);
        Numbers.assertClose("hidden", hidden, LibTorch.of(whole(prompts), prompts.size(), 1, 16), BOUND);
    }

    @Test
    void theSameAsAPassOverTheWhole(RandomSource random) {
        for (int round = 0; round < 20; round++) {
            List<int[]> prompts = new ArrayList<>();
            for (int row = 0; row <= random.nextInt(5); row++) {
                // Now and then a token at the edge of the caption is another one.
                int shared = random.nextInt(4) == 0 ? random.nextInt(BEGINNING.length) : BEGINNING.length;
                prompts.add(prompt(random, shared, 1 + random.nextInt(12)));
            }
            assertSame(prompts);
        }
        // Nothing in common, the beginning alone, part of it alone.
        assertSame(List.of(new int[] {4, 4, 4}, prompt(random, 6, 3)));
        assertSame(List.of(BEGINNING));
        assertSame(List.of(Arrays.copyOf(BEGINNING, 2), prompt(random, 6, 3)));
        assertSame(List.of(new int[] {1}));
    }

    @Test
    void changesOfWeightsAreSeen(RandomSource random) {
        List<int[]> prompts = List.of(prompt(random, 6, 3), prompt(random, 6, 7));
        assertSame(prompts);
        try (NoGradGuard guard = new NoGradGuard()) {
            // As an optimizer does it.
            lora.parameters().values().forEach(parameter -> parameter.normal_(0, 0.5, null));
            assertSame(prompts);
            model.parameters().get("model.layers.0.self_attn.k_proj.weight").add_(LibTorch.ONE);
            assertSame(prompts);
        }
        model.merge();
        assertSame(prompts);
        model.unmerge();
        assertSame(prompts);
        model.attach(null);
        assertSame(prompts);
        assertThat(model.changes()).isPositive();
    }

    /** The test above can see it: without the change being noticed, the answer would be another. */
    @Test
    void anOldBeginningWouldGiveOtherNumbers(RandomSource random) {
        List<int[]> prompts = List.of(prompt(random, 6, 3));
        try (LlamaPrefix old = model.prefix(BEGINNING);
                NoGradGuard guard = new NoGradGuard()) {
            lora.parameters().values().forEach(parameter -> parameter.normal_(0, 0.5, null));
            TextBatch rest = TextBatch.of(List.of(Arrays.copyOfRange(prompts.get(0), 6, 9)), Device.cpu());
            Tensor stale = rest.last(model.forward(rest.ids(), old, 6));
            assertThat(Numbers.distance(stale, LibTorch.of(whole(prompts), 1, 1, 16)))
                    .isGreaterThan(100 * BOUND);
        }
    }

    @Test
    void withDropoutNothingIsKept(RandomSource random) {
        List<int[]> prompts = List.of(prompt(random, 6, 3));
        try (NoGradGuard guard = new NoGradGuard()) {
            lora.parameters().values().forEach(parameter -> parameter.normal_(0, 0.5, null));
        }
        lora.setTraining(true);
        float[] one = Numbers.floats(encoder.lastHidden(prompts));
        assertThat(Numbers.floats(encoder.lastHidden(prompts))).isNotEqualTo(one);
        lora.setTraining(false);
        assertSame(prompts);
    }

    @Test
    void theContextCountsTheBeginning(RandomSource random) {
        assertSame(List.of(prompt(random, 6, 26)));
        assertThatThrownBy(() -> encoder.lastHidden(List.of(prompt(random, 6, 27))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("33 tokens, the context is 32");
        assertSame(List.of(prompt(random, 6, 3)));
    }

    @Test
    void oneBeginningIsKept(RandomSource random) {
        List<int[]> prompts = List.of(prompt(random, 6, 3));
        encoder.lastHidden(prompts);
        long before = Pointer.totalCount();
        for (int round = 0; round < 10; round++) {
            try (PointerScope inner = new PointerScope()) {
                encoder.lastHidden(prompts);
                model.attach(lora);
            }
        }
        try (PointerScope inner = new PointerScope()) {
            encoder.lastHidden(prompts);
        }
        assertThat(Pointer.totalCount() - before).isLessThanOrEqualTo(0);
    }
}
