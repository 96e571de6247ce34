package org.lexvla.model;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** The small tokenizer among the test resources, as the files of a model directory. */
final class TinyTokenizer {
    static final String JSON = "tokenizer.json";
    static final String MODEL = "tokenizer.model";
    static final String CONFIG = "tokenizer_config.json";

    private TinyTokenizer() {}

    /** Copies the named files into a directory. */
    static Path install(Path directory, String... files) throws IOException {
        Files.createDirectories(directory);
        for (String file : files) {
            try (InputStream in = TinyTokenizer.class.getResourceAsStream("tokenizer/" + file)) {
                Files.write(directory.resolve(file), in.readAllBytes());
            }
        }
        return directory;
    }
}
