package org.lexvla.model;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * What the attention mask of a batch asks for. Positions count from the first real token of a row; padding does not
 * count. If all padding is on the right, causality alone hides it from the real tokens; else a mask is made in which a
 * real token sees the real ones up to itself, and a padding token besides them itself, so that no row is without a key
 * and none becomes NaN.
 */
final class LlamaPadding {
    private final int batch;
    private final int tokens;
    private final boolean[] real;
    private final boolean rightOnly;

    /** @param attentionMask [batch, tokens], nonzero for real tokens; null if all are */
    LlamaPadding(Tensor attentionMask, int batch, int tokens) {
        this.batch = batch;
        this.tokens = tokens;
        if (attentionMask == null) {
            real = null;
            rightOnly = true;
            return;
        }
        long[] mask = LibTorch.longs(attentionMask);
        real = new boolean[mask.length];
        boolean right = true;
        for (int i = 0; i < mask.length; i++) {
            real[i] = mask[i] != 0;
            right &= !real[i] || i % tokens == 0 || real[i - 1];
        }
        rightOnly = right;
    }

    /** Whether plain causal attention at positions 0, 1, 2, … is right. */
    boolean rightOnly() {
        return rightOnly;
    }

    /** The position of every token; 0 for padding before the first real one. */
    long[] positions() {
        long[] positions = new long[batch * tokens];
        for (int row = 0; row < batch; row++) {
            long next = 0;
            for (int i = row * tokens; i < (row + 1) * tokens; i++) {
                positions[i] = real[i] ? next++ : Math.max(0, next - 1);
            }
        }
        return positions;
    }

    /** [batch, 1, tokens, tokens], true where a token (row) sees another (column). */
    Tensor visible(Device device) {
        byte[] visible = new byte[batch * tokens * tokens];
        for (int row = 0; row < batch; row++) {
            for (int i = 0; i < tokens; i++) {
                int at = (row * tokens + i) * tokens;
                for (int j = 0; j <= i; j++) {
                    visible[at + j] = (byte) (i == j || real[row * tokens + j] ? 1 : 0);
                }
            }
        }
        Tensor mask = LibTorch.empty(ScalarType.Bool, Device.cpu(), batch, 1, tokens, tokens);
        new BytePointer(mask.data_ptr()).put(visible);
        return device.isCpu() ? mask : mask.to(LibTorch.device(device), ScalarType.Bool);
    }
}
