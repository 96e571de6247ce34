package org.lexvla.training;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.lexical.Device;

/**
 * Token ids of several prompts, padded on the right; the tensors belong to the caller's scope.
 *
 * @param ids  [B,T] int64
 * @param mask [B,T] int64, 1 for tokens and 0 for padding
 * @param last [B] int64, the last token of each row as a row of [B·T]
 */
record PromptBatch(Tensor ids, Tensor mask, Tensor last) {
    static PromptBatch of(List<int[]> prompts, Device device) {
        int rows = prompts.size();
        int width = prompts.stream().mapToInt(prompt -> prompt.length).max().orElseThrow();
        long[] ids = new long[rows * width];
        long[] mask = new long[rows * width];
        long[] last = new long[rows];
        for (int row = 0; row < rows; row++) {
            int[] prompt = prompts.get(row);
            for (int i = 0; i < prompt.length; i++) {
                ids[row * width + i] = prompt[i];
                mask[row * width + i] = 1;
            }
            last[row] = (long) row * width + prompt.length - 1;
        }
        return new PromptBatch(
                HostTensor.to(HostTensor.of(ids, rows, width), device),
                HostTensor.to(HostTensor.of(mask, rows, width), device),
                HostTensor.to(HostTensor.of(last, rows), device));
    }

    /** The hidden states [B,d] of the last tokens, of hidden states [B,T,d]. */
    Tensor lastTokens(Tensor hidden) {
        return hidden.reshape(-1, hidden.size(2)).index_select(0, last);
    }
}
