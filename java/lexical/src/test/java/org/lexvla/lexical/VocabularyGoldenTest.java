package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.Golden;

/** SPEC §1 on the real tokenizer. */
class VocabularyGoldenTest {
    /** Type of the pieces that are neither unknown, control, user-defined, unused nor byte. */
    private static final int NORMAL = 1;

    @Test
    void keeps17234TokensOfLlama2() throws IOException {
        Path file = Golden.directory().resolve("tokenizer/vocab.json");
        assumeTrue(
                Files.exists(file),
                "the Llama 2 vocabulary is not in " + Golden.directory() + ": its licence keeps it out");
        List<Token> tokens = new ArrayList<>();
        for (JsonNode row :
                new ObjectMapper().readTree(Files.readAllBytes(file)).get("rows")) {
            tokens.add(new Token(
                    row.get(0).asInt(), row.get(1).asText(), row.get(3).asInt() == NORMAL));
        }
        assertThat(tokens).hasSize(32_000);

        Vocabulary vocabulary = Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);

        assertThat(vocabulary.size()).isEqualTo(17_234);
        int marked = 0;
        for (int id = 0; id < vocabulary.size(); id++) {
            assertThat(vocabulary.word(id)).matches("[a-z]+");
            assertThat(vocabulary.piece(id))
                    .isEqualTo(tokens.get(vocabulary.tokenId(id)).piece());
            marked += vocabulary.piece(id).startsWith("▁") ? 1 : 0;
        }
        // The reference counts 9,296 pieces with the mark and 7,938 without.
        assertThat(marked).isEqualTo(9_296);
        assertThat(vocabulary.lexicalIds("horse")).isNotEmpty();
    }
}
