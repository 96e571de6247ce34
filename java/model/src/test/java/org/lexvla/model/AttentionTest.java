package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.VoidTensorHook;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class AttentionTest {
    private static final int THREADS = 3;

    /** So many threads has a product wherever a gradient comes by. */
    private static final class Seen extends VoidTensorHook {
        private final List<Integer> counts = new ArrayList<>();

        @Override
        public void call(TensorBase gradient) {
            counts.add(ProductThreads.count());
        }
    }

    /** All projections take a gradient, or the first or the last alone. */
    @Test
    @SuppressWarnings("try")
    void productsHaveOneThreadInAttentionAloneForwardsAndBackwards(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                ProductThreads several = ProductThreads.use(THREADS)) {
            for (boolean[] learns : new boolean[][] {{true, true, true}, {true, false, false}, {false, false, true}}) {
                Tensor x = tokens(random);
                List<Tensor> weights = new ArrayList<>();
                for (boolean learning : learns) {
                    weights.add(LibTorch.of(random.gaussians(24 * 24), 24, 24).requires_grad_(learning));
                }
                List<Tensor> plain = projected(x, weights);
                Tensor wanted = torch.scaled_dot_product_attention(plain.get(0), plain.get(1), plain.get(2));
                wanted.mul(wanted).sum().backward();
                List<Tensor> gradients = taken(weights);

                List<Tensor> projected = projected(x, weights);
                Tensor mixed = Attention.of(projected.get(0), projected.get(1), projected.get(2));
                assertThat(ProductThreads.count()).isEqualTo(THREADS);
                assertThat(mixed.equal(wanted)).isTrue();
                // Called after the hooks that were there before.
                Seen behind = new Seen();
                mixed.register_hook(behind);
                Seen before = new Seen();
                projected.stream().filter(Tensor::requires_grad).forEach(one -> one.register_hook(before));
                mixed.mul(mixed).sum().backward();
                assertThat(behind.counts).containsExactly(1);
                assertThat(before.counts).isNotEmpty().containsOnly(THREADS);
                assertThat(ProductThreads.count()).isEqualTo(THREADS);
                List<Tensor> found = taken(weights);
                assertThat(found).hasSameSizeAs(gradients);
                for (int i = 0; i < found.size(); i++) {
                    assertThat(found.get(i).equal(gradients.get(i))).isTrue();
                }
            }
        }
    }

    private static List<Tensor> projected(Tensor x, List<Tensor> weights) {
        return weights.stream().map(x::matmul).toList();
    }

    /** Copies of the gradients that there are, which are zero afterwards. */
    private static List<Tensor> taken(List<Tensor> weights) {
        List<Tensor> gradients = new ArrayList<>();
        for (Tensor weight : weights) {
            if (weight.requires_grad()) {
                gradients.add(weight.mutable_grad().clone());
                weight.mutable_grad().zero_();
            }
        }
        return gradients;
    }

    @Test
    @SuppressWarnings("try")
    void smallProductsAreLeftAlone(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                ProductThreads several = ProductThreads.use(THREADS)) {
            Tensor x = tokens(random).narrow(2, 0, 191).requires_grad_(true);
            Tensor y = x.add(x);
            Tensor mixed = Attention.of(y, y, y);
            Seen behind = new Seen();
            mixed.register_hook(behind);
            mixed.sum().backward();
            assertThat(behind.counts).containsExactly(THREADS);
        }
    }

    /** The number is changed behind the back of {@link ProductThreads}, so that it would be seen to be set. */
    @Test
    @SuppressWarnings("try")
    void nothingIsSetWhereOneThreadWasAskedFor(RandomSource random) {
        try (PointerScope scope = new PointerScope();
                ProductThreads one = ProductThreads.use(1)) {
            openblas_nolapack.blas_set_num_threads(THREADS);
            Tensor x = tokens(random).requires_grad_(true);
            Tensor mixed = Attention.of(x.add(x), x.add(x), x.add(x));
            Seen behind = new Seen();
            mixed.register_hook(behind);
            mixed.sum().backward();
            assertThat(behind.counts).containsExactly(THREADS);
            assertThat(ProductThreads.count()).isEqualTo(THREADS);
        }
    }

    private static Tensor tokens(RandomSource random) {
        return LibTorch.of(random.gaussians(2 * 200 * 24), 1, 2, 200, 24);
    }
}
