package org.lexvla.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * Prompts through the language model without a graph. All prompts of a model begin alike, up to the caption; keys and values of
 * this beginning are computed once and kept until weights or LoRA change. What is kept is two times layers × tokens of the
 * beginning × width of keys (21 MB for Llama 2 7B in bfloat16 with the prompt of the paper).
 *
 * <p>The numbers are those of a pass over the whole prompt, summed in another order: in float32 activations differ by a few 1e-7.
 */
final class PromptEncoder implements AutoCloseable {
    private final Llama model;
    private final int[] beginning;
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private LlamaPrefix prefix;
    private long changes;

    /** @param beginning ids that prompts begin with; some of its last ones may become others beside a caption */
    PromptEncoder(Llama model, int[] beginning) {
        this.model = model;
        this.beginning = beginning.clone();
    }

    /**
     * The hidden state of the last token of each prompt, after the final norm.
     *
     * @param prompts token ids, none empty
     * @return [B, 1, d]
     */
    Tensor lastHidden(List<int[]> prompts) {
        NoGradGuard guard = new NoGradGuard();
        try {
            if (model.drawsRandomNumbers()) {
                return lastHidden(prompts, null);
            }
            lock.readLock().lock();
            try {
                while (prefix == null || changes != model.changes()) {
                    lock.readLock().unlock();
                    renew();
                    lock.readLock().lock();
                }
                return lastHidden(prompts, prefix);
            } finally {
                lock.readLock().unlock();
            }
        } finally {
            guard.close();
        }
    }

    private void renew() {
        lock.writeLock().lock();
        try {
            long now = model.changes();
            if (prefix == null || changes != now) {
                forget();
                prefix = model.prefix(beginning);
                changes = now;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    private Tensor lastHidden(List<int[]> prompts, LlamaPrefix before) {
        int shared = before == null
                ? 0
                : prompts.stream().mapToInt(before::sharedWith).min().orElse(0);
        List<int[]> rest = new ArrayList<>();
        prompts.forEach(prompt -> rest.add(Arrays.copyOfRange(prompt, shared, prompt.length)));
        TextBatch batch = TextBatch.of(rest, model.device());
        Tensor hidden =
                shared == 0 ? model.forward(batch.ids(), batch.mask()) : model.forward(batch.ids(), before, shared);
        return batch.last(hidden);
    }

    private void forget() {
        if (prefix != null) {
            prefix.close();
            prefix = null;
        }
    }

    @Override
    public void close() {
        forget();
    }
}
