package org.lexvla.evaluation;

import com.fasterxml.jackson.databind.JsonNode;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.imageio.ImageIO;

/**
 * MSCOCO's segmentations in both published forms:
 * <ul>
 *   <li>panoptic, {@code panoptic_val2017.json} with a directory of PNG files, whose colours number the segments of a picture
 *       ({@code R + 256 G + 65536 B}); number 0 is ignored;
 *   <li>instances, {@code instances_val2017.json}, with polygons and runs of pixels. Where instances lie on each other, the smaller
 *       one shows. What belongs to none has a category of its own, the last one, without a name.
 * </ul>
 * Labels are the categories by rising id, numbered without gaps. Crowds count as what they are crowds of.
 */
public final class CocoSegmentation implements SegmentedPictures {
    /** Pixels of the largest picture that is read, as for pictures elsewhere. */
    private static final long LARGEST = 1L << 26;

    /** A segment of a panoptic picture. */
    private record Segment(int number, long category) {}

    /** An instance; either polygons or runs. */
    private record Shape(long category, double area, float[][] polygons, long[] runs) {}

    /** What is known of a picture. */
    private static final class Entry {
        private final Picture picture;
        private final int width;
        private final int height;
        private final List<Shape> shapes = new ArrayList<>();
        private List<Segment> segments = List.of();
        private String png;

        Entry(Picture picture, int width, int height) {
            this.picture = picture;
            this.width = width;
            this.height = height;
        }
    }

    private final Path json;
    private final Path masks;
    private final boolean panoptic;
    private final List<Category> categories;
    private final Map<Long, Integer> labelOf;
    private final Map<String, Entry> entries;

    private CocoSegmentation(
            Path json,
            Path masks,
            boolean panoptic,
            List<Category> categories,
            Map<Long, Integer> labelOf,
            Map<String, Entry> entries) {
        this.json = json;
        this.masks = masks;
        this.panoptic = panoptic;
        this.categories = List.copyOf(categories);
        this.labelOf = labelOf;
        this.entries = entries;
    }

    /**
     * Reads the annotations; which of the two forms they have, the file tells.
     *
     * @param json   annotations
     * @param images directory of the pictures
     * @param masks  directory of the PNG files of a panoptic file; null: the directory beside it that has its name
     * @throws IOException if the file is missing or damaged, or has another layout
     */
    public static CocoSegmentation read(Path json, Path images, Path masks) throws IOException {
        Reading reading = new Reading(images);
        JsonRecords.read(
                json,
                Map.of(
                        "images", reading::image,
                        "annotations", reading::annotation,
                        "categories", reading::category));
        String name = json.getFileName().toString();
        int dot = name.lastIndexOf('.');
        Path beside = json.resolveSibling(dot > 0 ? name.substring(0, dot) : name + "-masks");
        return reading.finish(json, masks == null ? beside : masks);
    }

    @Override
    public List<Category> categories() {
        return categories;
    }

    @Override
    public List<Picture> pictures() {
        return entries.values().stream().map(entry -> entry.picture).toList();
    }

    @Override
    public LabelMap labels(Picture picture) throws IOException {
        Entry entry = entries.get(picture.id());
        if (entry == null) {
            throw new IllegalArgumentException("no picture " + picture.id() + " in " + json);
        }
        return panoptic ? panopticLabels(entry) : instanceLabels(entry);
    }

    private LabelMap panopticLabels(Entry entry) throws IOException {
        Path file = masks.resolve(entry.png);
        if (!Files.isRegularFile(file)) {
            throw new NoSuchFileException(file.toString());
        }
        BufferedImage image = ImageIO.read(file.toFile());
        if (image == null || image.getRaster().getNumBands() < 3) {
            throw new IOException("mask " + file + " is no picture in colour: panoptic masks are PNG files in RGB");
        }
        Map<Integer, Integer> labels = new HashMap<>();
        labels.put(0, ConfusionMatrix.IGNORE);
        for (Segment segment : entry.segments) {
            labels.put(segment.number, label(segment.category));
        }
        int width = image.getWidth();
        int height = image.getHeight();
        int[] map = new int[width * height];
        int[] samples = new int[width * image.getRaster().getNumBands()];
        int bands = image.getRaster().getNumBands();
        for (int y = 0; y < height; y++) {
            image.getRaster().getPixels(0, y, width, 1, samples);
            for (int x = 0; x < width; x++) {
                int at = x * bands;
                int number = samples[at] + 256 * samples[at + 1] + 65536 * samples[at + 2];
                Integer label = labels.get(number);
                if (label == null) {
                    throw new IOException("mask " + file + " has the segment " + number + " at " + x + "," + y
                            + ", which " + json + " does not name");
                }
                map[y * width + x] = label;
            }
        }
        return new LabelMap(width, height, map);
    }

