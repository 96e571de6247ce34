package org.lexvla.search;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Writer;
import java.util.Locale;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;

/**
 * Vectors as the bulk interfaces of search engines take them: newline-delimited JSON, for each item a line that says what is to be
 * done and a line with the document.
 *
 * <pre>
 * {"index":{"_id":"fox.jpg"}}
 * {"words":{"1234":0.209,"977":0.181}}
 * </pre>
 *
 * <p>Words are named by their lexical id: a name with a dot in it is silently lost by OpenSearch. Weights that are 0 or below
 * {@link Float#MIN_NORMAL} are left out, because one of them makes an engine refuse the document.
 */
public enum BulkFormat {
    /** OpenSearch {@code rank_features}: any number of words; weights keep 9 significant bits and are rounded to that here. */
    OPENSEARCH,
    /** Elasticsearch {@code sparse_vector}: as above. */
    ELASTICSEARCH,
    /** OpenSearch {@code sparse_vector} with SEISMIC: words are folded into 32,768, so a larger vocabulary is refused. */
    SEISMIC;

    private static final ObjectMapper JSON = new ObjectMapper();
    /** Field of the words, one sub-field each. */
    static final String FIELD = "words";
    /** Field of an item's number. */
    static final String ROW = "row";
    /** Words above this number would fall together with others. */
    private static final int SEISMIC_WORDS = 32_768;

    /** As it stands on the command line. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Checks that the engine can tell all words of a vocabulary apart.
     *
     * @throws IllegalArgumentException if it cannot
     */
    public void requireFits(Vocabulary vocabulary) {
        if (this == SEISMIC && vocabulary.size() > SEISMIC_WORDS) {
            throw new IllegalArgumentException("the vocabulary has " + vocabulary.size() + " words, SEISMIC tells "
                    + SEISMIC_WORDS + " apart and folds the others onto them: use rank_features, or a smaller"
                    + " vocabulary");
        }
    }

    /**
     * The body with which to create the index; its {@code _meta} names the vocabulary.
     *
     * @return one JSON object
     */
    public String mapping(Vocabulary vocabulary) {
        ObjectNode root = JSON.createObjectNode();
        ObjectNode mappings = JSON.createObjectNode();
        mappings.putObject("_meta").put("lexvla.vocabulary", vocabulary.fingerprint());
        ObjectNode field = mappings.putObject("properties").putObject(FIELD);
        switch (this) {
            case OPENSEARCH -> field.put("type", "rank_features");
            case ELASTICSEARCH -> {
                field.put("type", "sparse_vector");
                // Elasticsearch prunes queries unless told not to.
                field.putObject("index_options").put("prune", false);
            }
            case SEISMIC -> {
                root.putObject("settings").put("index.sparse", true);
                field.put("type", "sparse_vector");
                ObjectNode method = field.putObject("method");
                method.put("name", "seismic");
                // Weights become bytes, from 0 to a ceiling that is 3 and 16 unless said; those of normalised vectors
                // end at 1.
                method.putObject("parameters")
                        .put("quantization_ceiling_ingest", 1)
                        .put("quantization_ceiling_search", 1);
            }
        }
        root.set("mappings", mappings);
        return root.toPrettyString();
    }

    /**
     * Writes the two lines of an item.
     *
     * @throws IllegalArgumentException if a weight is negative or not finite
     * @throws IOException              if the writer cannot be written to
     */
    public void write(String id, LexicalVector vector, Writer out) throws IOException {
        write(id, -1, vector, out);
    }

    /** The same with the number of the item in a field of its own, if it has one from 0 on. */
    void write(String id, int row, LexicalVector vector, Writer out) throws IOException {
        try (JsonGenerator json = JSON.createGenerator(out).disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)) {
            json.disable(JsonGenerator.Feature.FLUSH_PASSED_TO_STREAM);
            json.setRootValueSeparator(null);
            json.writeStartObject();
            json.writeObjectFieldStart("index");
            json.writeStringField("_id", id);
            json.writeEndObject();
            json.writeEndObject();
            json.writeRaw('\n');
            json.writeStartObject();
            if (row >= 0) {
                json.writeNumberField(ROW, row);
            }
            json.writeObjectFieldStart(FIELD);
            int[] words = vector.ids();
            float[] weights = vector.weights();
            for (int i = 0; i < words.length; i++) {
                if (!(weights[i] >= 0) || weights[i] == Float.POSITIVE_INFINITY) {
                    throw new IllegalArgumentException("item '" + id + "' has the weight " + weights[i] + " for \""
                            + vector.vocabulary().word(words[i]) + "\": engines keep finite weights from 0 on");
                }
                if (weights[i] >= Float.MIN_NORMAL) {
                    float kept = this == SEISMIC ? weights[i] : FeatureWeight.round(weights[i]);
                    json.writeNumberField(Integer.toString(words[i]), kept);
                }
            }
            json.writeEndObject();
            json.writeEndObject();
            json.writeRaw('\n');
        }
    }
}
