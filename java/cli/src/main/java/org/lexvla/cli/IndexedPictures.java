package org.lexvla.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Where the pictures of an index were when it was made: {@code pictures.json} in its directory, a path seen from there, so that both may
 * be moved together. To search nobody needs it, to show what was found does.
 */
final class IndexedPictures {
    private static final String NOTE = "pictures.json";
    private static final String DATA = "data";
    private static final ObjectMapper JSON = new ObjectMapper();

    private IndexedPictures() {}

    /** Notes what an index was made of. */
    static void note(Path index, Path data) throws IOException {
        Path directory = index.toAbsolutePath().normalize();
        Path pictures = data.toAbsolutePath().normalize();
        Path seen = directory.getRoot().equals(pictures.getRoot()) ? directory.relativize(pictures) : pictures;
        NewFile.writeBytes(
                directory.resolve(NOTE),
                JSON.writerWithDefaultPrettyPrinter()
                        .writeValueAsString(Map.of(DATA, seen.toString()))
                        .getBytes(StandardCharsets.UTF_8));
    }

    /**
     * What an index was made of.
     *
     * @return null if it does not say so, or if that has gone
     * @throws IOException if the note cannot be read
     */
    static Path data(Path index) throws IOException {
        Path note = index.resolve(NOTE);
        if (!Files.exists(note)) {
            return null;
        }
        JsonNode root;
        try {
            root = JSON.readTree(Files.readAllBytes(note));
        } catch (JsonProcessingException e) {
            throw new IOException(note + " is not JSON: remove it and say with --data where the pictures are", e);
        }
        Path data = index.resolve(root.path(DATA).asText("")).normalize();
        return Files.exists(data) ? data : null;
    }

    /** The files of pictures by the ids that an index made of them has. */
    static Map<String, Path> files(Path data) throws IOException {
        Map<String, Path> files = new HashMap<>();
        for (Inputs.Picture picture : Inputs.pictures(data)) {
            files.put(picture.id(), picture.file());
        }
        return files;
    }
}
