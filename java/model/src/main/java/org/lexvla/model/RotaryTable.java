package org.lexvla.model;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * Rotary positions (Su et al. 2021), half-split as in Hugging Face's layout: dimension i turns with i + d/2 by the angle
 * position · theta^(−2i/d), angles in float32.
 *
 * <p>With {@code rotate(x) = (−x₂, x₁)} written as {@code roll(x, d/2) · (−1, 1)} and the sign folded into the sine, a
 * rotation is three operations: {@code x·cos + roll(x)·sin}.
 */
final class RotaryTable implements AutoCloseable {
    private final int headSize;
    private final Tensor cos;
    private final Tensor sin;

    RotaryTable(int positions, int headSize, double theta, Device device, ScalarType type) {
        this.headSize = headSize;
        int half = headSize / 2;
        float[] cosines = new float[positions * headSize];
        float[] sines = new float[positions * headSize];
        for (int i = 0; i < half; i++) {
            float frequency = 1 / (float) Math.pow(theta, 2f * i / headSize);
            for (int position = 0; position < positions; position++) {
                float angle = position * frequency;
                int at = position * headSize + i;
                cosines[at] = cosines[at + half] = (float) Math.cos(angle);
                sines[at] = -(float) Math.sin(angle);
                sines[at + half] = (float) Math.sin(angle);
            }
        }
        cos = table(cosines, positions, device, type);
        sin = table(sines, positions, device, type);
    }

    private Tensor table(float[] values, int positions, Device device, ScalarType type) {
        return LibTorch.keep(LibTorch.of(values, positions, 1, headSize).to(LibTorch.device(device), type));
    }

    /** The turns of one batch: cosine and sine, broadcast over [batch, tokens, heads, headSize]. */
    record Turns(Tensor cos, Tensor sin, long half) {
        /** Turns queries or keys [batch, tokens, heads, headSize]. */
        Tensor apply(Tensor x) {
            return torch.addcmul(x.mul(cos), x.roll(new long[] {half}, 3), sin);
        }
    }

    /** Positions {@code from} to {@code from + tokens} − 1 in every row. */
    Turns range(long from, long tokens) {
        return new Turns(cos.narrow(0, from, tokens), sin.narrow(0, from, tokens), headSize / 2);
    }

    /** A position for every token, row by row. */
    Turns at(long[] positions, long batch, long tokens, Device device) {
        Tensor index = LibTorch.of(positions, positions.length).to(LibTorch.device(device), ScalarType.Long);
        return new Turns(
                cos.index_select(0, index).view(batch, tokens, 1, headSize),
                sin.index_select(0, index).view(batch, tokens, 1, headSize),
                headSize / 2);
    }

    @Override
    public void close() {
        cos.close();
        sin.close();
    }
}
