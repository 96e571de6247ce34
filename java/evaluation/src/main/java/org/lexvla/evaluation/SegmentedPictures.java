package org.lexvla.evaluation;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Pictures whose pixels are labelled, in whatever layout a data set has: {@link CocoSegmentation} and {@link MaskDirectory}.
 * What of the labels is measured, and under which names, is for a {@link SegmentationProtocol} to say.
 */
public interface SegmentedPictures {
    /**
     * What a label stands for.
     *
     * @param name  as the data set has it; empty for what was left unlabelled
     * @param thing whether it is a thing that can be counted, and not stuff such as sky
     */
    record Category(String name, boolean thing) {}

    /**
     * A picture.
     *
     * @param id   its name in the data set
     * @param file where it should lie
     */
    record Picture(String id, Path file) {}

    /** By label. */
    List<Category> categories();

    /** All pictures that have labels. */
    List<Picture> pictures();

    /**
     * The labels of a picture: indices of {@link #categories()}, or {@link ConfusionMatrix#IGNORE} where nobody knows. Several
     * threads may ask at once.
     *
     * @param picture one of {@link #pictures()}
     * @throws IOException if they are missing or damaged
     */
    LabelMap labels(Picture picture) throws IOException;
}
