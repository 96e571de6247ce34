package org.lexvla.evaluation;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Pictures with their captions, as retrieval is measured on them (SPEC §8). Two published layouts are read:
 * <ul>
 *   <li>Karpathy's splits of Flickr30k and MSCOCO, {@code dataset_*.json}: {@code images} with {@code filename}, {@code split} and
 *       {@code sentences}, for MSCOCO also {@code filepath};
 *   <li>MSCOCO's own captions, {@code captions_val2017.json}: {@code images} with {@code id} and {@code file_name}, and
 *       {@code annotations} with {@code image_id} and {@code caption}.
 * </ul>
 *
 * @param pictures in the order of the file
 * @param captions those of the first picture, then those of the second, and so on
 */
public record CaptionedPictures(List<Picture> pictures, List<Caption> captions) {
    /** Captions of a picture that published figures use: some pictures of MSCOCO have six or seven. */
    public static final int PUBLISHED_CAPTIONS = 5;

    private static final String TEST = "test";

    /**
     * A picture.
     *
     * @param id   its name in the file
     * @param file where it should lie; whether it does is for the reader of the picture to find out
     */
    public record Picture(String id, Path file) {}

    /**
     * A caption.
     *
     * @param picture index of its picture
     * @param text    not blank
     */
    public record Caption(int picture, String text) {}

    public CaptionedPictures {
        pictures = List.copyOf(pictures);
        captions = List.copyOf(captions);
        for (Caption caption : captions) {
            if (caption.picture < 0 || caption.picture >= pictures.size()) {
                throw new IllegalArgumentException("caption \"" + caption.text + "\" belongs to picture "
                        + caption.picture + " of " + pictures.size());
            }
        }
    }

    /**
     * Reads one of the two layouts; which, the file tells.
     *
     * @param json     annotations
     * @param images   directory of the pictures; those of Karpathy's MSCOCO lie in {@code train2014/} and {@code val2014/} of it, or
     *                 in it
     * @param split    of a Karpathy file: {@code train}, {@code restval}, {@code val} or {@code test}; null: {@code test}, and all of a
     *                 file that has no splits
     * @throws IOException              if the file is missing or damaged, or has another layout
     * @throws IllegalArgumentException if it has no such split
     */
    public static CaptionedPictures read(Path json, Path images, String split) throws IOException {
        Reading reading = new Reading(images, split);
        JsonRecords.read(json, Map.of("images", reading::image, "annotations", reading::annotation));
        return reading.finish(json);
    }

    /** The pictures that do not lie where they should. */
    public List<Picture> missing() {
        return pictures.stream()
                .filter(picture -> !Files.isRegularFile(picture.file))
                .toList();
    }

    /**
     * The same with fewer captions.
     *
     * @param limit of each picture, the first ones; at least 1; see {@link #PUBLISHED_CAPTIONS}
     */
    public CaptionedPictures withCaptions(int limit) {
        if (limit < 1) {
            throw new IllegalArgumentException("captions of a picture: " + limit + ", must be at least 1");
        }
        int[] seen = new int[pictures.size()];
        return new CaptionedPictures(
                pictures,
                captions.stream()
                        .filter(caption -> seen[caption.picture]++ < limit)
                        .toList());
    }

    /** What has been read up to now. */
    private static final class Reading {
        private final Path images;
        private final String split;
        private final Map<String, Integer> splits = new TreeMap<>();
        private final Map<Long, Picture> byId = new LinkedHashMap<>();
        private final Map<Long, List<String>> texts = new LinkedHashMap<>();

        Reading(Path images, String split) {
            this.images = images;
            this.split = split;
        }

        void image(JsonNode image) {
            if (!image.has("sentences")) {
                String name = image.required("file_name").asText();
                byId.put(image.required("id").asLong(), new Picture(name, images.resolve(name)));
                return;
            }
            String its = image.required("split").asText();
            splits.merge(its, 1, Integer::sum);
            if (!its.equals(split == null ? TEST : split)) {
                return;
            }
            String name = image.required("filename").asText();
            String path = image.path("filepath").asText("");
            Path below = images.resolve(path).resolve(name);
            long id = byId.size();
            byId.put(
                    id,
                    new Picture(
                            path.isEmpty() ? name : path + "/" + name,
                            path.isEmpty() || Files.exists(below) ? below : images.resolve(name)));
            for (JsonNode sentence : image.required("sentences")) {
                addText(id, sentence.required("raw").asText());
            }
        }

        void annotation(JsonNode annotation) {
            addText(
                    annotation.required("image_id").asLong(),
                    annotation.required("caption").asText());
        }

        private void addText(long id, String text) {
            // Line breaks and double spaces stand in some captions of MSCOCO.
            String tidy = text.strip().replaceAll("\\s+", " ");
            if (!tidy.isEmpty()) {
                texts.computeIfAbsent(id, none -> new ArrayList<>()).add(tidy);
            }
        }

        CaptionedPictures finish(Path json) throws IOException {
            if (byId.isEmpty() && !splits.isEmpty()) {
                throw new IllegalArgumentException(json + " has no pictures of the split "
                        + (split == null ? TEST : split) + ", only " + splits + ": choose one of these");
            }
            if (splits.isEmpty() && split != null) {
                throw new IllegalArgumentException(json + " has no splits, all of it is one: leave out " + split);
            }
            if (byId.isEmpty() || texts.isEmpty()) {
                throw new IOException(json + " has " + byId.size() + " pictures and captions of " + texts.size()
                        + ": it must be a Karpathy dataset_*.json or an MSCOCO captions_*.json");
            }
            List<Picture> pictures = new ArrayList<>();
            List<Caption> kept = new ArrayList<>();
            byId.forEach((id, picture) -> {
                for (String text : texts.getOrDefault(id, List.of())) {
                    kept.add(new Caption(pictures.size(), text));
                }
                pictures.add(picture);
            });
            return new CaptionedPictures(pictures, kept);
        }
    }
}
