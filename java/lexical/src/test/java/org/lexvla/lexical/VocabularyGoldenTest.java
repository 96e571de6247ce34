package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.Golden;

/** SPEC §1 on the pieces of the golden tokenizer; on Llama 2's, where the golden directory holds them, to the number. */
class VocabularyGoldenTest {
    private static final Path DIRECTORY = Golden.directory().resolve("tokenizer");
    /** Type of the pieces that are neither unknown, control, user-defined, unused nor byte. */
    private static final int NORMAL = 1;
    /** The digest of Llama 2's {@code tokenizer.model}. */
    private static final String LLAMA_2 = "9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347";

    private static JsonNode json(String name) throws IOException {
        return new ObjectMapper().readTree(Files.readAllBytes(DIRECTORY.resolve(name)));
    }

    private static List<Token> tokens() throws IOException {
        List<Token> tokens = new ArrayList<>();
        for (JsonNode row : json("vocab.json").get("rows")) {
            tokens.add(new Token(
                    row.get(0).asInt(), row.get(1).asText(), row.get(3).asInt() == NORMAL));
        }
        return tokens;
    }

    @Test
    void keepsNormalPiecesOfLowerCaseLetters() throws IOException {
        List<Token> tokens = tokens();
        Vocabulary vocabulary = Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
        List<Integer> expected = new ArrayList<>();
        for (Token token : tokens) {
            String word = token.piece().startsWith("▁") ? token.piece().substring(1) : token.piece();
            boolean letters = !word.isEmpty() && word.chars().allMatch(c -> c >= 'a' && c <= 'z');
            if (token.meaningful() && letters) {
                expected.add(token.id());
            }
        }
        assertThat(vocabulary.tokenIds())
                .isEqualTo(expected.stream().mapToInt(Integer::intValue).toArray());
        for (int id = 0; id < vocabulary.size(); id++) {
            assertThat(vocabulary.piece(id))
                    .isEqualTo(tokens.get(vocabulary.tokenId(id)).piece());
        }
        assertThat(vocabulary.lexicalIds("horse")).isNotEmpty();

        VocabularyReport report = VocabularyReport.of(tokens, Vocabulary.Rule.standard(), null);
        assertThat(report.kept()).isEqualTo(vocabulary.size());
        assertThat(report.dropped().get(VocabularyReport.Reason.NOT_TEXT))
                .as("<unk>, <s>, </s> and the bytes")
                .isEqualTo(259);
        if (json("model_spec.json").path("sha256").asText().equals(LLAMA_2)) {
            assertThat(tokens).hasSize(32_000);
            assertThat(vocabulary.size()).isEqualTo(17_234);
            // The reference counts 9,296 pieces with the mark and 7,938 without.
            assertThat(IntStream.range(0, vocabulary.size())
                            .filter(id -> vocabulary.piece(id).startsWith("▁")))
                    .hasSize(9_296);
            assertThat(report.dropped().get(VocabularyReport.Reason.UPPER_CASE))
                    .as("24,068 pieces of ASCII letters, less those of lower case")
                    .isEqualTo(24_068 - 17_234);
            assertThat(report.dropped().get(VocabularyReport.Reason.OTHER_CHARACTERS))
                    .isEqualTo(31_741 - 24_068);
            // The list itself stays out of the project; its digest says that it is the same.
            assertThat(vocabulary.fingerprint())
                    .isEqualTo("52cbaeb39d92b02b12e8b8b53488e3292ff66aea8906b9b7d8071d3654b98a19");
        }
    }
}
