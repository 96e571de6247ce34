package org.lexvla.model;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Keys and values of a beginning that several sequences share, computed once ({@link Llama#prefix}). Causal attention lets no
 * token change those before it, so every sequence that begins with these ids, or with some of them, may go on from here.
 */
final class LlamaPrefix implements AutoCloseable {
    private final int[] ids;
    /** Of every layer [1, ids, keyValueHeads, headSize], keys turned. */
    private final List<Tensor> keys = new ArrayList<>();

    private final List<Tensor> values = new ArrayList<>();

    LlamaPrefix(int[] ids) {
        this.ids = ids.clone();
    }

    /** Layer by layer, in their order. */
    void add(Tensor key, Tensor value) {
        keys.add(LibTorch.keep(key));
        values.add(LibTorch.keep(value));
    }

    /** How many ids a sequence has in common with the beginning, but at most all of its own but the last. */
    int sharedWith(int[] sequence) {
        int shared = 0;
        int most = Math.min(ids.length, sequence.length - 1);
        while (shared < most && ids[shared] == sequence[shared]) {
            shared++;
        }
        return shared;
    }

    /** Keys of a layer for the first {@code length} ids, for every row of a batch: [batch, length, keyValueHeads, headSize]. */
    Tensor keys(int layer, long batch, int length) {
        return rows(keys.get(layer), batch, length);
    }

    /** As {@link #keys}. */
    Tensor values(int layer, long batch, int length) {
        return rows(values.get(layer), batch, length);
    }

    private static Tensor rows(Tensor one, long batch, int length) {
        return one.narrow(1, 0, length).expand(batch, length, one.size(2), one.size(3));
    }

    @Override
    public void close() {
        keys.forEach(Tensor::close);
        values.forEach(Tensor::close);
    }
}