    private LabelMap instanceLabels(Entry entry) throws IOException {
        int[] map = new int[entry.width * entry.height];
        Arrays.fill(map, categories.size() - 1);
        List<Shape> largestFirst = new ArrayList<>(entry.shapes);
        largestFirst.sort(Comparator.comparingDouble(Shape::area).reversed());
        for (Shape shape : largestFirst) {
            int label = label(shape.category);
            try {
                for (float[] polygon : shape.polygons) {
                    CocoMask.paintPolygon(map, entry.width, polygon, label);
                }
                if (shape.runs != null) {
                    CocoMask.paintRuns(map, entry.width, shape.runs, label);
                }
            } catch (IllegalArgumentException e) {
                throw new IOException(
                        "an instance of " + entry.picture.id() + " in " + json + ": " + e.getMessage(), e);
            }
        }
        return new LabelMap(entry.width, entry.height, map);
    }

    private int label(long category) throws IOException {
        Integer label = labelOf.get(category);
        if (label == null) {
            throw new IOException(json + " uses the category " + category + ", which it does not name");
        }
        return label;
    }

    /** What has been read up to now; in which order the arrays come is not said anywhere. */
    private static final class Reading {
        private final Path images;
        private final Map<Long, Entry> entries = new LinkedHashMap<>();
        private final Map<Long, List<Shape>> shapes = new HashMap<>();
        private final Map<Long, JsonNode> panoptic = new HashMap<>();
        private final Map<Long, Category> categories = new TreeMap<>();

        Reading(Path images) {
            this.images = images;
        }

        void image(JsonNode image) {
            String name = image.required("file_name").asText();
            int width = image.required("width").asInt();
            int height = image.required("height").asInt();
            if (width < 1 || height < 1 || (long) width * height > LARGEST) {
                throw new IllegalArgumentException(
                        name + " is said to have " + width + "x" + height + " pixels, limit " + LARGEST);
            }
            entries.put(
                    image.required("id").asLong(), new Entry(new Picture(name, images.resolve(name)), width, height));
        }

        void category(JsonNode category) {
            categories.put(
                    category.required("id").asLong(),
                    new Category(
                            category.required("name").asText(),
                            category.path("isthing").asInt(1) == 1));
        }

        void annotation(JsonNode annotation) {
            long image = annotation.required("image_id").asLong();
            if (annotation.has("segments_info")) {
                annotation.required("file_name");
                panoptic.put(image, annotation);
            } else {
                shapes.computeIfAbsent(image, none -> new ArrayList<>()).add(shape(annotation));
            }
        }

        private static Shape shape(JsonNode annotation) {
            JsonNode segmentation = annotation.required("segmentation");
            long category = annotation.required("category_id").asLong();
            double area = annotation.path("area").asDouble();
            if (segmentation.isObject()) {
                JsonNode counts = segmentation.required("counts");
                long[] runs = counts.isTextual() ? CocoMask.unpack(counts.asText()) : new long[counts.size()];
                for (int i = 0; counts.isArray() && i < runs.length; i++) {
                    runs[i] = counts.get(i).asLong();
                }
                return new Shape(category, area, new float[0][], runs);
            }
            float[][] polygons = new float[segmentation.size()][];
            for (int p = 0; p < polygons.length; p++) {
                JsonNode corners = segmentation.get(p);
                if (corners.size() < 6 || corners.size() % 2 != 0) {
                    throw new IllegalArgumentException(
                            "a polygon of " + corners.size() + " numbers: needs x and y of at least three corners");
                }
                polygons[p] = new float[corners.size()];
                for (int i = 0; i < polygons[p].length; i++) {
                    polygons[p][i] = (float) corners.get(i).asDouble();
                }
            }
            return new Shape(category, area, polygons, null);
        }

        CocoSegmentation finish(Path json, Path masks) throws IOException {
            boolean isPanoptic = !panoptic.isEmpty();
            if (entries.isEmpty() || categories.isEmpty() || (panoptic.isEmpty() && shapes.isEmpty())) {
                throw new IOException(json + " has " + entries.size() + " pictures, " + categories.size()
                        + " categories and segments of " + (panoptic.size() + shapes.size())
                        + " pictures: it must be an MSCOCO panoptic_*.json or instances_*.json");
            }
            Map<Long, Integer> labelOf = new HashMap<>();
            List<Category> byLabel = new ArrayList<>();
            categories.forEach((id, category) -> {
                labelOf.put(id, byLabel.size());
                byLabel.add(category);
            });
            if (!isPanoptic) {
                byLabel.add(new Category("", false));
            }
            if (byLabel.size() > ConfusionMatrix.IGNORE) {
                throw new IOException(json + " has " + byLabel.size() + " categories, limit " + ConfusionMatrix.IGNORE);
            }
            Map<String, Entry> byName = new LinkedHashMap<>();
            entries.forEach((id, entry) -> {
                if (isPanoptic) {
                    JsonNode annotation = panoptic.get(id);
                    if (annotation == null) {
                        return;
                    }
                    entry.png = annotation.get("file_name").asText();
                    List<Segment> segments = new ArrayList<>();
                    for (JsonNode segment : annotation.get("segments_info")) {
                        segments.add(new Segment(
                                segment.path("id").asInt(),
                                segment.path("category_id").asLong(-1)));
                    }
                    entry.segments = segments;
                } else {
                    entry.shapes.addAll(shapes.getOrDefault(id, List.of()));
                }
                byName.put(entry.picture.id(), entry);
            });
            return new CocoSegmentation(json, masks, isPanoptic, byLabel, labelOf, byName);
        }
    }
}
