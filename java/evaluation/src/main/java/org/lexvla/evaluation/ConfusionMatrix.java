package org.lexvla.evaluation;

import java.util.OptionalDouble;

/**
 * Counts of pixels by true and predicted class, and the measures that follow from them. One matrix over a whole set: IoU is then
 * the intersection over the union of all pixels of a class, never a mean over pictures.
 *
 * <p>Pixels whose true label is the ignored one are counted nowhere. Not for use by several threads at once.
 */
public final class ConfusionMatrix {
    /** Label of pixels that belong to no class, by custom of PASCAL VOC and COCO. */
    public static final int IGNORE = 255;

    private final int classes;
    private final int ignore;
    private final long[] counts;

    /** A matrix for labels in [0, classes); {@value #IGNORE} is ignored. */
    public ConfusionMatrix(int classes) {
        this(classes, IGNORE);
    }

    /**
     * @param classes number of classes, at least 1
     * @param ignore true label of pixels to leave out; must be no class
     */
    public ConfusionMatrix(int classes, int ignore) {
        if (classes < 1 || (ignore >= 0 && ignore < classes)) {
            throw new IllegalArgumentException("confusion matrix of " + classes + " classes with label " + ignore
                    + " ignored: needs at least one" + " class, and an ignored label outside [0, " + classes + ")");
        }
        this.classes = classes;
        this.ignore = ignore;
        this.counts = new long[classes * classes];
    }

    /**
     * Counts the pixels of a picture.
     *
     * @param truth label per pixel, in [0, classes) or the ignored one
     * @param prediction class per pixel, in [0, classes); not looked at where the truth is ignored
     */
    public void add(int[] truth, int[] prediction) {
        if (truth.length != prediction.length) {
            throw new IllegalArgumentException("mask has " + truth.length + " pixels, prediction " + prediction.length
                    + ": they must be of one size");
        }
        for (int i = 0; i < truth.length; i++) {
            if (truth[i] != ignore) {
                check("true label", truth[i], i);
                check("predicted class", prediction[i], i);
            }
        }
        for (int i = 0; i < truth.length; i++) {
            if (truth[i] != ignore) {
                counts[truth[i] * classes + prediction[i]]++;
            }
        }
    }

    private void check(String what, int label, int pixel) {
        if (label < 0 || label >= classes) {
            throw new IllegalArgumentException(what + " " + label + " at pixel " + pixel + " is outside [0, " + classes
                    + "): map the labels of the data set to classes first");
        }
    }

    public int classes() {
        return classes;
    }

    /** Pixels of class {@code truth} that were predicted as {@code prediction}. */
    public long count(int truth, int prediction) {
        return counts[truth * classes + prediction];
    }

    /** Pixels of a class that were predicted as that class. */
    public long intersection(int label) {
        return count(label, label);
    }

    /** Pixels that are of a class or were predicted as it. */
    public long union(int label) {
        long union = -count(label, label);
        for (int other = 0; other < classes; other++) {
            union += count(label, other) + count(other, label);
        }
        return union;
    }

    /** Intersection over union of a class; empty if no pixel is of it or was predicted as it. */
    public OptionalDouble iou(int label) {
        long union = union(label);
        return union == 0 ? OptionalDouble.empty() : OptionalDouble.of(intersection(label) / (double) union);
    }

    /**
     * Mean IoU over the classes that occur in the true masks: what we report. A class that is only predicted lowers it through the
     * classes it was predicted in place of. NaN if no pixel was counted.
     */
    public double meanIou() {
        return mean(true);
    }

    /** Mean IoU over the classes that occur in truth or prediction; one that is only predicted counts as 0. */
    public double meanIouWithPredicted() {
        return mean(false);
    }

    private double mean(boolean inTruthOnly) {
        double sum = 0;
        int terms = 0;
        for (int label = 0; label < classes; label++) {
            boolean counted = inTruthOnly ? pixels(label) > 0 : union(label) > 0;
            if (counted) {
                sum += iou(label).orElseThrow();
                terms++;
            }
        }
        return terms == 0 ? Double.NaN : sum / terms;
    }

    /** Share of pixels whose class was predicted rightly; NaN if no pixel was counted. */
    public double pixelAccuracy() {
        long right = 0;
        long all = 0;
        for (int label = 0; label < classes; label++) {
            right += intersection(label);
            all += pixels(label);
        }
        return all == 0 ? Double.NaN : right / (double) all;
    }

    /** Pixels whose true class it is. */
    public long pixels(int label) {
        long pixels = 0;
        for (int other = 0; other < classes; other++) {
            pixels += count(label, other);
        }
        return pixels;
    }
}
