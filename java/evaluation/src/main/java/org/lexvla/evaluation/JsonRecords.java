package org.lexvla.evaluation;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Annotation files are one JSON object with a few very long arrays. They are read element by element, so that memory holds
 * what is kept of them and not the file: that of COCO's training captions has hundreds of megabytes.
 */
final class JsonRecords {
    private static final ObjectMapper JSON = new ObjectMapper();

    private JsonRecords() {}

    /**
     * Hands every element of the named arrays to its taker, in the order of the file; all else is skipped.
     *
     * @param takers by name of the array; an {@link IllegalArgumentException} of one names the element in the error
     * @throws IOException if the file is missing, is no JSON object, or an element is not what its taker expects
     */
    static void read(Path file, Map<String, Consumer<JsonNode>> takers) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new NoSuchFileException(file.toString());
        }
        try (JsonParser parser = JSON.createParser(file.toFile())) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new IOException(file + " is no annotation file: it does not begin with a JSON object");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                Consumer<JsonNode> taker = takers.get(name);
                if (parser.nextToken() != JsonToken.START_ARRAY || taker == null) {
                    parser.skipChildren();
                    continue;
                }
                for (int element = 0; parser.nextToken() != JsonToken.END_ARRAY; element++) {
                    JsonNode node = parser.readValueAsTree();
                    try {
                        taker.accept(node);
                    } catch (IllegalArgumentException e) {
                        throw new IOException(
                                "element " + element + " of \"" + name + "\" in " + file + ": " + e.getMessage(), e);
                    }
                }
            }
        } catch (JsonProcessingException e) {
            throw new IOException(file + " is not JSON, perhaps cut short: " + e.getOriginalMessage(), e);
        }
    }
}
