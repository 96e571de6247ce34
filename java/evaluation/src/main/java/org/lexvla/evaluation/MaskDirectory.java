package org.lexvla.evaluation;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Pictures with a mask of the same name each, in the way of PASCAL VOC: an 8-bit PNG whose indices are the labels, 255 where
 * nobody knows.
 */
public final class MaskDirectory implements SegmentedPictures {
    private final List<Category> categories;
    private final List<Picture> pictures;
    private final Path masks;

    /**
     * @param names    by label
     * @param pictures with files of any extension
     * @param masks    directory of {@code NAME.png}
     */
    public MaskDirectory(List<String> names, List<Picture> pictures, Path masks) {
        if (names.isEmpty() || names.size() > ConfusionMatrix.IGNORE) {
            throw new IllegalArgumentException(names.size() + " classes for masks of 8 bits with "
                    + ConfusionMatrix.IGNORE + " ignored: give 1 to " + ConfusionMatrix.IGNORE + " names");
        }
        this.categories = names.stream().map(name -> new Category(name, true)).toList();
        this.pictures = List.copyOf(pictures);
        this.masks = masks;
    }

    /**
     * PASCAL VOC: {@code JPEGImages/}, {@code SegmentationClass/} and the names of a split in {@code ImageSets/Segmentation/}.
     *
     * @param root  such as {@code VOCdevkit/VOC2012}
     * @param split {@code train}, {@code val} or {@code trainval}
     */
    public static MaskDirectory voc(Path root, String split) throws IOException {
        Path list = root.resolve("ImageSets/Segmentation").resolve(split + ".txt");
        if (!Files.isRegularFile(list)) {
            throw new NoSuchFileException(list + " (names the pictures of the split)");
        }
        List<Picture> pictures = new ArrayList<>();
        for (String name : Files.readAllLines(list)) {
            if (!name.isBlank()) {
                pictures.add(new Picture(name.strip(), root.resolve("JPEGImages/" + name.strip() + ".jpg")));
            }
        }
        return new MaskDirectory(SegmentationProtocol.VOC_CLASSES, pictures, root.resolve("SegmentationClass"));
    }

    @Override
    public List<Category> categories() {
        return categories;
    }

    @Override
    public List<Picture> pictures() {
        return pictures;
    }

    @Override
    public LabelMap labels(Picture picture) throws IOException {
        String name = picture.file().getFileName().toString();
        Path file = masks.resolve(name.substring(0, name.lastIndexOf('.')) + ".png");
        LabelMap map = LabelMap.read(file);
        for (int label : map.labels()) {
            if (label >= categories.size() && label != ConfusionMatrix.IGNORE) {
                throw new IOException("mask " + file + " has the label " + label + ", but there are "
                        + categories.size() + " classes: name them all");
            }
        }
        return map;
    }
}
