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
    private static final int HALF = 1 << (PRECISION_BITS - 1);
    /** Rows that are summed together: enough for long loops, few enough for their samples to stay in the second cache. */
    private static final int ROWS = 64;

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
     * <p>{@code from} is cut out first: pixels outside it do not take part, as with {@code Image.crop(box).resize(size)}. Where
     * nothing changes its size, that is all.
     */
    static RgbPicture resize(RgbPicture picture, Box from, int width, int height, Box part) {
        if (from.width() == width && from.height() == height) {
            return picture.part(from.x() + part.x(), from.y() + part.y(), part.width(), part.height());
        }
        Weights columns = Weights.of(from.width(), width, part.x(), part.width());
        Weights rows = Weights.of(from.height(), height, part.y(), part.height());
        int length = 3 * part.width();
        // Narrowed rows are needed for as long as an output that they take part in is not done: few, which stay in the
        // cache.
        int[][] narrowed = new int[rows.stride + ROWS][length];
        int[][] wide = new int[columns.stride][3 * ROWS];
        int[] sums = new int[Math.max(length, 3 * ROWS)];
        byte[] out = new byte[length * part.height()];
        int done = 0;
        for (int y = rows.begin(); y < rows.end(); y += ROWS) {
            int end = Math.min(y + ROWS, rows.end());
            Box block = new Box(from.x(), from.y() + y, from.width(), end - y);
            horizontal(picture, block, columns, wide, sums, narrowed, y);
            for (; done < part.height() && rows.end(done) <= end; done++) {
                rows.sum(done, narrowed, sums, length);
                for (int x = 0; x < length; x++) {
                    out[done * length + x] = (byte) sums[x];
                }
            }
        }
        return new RgbPicture(part.width(), part.height(), out);
    }

    /**
     * A block of rows, turned so that the samples of a column lie side by side: then the sums of all its rows run through memory
     * in order, as those of the vertical pass do, and the compiler makes vector instructions of both.
     *
     * @param wide  for the columns that an output needs: column x is line {@code x % wide.length}
     * @param out   for the rows: row y is line {@code y % out.length}
     * @param first number of the block's first row
     */
    private static void horizontal(
            RgbPicture picture, Box block, Weights weights, int[][] wide, int[] sums, int[][] out, int first) {
        int rows = block.height();
        int next = weights.begin();
        for (int x = 0; x < weights.first.length; x++) {
            for (; next < weights.end(x); next++) {
                picture.column(block.x() + next, block.y(), rows, wide[next % wide.length]);
            }
            weights.sum(x, wide, sums, 3 * rows);
            for (int row = 0; row < rows; row++) {
                int[] to = out[(first + row) % out.length];
                to[3 * x] = sums[row];
                to[3 * x + 1] = sums[rows + row];
                to[3 * x + 2] = sums[2 * rows + row];
            }
        }
    }

    /** The compiler makes vector instructions of this only while both arrays are read at the same place. */
    private static void add(int[] in, int weight, int[] sums, int length) {
        for (int i = 0; i < length; i++) {
            sums[i] += in[i] * weight;
        }
    }

    /** Four lines at once: the sums are loaded and stored a fourth as often. */
    private static void add(int[] a, int ofA, int[] b, int ofB, int[] c, int ofC, int[] d, int ofD, int[] sums, int n) {
        for (int i = 0; i < n; i++) {
            sums[i] += a[i] * ofA + b[i] * ofB + c[i] * ofC + d[i] * ofD;
        }
    }

    /** From fixed point to grey levels. */
    private static void clip(int[] sums, int length) {
        for (int i = 0; i < length; i++) {
            sums[i] = Math.max(0, Math.min(sums[i] >> PRECISION_BITS, 255));
        }
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

        /** The first input sample that is used. */
        int begin() {
            return first[0];
        }

        /** One behind the last input sample that is used. */
        int end() {
            return end(first.length - 1);
        }

        /** One behind the last input sample of an output; grows with it, as its first one does. */
        int end(int output) {
            return first[output] + count[output];
        }

        /**
         * Grey levels of one output, for many rows or columns at once.
         *
         * @param lines of input, at least {@code stride}: input sample s is line {@code s % lines.length}
         */
        void sum(int output, int[][] lines, int[] sums, int length) {
            int line = first[output];
            int n = lines.length;
            if (identity) {
                System.arraycopy(lines[line % n], 0, sums, 0, length);
                return;
            }
            Arrays.fill(sums, 0, length, HALF);
            int[] w = fixed;
            int at = output * stride;
            int end = at + count[output];
            for (; at + 4 <= end; at += 4, line += 4) {
                add(
                        lines[line % n],
                        w[at],
                        lines[(line + 1) % n],
                        w[at + 1],
                        lines[(line + 2) % n],
                        w[at + 2],
                        lines[(line + 3) % n],
                        w[at + 3],
                        sums,
                        length);
            }
            for (; at < end; at++, line++) {
                add(lines[line % n], w[at], sums, length);
            }
            clip(sums, length);
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
