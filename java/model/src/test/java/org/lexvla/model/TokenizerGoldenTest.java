package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.Golden;

/**
 * The published tokenizer against SentencePiece's own answers. Its licence keeps the model file out of the project: these
 * cases run where the golden directory holds it.
 */
class TokenizerGoldenTest {
    private static final Path DIRECTORY = Golden.directory().resolve("tokenizer");

    private static JsonNode cases() throws IOException {
        assumeTrue(Files.isRegularFile(DIRECTORY.resolve("tokenizer.model")), "no tokenizer.model in " + DIRECTORY);
        return new ObjectMapper()
                .readTree(DIRECTORY.resolve("encode_cases.json").toFile());
    }

    @Test
    void encodes() throws IOException {
        JsonNode cases = cases().get("cases");
        List<String> wrong = new ArrayList<>();
        try (Tokenizer tokenizer = Tokenizer.load(DIRECTORY)) {
            for (JsonNode one : cases) {
                String text = one.get("text").asText();
                int[] ids = tokenizer.encode(text);
                if (!Arrays.equals(ids, ints(one.get("ids")))) {
                    wrong.add(one.get("group").asText() + " '" + text + "': " + Arrays.toString(ids) + ", expected "
                            + one.get("ids"));
                } else if (one.has("decoded")
                        && !tokenizer.decode(ids).equals(one.get("decoded").asText())) {
                    wrong.add(one.get("group").asText() + " '" + text + "' decoded: '" + tokenizer.decode(ids) + "'");
                }
            }
        }
        assertThat(cases).isNotEmpty();
        assertThat(wrong).as("of " + cases.size() + " cases").isEmpty();
    }

    @Test
    void decodes() throws IOException {
        JsonNode cases = cases().get("decode_cases");
        List<String> wrong = new ArrayList<>();
        try (Tokenizer tokenizer = Tokenizer.load(DIRECTORY)) {
            for (JsonNode one : cases) {
                String text = tokenizer.decode(ints(one.get("ids")));
                if (!text.equals(one.get("text").asText())) {
                    wrong.add(one.get("ids") + ": '" + text + "', expected '"
                            + one.get("text").asText() + "'");
                }
            }
        }
        assertThat(cases).isNotEmpty();
        assertThat(wrong).as("of " + cases.size() + " cases").isEmpty();
    }

    @Test
    void piecesAreThoseOfTheModel() throws IOException {
        cases();
        JsonNode pieces =
                new ObjectMapper().readTree(DIRECTORY.resolve("vocab.json").toFile());
        JsonNode list = pieces.get("rows");
        try (Tokenizer tokenizer = Tokenizer.load(DIRECTORY)) {
            assertThat(tokenizer.size()).isEqualTo(list.size());
            assertThat(tokenizer.bos()).isEqualTo(1);
            for (JsonNode piece : list) {
                assertThat(tokenizer.tokens().get(piece.get(0).asInt()).piece())
                        .isEqualTo(piece.get(1).asText());
            }
        }
    }

    private static int[] ints(JsonNode array) {
        int[] values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).asInt();
        }
        return values;
    }
}
