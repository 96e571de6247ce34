package org.lexvla.evaluation;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Which labels of a data set are which class of PatchDis, and which are not looked at (SPEC §8).
 *
 * @param name    such as {@code voc}
 * @param classes names by class, as they are given to the text encoder
 * @param classOf class of each label of the data set, or {@link ConfusionMatrix#IGNORE}
 */
public record SegmentationProtocol(String name, List<String> classes, int[] classOf) {
    /** The classes of PASCAL VOC, by label; the word "background" is a class like the others. */
    public static final List<String> VOC_CLASSES = List.of(
            "background",
            "aeroplane",
            "bicycle",
            "bird",
            "boat",
            "bottle",
            "bus",
            "car",
            "cat",
            "chair",
            "cow",
            "dining table",
            "dog",
            "horse",
            "motorbike",
            "person",
            "potted plant",
            "sheep",
            "sofa",
            "train",
            "tv monitor");

    /** Classes of VOC that COCO calls by another name. */
    private static final Map<String, String> COCO_NAMES =
            Map.of("aeroplane", "airplane", "motorbike", "motorcycle", "sofa", "couch", "tv monitor", "tv");

    public SegmentationProtocol {
        classes = List.copyOf(classes);
        classOf = classOf.clone();
    }

    @Override
    public int[] classOf() {
        return classOf.clone();
    }

    /** Every label that has a name is a class. */
    public static SegmentationProtocol labels(List<SegmentedPictures.Category> categories) {
        return of("labels", categories, category -> !category.name().isEmpty());
    }

    /** Every thing is a class (COCO-80); pixels of stuff and those without a label are not looked at. */
    public static SegmentationProtocol things(List<SegmentedPictures.Category> categories) {
        return of("coco", categories, SegmentedPictures.Category::thing);
    }

    private static SegmentationProtocol of(
            String name, List<SegmentedPictures.Category> categories, Predicate<SegmentedPictures.Category> measured) {
        List<String> classes = new ArrayList<>();
        int[] classOf = new int[categories.size()];
        for (int label = 0; label < classOf.length; label++) {
            classOf[label] = ConfusionMatrix.IGNORE;
            if (measured.test(categories.get(label))) {
                classOf[label] = classes.size();
                classes.add(categories.get(label).name());
            }
        }
        return new SegmentationProtocol(name, classes, classOf);
    }

    /**
     * The twenty classes of PASCAL VOC and background, on the labels of COCO or VOC: all that is none of the twenty is background.
     *
     * @throws IllegalArgumentException if one of the twenty is no category
     */
    public static SegmentationProtocol voc(List<SegmentedPictures.Category> categories) {
        Map<String, Integer> labels = new HashMap<>();
        for (SegmentedPictures.Category category : categories) {
            labels.put(category.name(), labels.size());
        }
        int[] classOf = new int[categories.size()];
        for (int voc = 1; voc < VOC_CLASSES.size(); voc++) {
            String name = VOC_CLASSES.get(voc);
            Integer label = labels.get(labels.containsKey(name) ? name : COCO_NAMES.getOrDefault(name, name));
            if (label == null) {
                throw new IllegalArgumentException("no category is called \"" + name
                        + "\": the VOC classes can be told on the categories of COCO and VOC, not on "
                        + labels.keySet());
            }
            classOf[label] = voc;
        }
        return new SegmentationProtocol("voc", VOC_CLASSES, classOf);
    }

    /** The labels as classes, row by row. */
    public int[] classes(LabelMap map) {
        int[] labels = map.labels();
        int[] mapped = new int[labels.length];
        for (int i = 0; i < mapped.length; i++) {
            mapped[i] = labels[i] < classOf.length ? classOf[labels[i]] : ConfusionMatrix.IGNORE;
        }
        return mapped;
    }
}
