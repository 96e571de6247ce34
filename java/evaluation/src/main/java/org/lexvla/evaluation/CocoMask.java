package org.lexvla.evaluation;

import java.util.Arrays;

/** Masks of COCO's instances, painted into a map of labels: polygons and runs of pixels. */
final class CocoMask {
    private CocoMask() {}

    /**
     * Paints a polygon: the pixels whose middle lies inside (even-odd rule). COCO's own code draws the outline on a grid five times
     * as fine; the two differ in pixels on the outline alone.
     *
     * @param labels  [height][width], row by row
     * @param corners x and y in turn, in pixels from the upper left corner of the picture
     */
    static void paintPolygon(int[] labels, int width, float[] corners, int label) {
        int height = labels.length / width;
        double[] crossings = new double[corners.length / 2];
        for (int y = 0; y < height; y++) {
            double middle = y + 0.5;
            int count = 0;
            for (int i = 0; i < corners.length; i += 2) {
                int next = (i + 2) % corners.length;
                double y0 = corners[i + 1];
                double y1 = corners[next + 1];
                if ((y0 <= middle) != (y1 <= middle)) {
                    double share = (middle - y0) / (y1 - y0);
                    crossings[count++] = corners[i] + share * ((double) corners[next] - corners[i]);
                }
            }
            Arrays.sort(crossings, 0, count);
            for (int i = 0; i + 1 < count; i += 2) {
                int from = Math.max(0, (int) Math.ceil(crossings[i] - 0.5));
                int to = Math.min(width, (int) Math.ceil(crossings[i + 1] - 0.5));
                if (from < to) {
                    Arrays.fill(labels, y * width + from, y * width + to, label);
                }
            }
        }
    }

    /**
     * Paints runs: their lengths in turn outside and inside, down the columns, the leftmost first.
     *
     * @throws IllegalArgumentException if they do not make up the picture
     */
    static void paintRuns(int[] labels, int width, long[] runs, int label) {
        int height = labels.length / width;
        long total = 0;
        for (long run : runs) {
            if (run < 0 || (total += run) > labels.length) {
                break;
            }
        }
        if (total != labels.length) {
            throw new IllegalArgumentException("the runs of a mask hold " + total + " pixels, the picture has " + width
                    + "x" + height + " = " + labels.length);
        }
        int at = 0;
        for (int i = 0; i < runs.length; i++) {
            for (int end = at + (int) runs[i]; at < end; at++) {
                if (i % 2 == 1) {
                    labels[at % height * width + at / height] = label;
                }
            }
        }
    }

    /**
     * The run lengths that COCO packs into a string: each in groups of five bits, the lowest first, as characters from '0' on, bit 5
     * set where more follow; from the fourth run on, the difference to the run two before.
     *
     * @throws IllegalArgumentException if the string is not of this form
     */
    static long[] unpack(String packed) {
        long[] runs = new long[packed.length()];
        int count = 0;
        for (int at = 0; at < packed.length(); ) {
            long value = 0;
            int shift = 0;
            int group;
            do {
                group = at < packed.length() ? packed.charAt(at) - '0' : -1;
                if (group < 0 || group > 63 || shift > 55) {
                    throw new IllegalArgumentException(
                            "the packed runs of a mask are damaged at character " + at + " of " + packed.length());
                }
                value |= (long) (group & 31) << shift;
                shift += 5;
                at++;
            } while ((group & 32) != 0);
            if ((group & 16) != 0) {
                value |= -1L << shift;
            }
            runs[count] = count > 2 ? runs[count - 2] + value : value;
            count++;
        }
        return Arrays.copyOf(runs, count);
    }
}
