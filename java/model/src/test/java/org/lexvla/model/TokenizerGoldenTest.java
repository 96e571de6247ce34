package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.lexvla.testing.Golden;

/**
 * SentencePiece's own answers, for {@code tokenizer.model} and, where it lies beside, the same tokenizer as
 * {@code tokenizer.json}. The project holds a small one of its own making; the licence of Llama 2's keeps that out.
 */
class TokenizerGoldenTest {
    private static final Path DIRECTORY = Golden.directory().resolve("tokenizer");

    /** One of the two files; control tokens are found in a text by only one of them. */
    private record Opened(String file, Tokenizer tokenizer, boolean findsControlTokens) {}

    private static final List<Opened> TOKENIZERS = new ArrayList<>();

    @BeforeAll
    static void open() throws IOException {
        Path model = DIRECTORY.resolve("tokenizer.model");
        assumeTrue(Files.isRegularFile(model), "no tokenizer.model in " + DIRECTORY);
        TOKENIZERS.add(new Opened("tokenizer.model", SentencePieceTokenizer.open(model), false));
        Path json = DIRECTORY.resolve("tokenizer.json");
        if (Files.isRegularFile(json)) {
            TOKENIZERS.add(new Opened("tokenizer.json", JsonTokenizer.open(json), true));
        }
    }

    @AfterAll
    static void close() {
        TOKENIZERS.forEach(opened -> opened.tokenizer().close());
        TOKENIZERS.clear();
    }

    private static Stream<JsonNode> cases(String kind) {
        JsonNode list = json("encode_cases.json").get(kind);
        assertThat(list).isNotEmpty();
        return StreamSupport.stream(list.spliterator(), false);
    }

    private static JsonNode json(String name) {
        try {
            return new ObjectMapper().readTree(DIRECTORY.resolve(name).toFile());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @TestFactory
    Stream<DynamicContainer> encodes() {
        return TOKENIZERS.stream()
                .map(opened -> DynamicContainer.dynamicContainer(
                        opened.file(),
                        cases("cases")
                                .filter(one -> !opened.findsControlTokens()
                                        || !one.get("text").asText().matches("(?s).*<(s|/s|unk)>.*"))
                                .map(one -> DynamicTest.dynamicTest(
                                        one.get("group").asText() + " '"
                                                + one.get("text").asText() + "'",
                                        () -> encodes(opened.tokenizer(), one)))));
    }

    private static void encodes(Tokenizer tokenizer, JsonNode one) {
        int[] ids = tokenizer.encode(one.get("text").asText());
        assertThat(ids).isEqualTo(ints(one.get("ids")));
        if (one.has("decoded")) {
            assertThat(tokenizer.decode(ids)).isEqualTo(one.get("decoded").asText());
        }
    }

    /** What SentencePiece makes of any ids; Hugging Face's library decodes broken UTF-8 in another way. */
    @TestFactory
    Stream<DynamicTest> decodes() {
        Tokenizer tokenizer = TOKENIZERS.get(0).tokenizer();
        return cases("decode_cases")
                .map(one -> DynamicTest.dynamicTest(
                        one.get("ids").toString(),
                        () -> assertThat(tokenizer.decode(ints(one.get("ids"))))
                                .isEqualTo(one.get("text").asText())));
    }

    @Test
    void piecesAreThoseOfTheModel() {
        JsonNode rows = json("vocab.json").get("rows");
        for (Opened opened : TOKENIZERS) {
            Tokenizer tokenizer = opened.tokenizer();
            assertThat(tokenizer.size()).isEqualTo(rows.size());
            assertThat(tokenizer.bos()).isEqualTo(1);
            for (JsonNode piece : rows) {
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
