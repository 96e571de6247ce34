package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The layouts of segmentations, and what the protocols make of their labels. */
class SegmentationTest {
    private static final int NONE = ConfusionMatrix.IGNORE;
    /** With the gaps that COCO's ids have; the file need not have them in order. */
    private static final String CATEGORIES = """
            "categories": [{"id": 7, "name": "train", "isthing": 1}, {"id": 1, "name": "person", "isthing": 1},
                           {"id": 187, "name": "sky-other-merged", "isthing": 0}]""";

    @TempDir
    Path directory;

    @Test
    void readsPanopticPictures() throws IOException {
        Path json = write("panoptic_val2017.json", """
                {"images": [{"file_name": "a.jpg", "width": 3, "height": 2, "id": 5},
                            {"file_name": "without.jpg", "width": 3, "height": 2, "id": 6}],
                 "annotations": [{"image_id": 5, "file_name": "a.png", "segments_info": [
                    {"id": 3226956, "category_id": 1, "iscrowd": 0}, {"id": 12, "category_id": 187},
                    {"id": 300, "category_id": 7}]}],
                """ + CATEGORIES + "}");
        Path masks = Files.createDirectories(directory.resolve("panoptic_val2017"));
        BufferedImage mask = new BufferedImage(3, 2, BufferedImage.TYPE_INT_RGB);
        // 3226956 = 76 + 256 * 61 + 65536 * 49: red is the lowest byte.
        mask.setRGB(0, 0, 76 << 16 | 61 << 8 | 49);
        mask.setRGB(1, 0, 12 << 16);
        mask.setRGB(2, 1, 44 << 16 | 1 << 8);
        ImageIO.write(mask, "png", masks.resolve("a.png").toFile());
        CocoSegmentation coco = CocoSegmentation.read(json, directory.resolve("val2017"), null);
        assertThat(coco.categories())
                .extracting(SegmentedPictures.Category::name)
                .containsExactly("person", "train", "sky-other-merged");
        assertThat(coco.pictures())
                .containsExactly(new SegmentedPictures.Picture("a.jpg", directory.resolve("val2017/a.jpg")));
        LabelMap labels = coco.labels(coco.pictures().get(0));
        assertThat(labels.labels()).containsExactly(0, 2, NONE, NONE, NONE, 1);

        SegmentationProtocol things = SegmentationProtocol.things(coco.categories());
        assertThat(things.classes()).containsExactly("person", "train");
        assertThat(things.classes(labels)).containsExactly(0, NONE, NONE, NONE, NONE, 1);
        assertThat(SegmentationProtocol.labels(coco.categories()).classes()).hasSize(3);

        mask.setRGB(0, 1, 99 << 16);
        ImageIO.write(mask, "png", masks.resolve("a.png").toFile());
        assertThatThrownBy(() -> coco.labels(coco.pictures().get(0)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("segment 99 at 0,1");
        Files.delete(masks.resolve("a.png"));
        assertThatThrownBy(() -> coco.labels(coco.pictures().get(0))).isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void readsInstancesTheSmallerOneOnTop() throws IOException {
        Path json = write("instances_val2017.json", """
                {"annotations": [
                   {"image_id": 5, "category_id": 1, "area": 4, "iscrowd": 0, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]},
                   {"image_id": 5, "category_id": 7, "area": 9, "iscrowd": 0,
                    "segmentation": [[0, 0, 3, 0, 3, 3, 0, 3], [3, 3, 4, 3, 4, 4, 3, 4]]},
                   {"image_id": 5, "category_id": 1, "area": 1, "iscrowd": 1,
                    "segmentation": {"counts": [15, 1], "size": [4, 4]}},
                   {"image_id": 6, "category_id": 7, "area": 2, "segmentation": {"counts": "11", "size": [2, 1]}}],
                 "images": [{"file_name": "a.jpg", "width": 4, "height": 4, "id": 5},
                            {"file_name": "b.jpg", "width": 1, "height": 2, "id": 6},
                            {"file_name": "nothing.jpg", "width": 1, "height": 1, "id": 8}],
                """ + CATEGORIES + "}");
        CocoSegmentation coco = CocoSegmentation.read(json, directory, null);
        assertThat(coco.categories()).hasSize(4);
        int nothing = 3;
        LabelMap first = coco.labels(coco.pictures().get(0));
        assertThat(first.labels())
                .containsExactly(
                        0, 0, 1, nothing, //
                        0, 0, 1, nothing, //
                        1, 1, 1, nothing, //
                        nothing, nothing, nothing, 0);
        assertThat(coco.labels(coco.pictures().get(1)).labels()).containsExactly(nothing, 1);
        assertThat(coco.labels(coco.pictures().get(2)).labels()).containsExactly(nothing);
        assertThat(SegmentationProtocol.things(coco.categories()).classes(first))
                .startsWith(0, 0, 1, NONE)
                .endsWith(NONE, NONE, NONE, 0);
        assertThat(SegmentationProtocol.labels(coco.categories()).classes())
                .as("what has no label is no class")
                .hasSize(3);
    }

    @Test
    void vocOnCocoTakesTheRestAsBackground() {
        List<SegmentedPictures.Category> categories = new ArrayList<>();
        for (String name : SegmentationProtocol.VOC_CLASSES.subList(1, 21)) {
            String coco = switch (name) {
                case "aeroplane" -> "airplane";
                case "motorbike" -> "motorcycle";
                case "sofa" -> "couch";
                case "tv monitor" -> "tv";
                default -> name;
            };
            categories.add(new SegmentedPictures.Category(coco, true));
        }
        categories.add(new SegmentedPictures.Category("zebra", true));
        SegmentationProtocol voc = SegmentationProtocol.voc(categories);
        assertThat(voc.classes())
                .hasSize(21)
                .startsWith("background", "aeroplane")
                .endsWith("tv monitor");
        assertThat(voc.classes(new LabelMap(4, 1, new int[] {0, 19, 20, NONE}))).containsExactly(1, 20, 0, NONE);
        assertThatThrownBy(() -> SegmentationProtocol.voc(categories.subList(3, 10)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no category is called \"aeroplane\"");
    }

    @Test
    void readsPascalVoc() throws IOException {
        Files.createDirectories(directory.resolve("ImageSets/Segmentation"));
        Path masks = Files.createDirectories(directory.resolve("SegmentationClass"));
        Files.writeString(directory.resolve("ImageSets/Segmentation/val.txt"), "2007_000033\n2007_000042\n");
        BufferedImage mask = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_GRAY);
        mask.getRaster().setSample(0, 0, 0, 15);
        mask.getRaster().setSample(1, 0, 0, 255);
        ImageIO.write(mask, "png", masks.resolve("2007_000033.png").toFile());
        MaskDirectory voc = MaskDirectory.voc(directory, "val");
        assertThat(voc.pictures()).hasSize(2);
        assertThat(voc.pictures().get(0).file()).isEqualTo(directory.resolve("JPEGImages/2007_000033.jpg"));
        SegmentationProtocol labels = SegmentationProtocol.labels(voc.categories());
        assertThat(labels.classes().get(15)).isEqualTo("person");
        assertThat(labels.classes(voc.labels(voc.pictures().get(0)))).containsExactly(15, NONE);
        assertThat(SegmentationProtocol.voc(voc.categories()).classOf()).isEqualTo(labels.classOf());
        mask.getRaster().setSample(0, 0, 0, 21);
        ImageIO.write(mask, "png", masks.resolve("2007_000033.png").toFile());
        assertThatThrownBy(() -> voc.labels(voc.pictures().get(0)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("label 21, but there are 21 classes");
        assertThatThrownBy(() -> MaskDirectory.voc(directory, "test")).isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void badAnnotationsAreNamed() throws IOException {
        String image = "{\"images\": [{\"file_name\": \"a\", \"width\": 2, \"height\": 2, \"id\": 1}], " + CATEGORIES
                + ", \"annotations\": [%s]}";
        assertRefused("0 pictures", "{\"images\": []}");
        assertRefused(
                "needs x and y",
                String.format(image, "{\"image_id\": 1, \"category_id\": 1, \"segmentation\": [[1, 2, 3, 4]]}"));
        assertRefused("element 0 of \"annotations\"", String.format(image, "{\"image_id\": 1, \"category_id\": 1}"));
        assertRefused(
                "limit", "{\"images\": [{\"file_name\": \"a\", \"width\": 90000, \"height\": 90000, \"id\": 1}]}");
        Path json = write("runs.json", String.format(image, """
                {"image_id": 1, "category_id": 1, "segmentation": {"counts": [1, 2], "size": [2, 2]}},
                {"image_id": 1, "category_id": 99, "segmentation": [[0, 0, 1, 0, 1, 1]]}"""));
        CocoSegmentation coco = CocoSegmentation.read(json, directory, null);
        assertThatThrownBy(() -> coco.labels(coco.pictures().get(0)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("an instance of a in")
                .hasMessageContaining("hold 3 pixels");
    }

    private void assertRefused(String message, String contents) throws IOException {
        Path json = write("bad.json", contents);
        assertThatThrownBy(() -> CocoSegmentation.read(json, directory, null))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message);
    }

    private Path write(String name, String contents) throws IOException {
        return Files.writeString(directory.resolve(name), contents);
    }
}
