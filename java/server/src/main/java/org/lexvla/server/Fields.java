package org.lexvla.server;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The fields of a JSON object that a client has sent, each checked when it is read. */
final class Fields {
    private static final int MAX_DEPTH = 8;
    private static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(JsonParser.Feature.AUTO_CLOSE_SOURCE);

    private final JsonNode object;

    private Fields(JsonNode object) {
        this.object = object;
    }

    /**
     * Reads an object.
     *
     * @param known names of all fields that it may have
     * @throws Refusal if it is no JSON object, or has another field
     */
    static Fields parse(byte[] body, Set<String> known) {
        JsonNode root;
        try {
            root = JSON.readTree(body);
        } catch (IOException e) {
            throw Refusal.badRequest("the body is not JSON");
        }
        if (root == null || !root.isObject()) {
            throw Refusal.badRequest("the body must be a JSON object");
        }
        return of(root, known);
    }

    private static Fields of(JsonNode root, Set<String> known) {
        for (Iterator<String> names = root.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!known.contains(name)) {
                throw Refusal.badRequest("unknown field \"" + shortened(name) + "\", known are "
                        + String.join(", ", known.stream().sorted().toList()));
            }
        }
        return new Fields(root);
    }

    /** The fields of an object inside; null if it is absent or null. */
    Fields object(String name, Set<String> known) {
        JsonNode value = object.path(name);
        if (value.isMissingNode() || value.isNull()) {
            return null;
        }
        if (!value.isObject()) {
            throw Refusal.badRequest(name + " must be an object");
        }
        return of(value, known);
    }

    /** A text without blanks around; null if it is absent or null. */
    String text(String name, int maxLength) {
        JsonNode value = object.path(name);
        if (value.isMissingNode() || value.isNull()) {
            return null;
        }
        if (!value.isTextual()) {
            throw Refusal.badRequest(name + " must be a text");
        }
        String text = value.textValue().strip();
        if (text.isEmpty()) {
            throw Refusal.badRequest(name + " is empty");
        }
        if (text.length() > maxLength) {
            throw Refusal.badRequest(name + " has " + text.length() + " characters, limit " + maxLength);
        }
        return text;
    }

    /** A whole number. */
    int number(String name, int otherwise, int min, int max) {
        JsonNode value = object.path(name);
        if (value.isMissingNode() || value.isNull()) {
            return otherwise;
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < min || value.intValue() > max) {
            throw Refusal.badRequest(name + " must be a whole number from " + min + " to " + max);
        }
        return value.intValue();
    }

    /** Numbers by word, such as {@code {"fox": 1, "snow": 0.5}}; empty if absent. */
    Map<String, Float> weights(String name, int maxWords, float max) {
        JsonNode value = object.path(name);
        Map<String, Float> weights = new LinkedHashMap<>();
        if (value.isMissingNode() || value.isNull()) {
            return weights;
        }
        if (!value.isObject() || value.size() > maxWords) {
            throw Refusal.badRequest(name + " must be an object of at most " + maxWords + " words with their weights");
        }
        for (Map.Entry<String, JsonNode> entry : value.properties()) {
            JsonNode weight = entry.getValue();
            if (!weight.isNumber() || !(weight.floatValue() >= 0) || weight.floatValue() > max) {
                throw Refusal.badRequest("the weight of \"" + shortened(entry.getKey()) + "\" in " + name
                        + " must be a number from 0 to " + max);
            }
            weights.put(entry.getKey(), weight.floatValue());
        }
        return weights;
    }

    /** Whole numbers, at least one. */
    int[] numbers(String name, int maxCount) {
        JsonNode value = object.path(name);
        if (!value.isArray() || value.isEmpty() || value.size() > maxCount) {
            throw Refusal.badRequest(name + " must be an array of 1 to " + maxCount + " whole numbers");
        }
        int[] numbers = new int[value.size()];
        for (int i = 0; i < numbers.length; i++) {
            if (!value.get(i).isIntegralNumber() || !value.get(i).canConvertToInt()) {
                throw Refusal.badRequest(name + " must be an array of whole numbers");
            }
            numbers[i] = value.get(i).intValue();
        }
        return numbers;
    }

    /** Refuses requests in which not exactly one of some fields is given. */
    void requireOne(List<String> names) {
        if (names.stream().filter(object::hasNonNull).count() != 1) {
            throw Refusal.badRequest("give one of " + String.join(", ", names));
        }
    }

    static String shortened(String text) {
        return text.length() <= 40 ? text : text.substring(0, 40) + "…";
    }
}
