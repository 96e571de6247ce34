package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

class BulkFormatTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Vocabulary WORDS = vocabulary(100);

    @Test
    void anItemIsTwoLines() throws IOException {
        LexicalVector vector = LexicalVector.of(WORDS, new int[] {3, 42}, new float[] {0.5f, 0.1f});
        for (BulkFormat format : BulkFormat.values()) {
            StringWriter out = new StringWriter();
            format.write("a \"b\"\nü.png", vector, out);
            format.write("empty", LexicalVector.of(WORDS, new int[0], new float[0]), out);
            String[] lines = out.toString().split("\n");
            assertThat(out.toString()).endsWith("\n");
            assertThat(lines).hasSize(4);
            assertThat(JSON.readTree(lines[0]).at("/index/_id").asText()).isEqualTo("a \"b\"\nü.png");
            JsonNode words = JSON.readTree(lines[1]).get("words");
            assertThat(words).hasSize(2);
            assertThat(words.get("3").floatValue()).isEqualTo(0.5f);
            // Nine significant bits next to 0.1, or all of them.
            assertThat(words.get("42").floatValue())
                    .isEqualTo(format == BulkFormat.SEISMIC ? 0.1f : FeatureWeight.round(0.1f));
            assertThat(lines[3]).isEqualTo("{\"words\":{}}");
        }
        assertThat(FeatureWeight.round(0.1f)).isNotEqualTo(0.1f);
    }

    @Test
    void whatEnginesRefuseIsLeftOutOrNamed() throws IOException {
        StringWriter out = new StringWriter();
        BulkFormat.OPENSEARCH.write(
                "a", LexicalVector.of(WORDS, new int[] {0, 1, 2}, new float[] {0, Float.MIN_VALUE, 1}), out);
        assertThat(out.toString()).endsWith("{\"words\":{\"2\":1.0}}\n");
        for (float wrong : new float[] {-1, Float.NaN, Float.POSITIVE_INFINITY}) {
            LexicalVector vector = LexicalVector.of(WORDS, new int[] {0}, new float[] {wrong});
            assertThatThrownBy(() -> BulkFormat.SEISMIC.write("a", vector, new StringWriter()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("item 'a' has the weight " + wrong);
        }
    }

    @Test
    void theMappingNamesFieldAndVocabulary() throws IOException {
        for (BulkFormat format : BulkFormat.values()) {
            JsonNode mapping = JSON.readTree(format.mapping(WORDS));
            assertThat(mapping.at("/mappings/_meta").get("lexvla.vocabulary").asText())
                    .isEqualTo(WORDS.fingerprint());
            assertThat(mapping.at("/mappings/properties/words/type").asText())
                    .isEqualTo(format == BulkFormat.OPENSEARCH ? "rank_features" : "sparse_vector");
        }
    }

    @Test
    void seismicRefusesMoreWordsThanItTellsApart() {
        BulkFormat.SEISMIC.requireFits(vocabulary(32_768));
        BulkFormat.OPENSEARCH.requireFits(vocabulary(32_769));
        assertThatThrownBy(() -> BulkFormat.SEISMIC.requireFits(vocabulary(32_769)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("32769 words, SEISMIC tells 32768 apart");
    }

    private static Vocabulary vocabulary(int size) {
        List<Token> tokens = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            tokens.add(new Token(i, "a".repeat(1 + i % 5), true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
