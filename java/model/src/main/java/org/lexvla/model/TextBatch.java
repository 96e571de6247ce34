package org.lexvla.model;

import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * Prompts of a batch of captions, padded on the right with id 0 to the longest. The tensors are the caller's.
 *
 * @param ids  [B, T] int64
 * @param mask [B, T] int64, 1 for tokens, 0 for padding
 */
public record TextBatch(Tensor ids, Tensor mask) {
    /** Pads token ids, one array per text, none empty, onto a device. */
    public static TextBatch of(List<int[]> texts, Device device) {
        int longest = texts.stream().mapToInt(text -> text.length).max().orElse(0);
        if (longest == 0) {
            throw new IllegalArgumentException("a batch of " + texts.size() + " texts has no tokens");
        }
        long[] ids = new long[texts.size() * longest];
        long[] mask = new long[ids.length];
        for (int row = 0; row < texts.size(); row++) {
            int[] text = texts.get(row);
            if (text.length == 0) {
                throw new IllegalArgumentException("text " + row + " of the batch has no tokens");
            }
            for (int i = 0; i < text.length; i++) {
                ids[row * longest + i] = text[i];
                mask[row * longest + i] = 1;
            }
        }
        return new TextBatch(on(device, ids, texts.size(), longest), on(device, mask, texts.size(), longest));
    }

    /**
     * Of each text the hidden state of its last token, whichever side is padded.
     *
     * @param hidden [B, T, d]
     * @return [B, 1, d]
     */
    Tensor last(Tensor hidden) {
        return last(hidden, mask);
    }

    static Tensor last(Tensor hidden, Tensor mask) {
        long[] positions = IntStream.range(0, Math.toIntExact(hidden.size(1)))
                .asLongStream()
                .toArray();
        Tensor numbers = LibTorch.of(positions, 1, positions.length).to(hidden.device(), ScalarType.Long);
        Tensor last = mask.to(ScalarType.Bool).to(ScalarType.Long).mul(numbers).amax(new long[] {1}, false);
        return hidden.gather(1, last.view(-1, 1, 1).expand(hidden.size(0), 1, hidden.size(2)));
    }

    private static Tensor on(Device device, long[] values, long... shape) {
        Tensor tensor = LibTorch.of(values, shape);
        return device.isCpu() ? tensor : tensor.to(LibTorch.device(device), ScalarType.Long);
    }
}
