package org.lexvla.model;

import java.util.Arrays;

/**
 * Antialiased bicubic resizing of 8-bit pictures, to the grey level the same as Pillow's {@code Image.resize(size,
 * BICUBIC)}: two separable passes, horizontal first, Keys' kernel with a = -0.5 stretched by the ratio when shrinking,
 * weights in fixed point of 22 bits, and the result of each pass rounded to 8 bits.
 *
 * <p>Only the part that is asked for is computed, so a centre crop costs no more than what it keeps.
 */
final class BicubicResize {
    private static final int PRECISION_BITS = 32 - 8 - 2;
    private static final double SUPPORT = 2.0;
    private static final double A = -0.5;

    private BicubicResize() {}

    /** A rectangle in pixels. */
    record Box(int x, int y, int width, int height) {
        static Box whole(RgbPicture picture) {
            return new Box(0, 0, picture.width(), picture.height());
        }
    }

    /**
     * Resizes {@code from} of the picture to {@code width} x {@code height} and returns {@code part} of that.
     *
     * <p>{@code from} is cut out first: pixels outside it do not take part, as with {@code Image.crop(box).resize(size)}.
     */
    static RgbPicture resize(RgbPicture picture, Box from, int width, int height, Box part) {
        Weights columns = Weights.of(from.width(), width, part.x(), part.width());
        Weights rows = Weights.of(from.height(), height, part.y(), part.height());
        // The rows of the source that the vertical pass will read.
        int top = rows.first[0];
        int bottom = rows.first[part.height() - 1] + rows.count[part.height() - 1];
        byte[] narrowed = new byte[3 * part.width() * (bottom - top)];
        for (int y = top; y < bottom; y++) {
            int source = 3 * ((from.y() + y) * picture.width() + from.x());
            horizontal(picture.samples(), source, columns, narrowed, 3 * (y - top) * part.width());
        }
        byte[] out = new byte[3 * part.width() * part.height()];
        vertical(narrowed, top, 3 * part.width(), rows, out);
        return new RgbPicture(part.width(), part.height(), out);
    }

    private static void horizontal(byte[] in, int source, Weights weights, byte[] out, int to) {
        if (weights.identity) {
            System.arraycopy(in, source + 3 * weights.first[0], out, to, 3 * weights.first.length);
            return;
        }
        for (int x = 0; x < weights.first.length; x++) {
            int at = source + 3 * weights.first[x];
            int k = x * weights.stride;
            int red = 1 << (PRECISION_BITS - 1);
            int green = red;
            int blue = red;
            for (int i = 0; i < weights.count[x]; i++, at += 3) {
                int weight = weights.fixed[k + i];
                red += (in[at] & 0xff) * weight;
                green += (in[at + 1] & 0xff) * weight;
                blue += (in[at + 2] & 0xff) * weight;
            }
            out[to++] = clip(red);
            out[to++] = clip(green);
            out[to++] = clip(blue);
        }
    }

    /** One output row at a time, so that memory is read in order. */
    private static void vertical(byte[] in, int top, int rowLength, Weights weights, byte[] out) {
        int[] sums = new int[rowLength];
        for (int y = 0; y < weights.first.length; y++) {
            int at = (weights.first[y] - top) * rowLength;
            if (weights.identity) {
                System.arraycopy(in, at, out, y * rowLength, rowLength);
                continue;
            }
            Arrays.fill(sums, 1 << (PRECISION_BITS - 1));
            for (int i = 0; i < weights.count[y]; i++, at += rowLength) {
                int weight = weights.fixed[y * weights.stride + i];
                for (int x = 0; x < rowLength; x++) {
                    sums[x] += (in[at + x] & 0xff) * weight;
                }
            }
            for (int x = 0; x < rowLength; x++) {
                out[y * rowLength + x] = clip(sums[x]);
            }
        }
    }

    private static byte clip(int sum) {
        int value = sum >> PRECISION_BITS;
        return (byte) (value < 0 ? 0 : Math.min(value, 255));
    }

    /** Which input samples make an output sample, and with what fixed-point weights; for a range of output samples. */
    private static final class Weights {
        final int[] first;
        final int[] count;
        final int[] fixed;
        final int stride;
        /** The size does not change: Pillow then leaves this pass out. */
        final boolean identity;

        private Weights(int outputs, int stride, boolean identity) {
            this.first = new int[outputs];
            this.count = new int[outputs];
            this.fixed = new int[outputs * stride];
            this.stride = stride;
            this.identity = identity;
        }

        static Weights of(int inSize, int outSize, int begin, int outputs) {
            if (inSize == outSize) {
                Weights weights = new Weights(outputs, 1, true);
                for (int i = 0; i < outputs; i++) {
                    weights.first[i] = begin + i;
                    weights.count[i] = 1;
                }
                return weights;
            }
            double scale = (double) inSize / outSize;
            double stretch = Math.max(scale, 1.0);
            double support = SUPPORT * stretch;
            int stride = (int) Math.ceil(support) * 2 + 1;
            Weights weights = new Weights(outputs, stride, false);
            double[] exact = new double[stride];
            for (int i = 0; i < outputs; i++) {
                double centre = (begin + i + 0.5) * scale;
                int low = Math.max((int) (centre - support + 0.5), 0);
                int high = Math.min((int) (centre + support + 0.5), inSize);
                double sum = 0;
                for (int j = 0; j < high - low; j++) {
                    exact[j] = kernel((j + low - centre + 0.5) * (1.0 / stretch));
                    sum += exact[j];
                }
                for (int j = 0; j < high - low; j++) {
                    double scaled = exact[j] / sum * (1 << PRECISION_BITS);
                    weights.fixed[i * stride + j] = (int) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
                }
                weights.first[i] = low;
                weights.count[i] = high - low;
            }
            return weights;
        }

        private static double kernel(double x) {
            double t = Math.abs(x);
            if (t < 1) {
                return ((A + 2) * t - (A + 3)) * t * t + 1;
            }
            return t < 2 ? (((t - 5) * t + 8) * t - 4) * A : 0;
        }
    }
}
