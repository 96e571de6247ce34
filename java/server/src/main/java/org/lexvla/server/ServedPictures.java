package org.lexvla.server;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Where the pictures of an index lie. A client names a picture by its id in the index, which is looked up here: no part of a
 * request ever becomes a part of a path.
 */
public final class ServedPictures {
    private final Map<String, Path> files;

    private ServedPictures(Map<String, Path> files) {
        this.files = files;
    }

    /**
     * @param files for each id in the index its file
     */
    public static ServedPictures of(Map<String, Path> files) {
        return new ServedPictures(Map.copyOf(files));
    }

    /** For an index whose pictures are not at hand: it is searched, and nothing is shown. */
    public static ServedPictures none() {
        return new ServedPictures(Map.of());
    }

    /** How many there are. */
    public int size() {
        return files.size();
    }

    /** Some ids, evenly from all. */
    List<String> sample(int count) {
        List<String> all = files.keySet().stream().sorted().toList();
        int some = Math.min(count, all.size());
        return IntStream.range(0, some)
                .mapToObj(i -> all.get((int) ((long) i * all.size() / some)))
                .toList();
    }

    /** Whether there is a picture of an id. */
    public boolean has(String id) {
        return files.containsKey(id);
    }

    /** The file of an id; null if there is none. */
    Path file(String id) {
        return files.get(id);
    }
}
