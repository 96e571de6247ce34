package org.lexvla.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Finds the id that begins a prompt in the files beside a tokenizer. */
final class BeginToken {
    private BeginToken() {}

    /**
     * From {@code tokenizer_config.json}, else {@code special_tokens_map.json}, else the id in {@code config.json}, else the
     * piece {@code <s>}.
     *
     * @param ids the id of each piece
     * @throws IOException if none of them says, or the piece they name does not exist
     */
    static int find(Path directory, Map<String, Integer> ids, int size) throws IOException {
        for (String name : new String[] {"tokenizer_config.json", "special_tokens_map.json"}) {
            JsonNode token = read(directory.resolve(name)).path("bos_token");
            String piece = token.isObject() ? token.path("content").asText(null) : token.asText(null);
            if (piece != null && !piece.isEmpty()) {
                Integer id = ids.get(piece);
                if (id == null) {
                    throw new IOException(directory.resolve(name) + " names the bos_token '" + piece
                            + "', which the tokenizer does not have");
                }
                return id;
            }
        }
        Path config = directory.resolve("config.json");
        JsonNode id = read(config).path("bos_token_id");
        if (id.isInt()) {
            if (id.asInt() < 0 || id.asInt() >= size) {
                throw new IOException(
                        config + " says bos_token_id " + id.asInt() + ", but the tokenizer has " + size + " tokens");
            }
            return id.asInt();
        }
        Integer usual = ids.get("<s>");
        if (usual == null) {
            throw new IOException("no beginning token for the tokenizer in " + directory
                    + ": put bos_token into tokenizer_config.json or bos_token_id into config.json");
        }
        return usual;
    }

    private static JsonNode read(Path file) throws IOException {
        return Files.isRegularFile(file) ? LexVlaConfig.tree(file) : MissingNode.getInstance();
    }
}
