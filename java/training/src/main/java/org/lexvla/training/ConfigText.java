package org.lexvla.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.lexvla.lexical.EditDistance;

/** Settings as text: YAML and dotted {@code key=value} laid over defaults, with errors that name the key. */
final class ConfigText {
    private static final YAMLMapper YAML = YAMLMapper.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .build();

    private ConfigText() {}

    static String write(TrainingConfig config) {
        try {
            return YAML.writeValueAsString(config);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("settings cannot be written as YAML", e);
        }
    }

    static TrainingConfig read(TrainingConfig defaults, Path file, List<String> settings) throws IOException {
        ObjectNode tree = YAML.valueToTree(defaults);
        if (file != null) {
            JsonNode given;
            try {
                given = YAML.readTree(Files.readString(file));
            } catch (JsonProcessingException e) {
                throw new IOException("settings " + file + " are no YAML: " + e.getMessage(), e);
            } catch (IOException e) {
                throw new IOException("settings " + file + " cannot be read: " + e, e);
            }
            // An empty file, or one of comments alone, changes nothing.
            if (given != null && !given.isMissingNode() && !given.isNull()) {
                if (!given.isObject()) {
                    throw new IOException("settings " + file + " are no list of \"key: value\"");
                }
                overlay(tree, (ObjectNode) given, "", file.toString(), tree);
            }
        }
        for (String setting : settings) {
            overlay(tree, parse(setting, tree), "", "--set", tree);
        }
        try {
            return YAML.treeToValue(tree, TrainingConfig.class);
        } catch (ValueInstantiationException e) {
            // A range check of one of the records.
            throw new IllegalArgumentException(
                    e.getCause() == null ? e.getMessage() : e.getCause().getMessage(), e);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("settings do not fit: " + e.getOriginalMessage(), e);
        }
    }

    /** {@code a.b=c} as a tree; where a text is known to stand, the value is taken as it is written. */
    private static ObjectNode parse(String setting, ObjectNode known) {
        int at = setting.indexOf('=');
        if (at < 1) {
            throw new IllegalArgumentException("\"" + setting + "\" is no setting: write key=value, such as steps=500");
        }
        String key = setting.substring(0, at).trim();
        String text = setting.substring(at + 1);
        JsonNode value = YAML.getNodeFactory().textNode(text);
        if (!text.isEmpty() && !known.at("/" + key.replace('.', '/')).isTextual()) {
            try {
                value = YAML.readTree(text);
            } catch (JsonProcessingException e) {
                // Left as a text, which is refused where another kind of value is needed.
            }
        }
        String[] keys = key.split("\\.");
        ObjectNode root = YAML.createObjectNode();
        ObjectNode node = root;
        for (int i = 0; i < keys.length - 1; i++) {
            node = node.putObject(keys[i]);
        }
        node.set(keys[keys.length - 1], value);
        return root;
    }

    private static void overlay(ObjectNode tree, ObjectNode given, String prefix, String source, ObjectNode root) {
        for (Map.Entry<String, JsonNode> entry : given.properties()) {
            String name = entry.getKey();
            String key = prefix + name;
            JsonNode known = tree.get(name);
            JsonNode value = entry.getValue();
            if (known == null) {
                String whole = key;
                for (JsonNode at = value;
                        at.isObject() && !at.isEmpty();
                        at = at.iterator().next()) {
                    whole += "." + at.fieldNames().next();
                }
                throw new IllegalArgumentException(
                        "unknown setting " + whole + " (" + source + "), the nearest is " + nearest(root, whole));
            }
            if (known.isObject()) {
                if (!value.isObject()) {
                    throw new IllegalArgumentException("setting " + key + " (" + source + ") is a group: set one of "
                            + String.join(", ", keys((ObjectNode) known, key + ".")));
                }
                overlay((ObjectNode) known, (ObjectNode) value, key + ".", source, root);
            } else {
                tree.set(name, fitting(known, value, key, source));
            }
        }
    }

    private static JsonNode fitting(JsonNode known, JsonNode value, String key, String source) {
        boolean fits;
        String expected;
        if (known.isBoolean()) {
            fits = value.isBoolean();
            expected = "true or false";
        } else if (known.isInt() || known.isLong()) {
            fits = value.isIntegralNumber();
            expected = "a whole number";
        } else if (known.isNumber()) {
            // YAML 1.1 takes 1e-3, without a point, for a text.
            if (value.isTextual()) {
                try {
                    return YAML.getNodeFactory().numberNode(Double.parseDouble(value.textValue()));
                } catch (NumberFormatException e) {
                    throw wrong(key, source, value, "a number");
                }
            }
            if (value.isNumber()) {
                // So that a 1 in a file does not make the setting one of whole numbers for what comes over it.
                return YAML.getNodeFactory().numberNode(value.doubleValue());
            }
            fits = false;
            expected = "a number";
        } else if (known.isArray()) {
            fits = value.isArray();
            expected = "a list, such as [a, b]";
        } else if (key.equals("loss.penalty")) {
            fits = value.isTextual() && List.of("overuse", "flops", "none").contains(value.textValue());
            expected = "overuse, flops or none";
        } else {
            fits = value.isValueNode() && !value.isNull();
            expected = "a text";
            if (fits && !value.isTextual()) {
                return YAML.getNodeFactory().textNode(value.asText());
            }
        }
        if (!fits) {
            throw wrong(key, source, value, expected);
        }
        return value;
    }

    private static IllegalArgumentException wrong(String key, String source, JsonNode value, String expected) {
        return new IllegalArgumentException(
                "setting " + key + " (" + source + ") is " + value + ", must be " + expected);
    }

    /** The key that differs least, as a whole or in its last name. */
    private static String nearest(ObjectNode root, String unknown) {
        String best = "";
        int least = Integer.MAX_VALUE;
        for (String key : keys(root, "")) {
            int distance = Math.min(
                    EditDistance.between(unknown, key),
                    EditDistance.between(last(unknown), last(key)) + (last(key).equals(key) ? 0 : 1));
            if (distance < least) {
                least = distance;
                best = key;
            }
        }
        return best;
    }

    private static String last(String key) {
        return key.substring(key.lastIndexOf('.') + 1);
    }

    /** Settings with some of them set. */
    static TrainingConfig with(TrainingConfig config, String... settings) {
        try {
            return read(config, null, List.of(settings));
        } catch (IOException e) {
            throw new UncheckedIOException("no file is read", e);
        }
    }

    /** A setting with two values. */
    record Difference(String key, String one, String other) {}

    /** Where two settings differ, in the order of the keys. */
    static List<Difference> differences(TrainingConfig one, TrainingConfig other) {
        ObjectNode left = YAML.valueToTree(one);
        ObjectNode right = YAML.valueToTree(other);
        List<Difference> differences = new ArrayList<>();
        for (String key : keys(left, "")) {
            String path = "/" + key.replace('.', '/');
            if (!left.at(path).equals(right.at(path))) {
                differences.add(new Difference(
                        key, left.at(path).toString(), right.at(path).toString()));
            }
        }
        return differences;
    }

    private static List<String> keys(ObjectNode tree, String prefix) {
        List<String> keys = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : tree.properties()) {
            String key = prefix + entry.getKey();
            if (entry.getValue().isObject()) {
                keys.addAll(keys((ObjectNode) entry.getValue(), key + "."));
            } else {
                keys.add(key);
            }
        }
        return keys;
    }
}
