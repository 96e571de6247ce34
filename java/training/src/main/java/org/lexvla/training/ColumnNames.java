package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.lexvla.model.ImageTransform;

/**
 * Under which names a shard has its pictures and captions.
 *
 * @param image   name of the column, or end of a member's name; empty: the usual ones
 * @param caption in the same way
 */
record ColumnNames(String image, String caption) {
    /** Ends of the names of pictures, in the order in which they are looked for. */
    static final List<String> PICTURES = List.of("jpg", "jpeg", "png", "webp", "gif", "bmp");

    private static final List<String> IMAGE_COLUMNS =
            List.of("image", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes", "file", "file_name", "path");
    private static final List<String> CAPTION_COLUMNS = List.of("caption", "text", "txt");
    private static final List<String> KEY_COLUMNS = List.of("key", "__key__", "id", "image_id");

    /** What a column holds. */
    enum Kind {
        /** An encoded picture. */
        BYTES,
        /** A text; in the place of a picture, its file, relative to the shard. */
        TEXT,
        /** A structure with the field {@code bytes}, as the data sets of Hugging Face have it. */
        STRUCTURE,
        OTHER
    }

    /** The field of a structure that holds the picture. */
    static final String BYTES = "bytes";

    /**
     * The columns of a shard.
     *
     * @param key may be null: then every row is a picture of its own
     */
    record Chosen(String image, Kind kind, String caption, String key) {}

    /**
     * Finds them.
     *
     * @param shard for messages
     * @param found all columns with their kinds
     * @throws IOException naming what was found, if there is no picture or no caption
     */
    Chosen choose(Path shard, Map<String, Kind> found) throws IOException {
        String picture = choose(shard, found, image.isEmpty() ? IMAGE_COLUMNS : List.of(image), true);
        String text = choose(shard, found, caption.isEmpty() ? CAPTION_COLUMNS : List.of(caption), false);
        String key = KEY_COLUMNS.stream()
                .filter(name -> found.get(name) == Kind.TEXT)
                .findFirst()
                .orElse(null);
        return new Chosen(picture, found.get(picture), text, key);
    }

    private static String choose(Path shard, Map<String, Kind> found, List<String> names, boolean picture)
            throws IOException {
        for (String name : names) {
            Kind kind = found.getOrDefault(name, Kind.OTHER);
            if (picture ? kind != Kind.OTHER : kind == Kind.TEXT) {
                return name;
            }
        }
        List<String> columns = new ArrayList<>();
        found.forEach((name, kind) -> columns.add(name + " (" + kind.name().toLowerCase(Locale.ROOT) + ")"));
        throw new IOException(shard + " has no column of " + (picture ? "pictures" : "captions") + ": looked for "
                + String.join(", ", names) + " of kind "
                + (picture ? "bytes, text (a file) or structure (with the field bytes)" : "text") + ", it has "
                + (columns.isEmpty() ? "none" : String.join(", ", columns)) + "; name it with data."
                + (picture ? "image" : "caption"));
    }

    /** A sample of a row whose picture is given as bytes or as a file, or is missing. */
    static Sample sample(Path shard, long row, String key, byte[] bytes, String file, String caption) {
        String ownKey = key == null ? shard.getFileName() + ":" + row : key;
        if (caption == null || caption.isBlank()) {
            return Sample.flawed(row, ownKey, "no caption");
        }
        if (bytes == null && (file == null || file.isBlank())) {
            return Sample.flawed(row, ownKey, "no picture");
        }
        if (bytes != null) {
            return new Sample(row, ownKey, caption.strip(), () -> ImageTransform.read(bytes, ownKey), null);
        }
        Path picture = shard.resolveSibling(file);
        return new Sample(
                row, key == null ? picture.toString() : key, caption.strip(), () -> ImageTransform.read(picture), null);
    }
}
