package org.lexvla.model;

import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.VoidTensorHook;
import org.bytedeco.pytorch.global.torch;

/**
 * LibTorch's scaled dot product attention, of which it keeps no table of tokens by tokens.
 *
 * <p>On the CPU it shares out heads and rows among LibTorch's threads, and each of them calls OpenBLAS. If that brought threads of its own
 * for their products, all would wait for each other, which makes a training step at 257 tokens more than twice as long. So
 * meanwhile a product has one thread; backwards too, which hooks before and behind that part of the graph see to. Since OpenBLAS takes
 * half a millisecond to change the number, it is left alone where the products are too small to be shared out.
 */
final class Attention {
    /** A product of fewer multiplications has one thread anyway (OpenBLAS: {@code SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD}). */
    private static final long SHARED_FROM = 1L << 18;

    private static final VoidTensorHook BEGIN = new Hook(true).retainReference();
    private static final VoidTensorHook END = new Hook(false).retainReference();

    private Attention() {}

    private static final class Hook extends VoidTensorHook {
        private final boolean begin;

        Hook(boolean begin) {
            this.begin = begin;
        }

        @Override
        public void call(TensorBase gradient) {
            if (begin) {
                ProductThreads.one();
            } else {
                ProductThreads.again();
            }
        }
    }

    /** Every token sees all. All are [B, heads, tokens, width], as is the result. */
    static Tensor of(Tensor query, Tensor key, Tensor value) {
        return of(query, key, value, new TensorOptional(), false, new DoubleOptional());
    }

    /**
     * All are [B, heads, tokens, width], as is the result.
     *
     * @param visible which keys a query sees, or none
     * @param causal  whether it sees none behind it
     * @param scale   of the products; none: one over the root of the width
     */
    static Tensor of(
            Tensor query, Tensor key, Tensor value, TensorOptional visible, boolean causal, DoubleOptional scale) {
        if (!query.is_cpu() || !ProductThreads.several() || largestProduct(query, key) <= SHARED_FROM) {
            return torch.scaled_dot_product_attention(query, key, value, visible, 0, causal, scale, false);
        }
        ProductThreads.one();
        try {
            Tensor mixed = torch.scaled_dot_product_attention(query, key, value, visible, 0, causal, scale, false);
            if (mixed.requires_grad()) {
                mixed.register_hook(BEGIN);
                // Of the three, what was computed last goes backwards first.
                Tensor first = value.requires_grad() ? value : key.requires_grad() ? key : query;
                first.register_hook(END);
            }
            return mixed;
        } finally {
            ProductThreads.again();
        }
    }

    /** Multiplications: LibTorch's kernel goes through the queries and the keys in blocks of these sizes. */
    private static long largestProduct(Tensor query, Tensor key) {
        long tokens = query.size(2);
        long rows = tokens >= 768 ? 256 : tokens >= 192 ? 64 : 32;
        return Math.min(rows, tokens) * Math.min(512, key.size(2)) * query.size(3);
    }
}
