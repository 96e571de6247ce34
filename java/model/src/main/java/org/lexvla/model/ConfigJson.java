package org.lexvla.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** A configuration file of a checkpoint: JSON with checked access, so that every complaint names file and key. */
final class ConfigJson {
    /** Strict: a key twice, or text after the end, is an error. */
    static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Path file;
    private final JsonNode root;

    private ConfigJson(Path file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    static ConfigJson read(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                throw new IOException("no " + file.getFileName() + " in "
                        + file.toAbsolutePath().getParent() + ": expected a directory in Hugging Face layout");
            }
            JsonNode root = JSON.readTree(Files.readString(file));
            if (!root.isObject()) {
                throw new IllegalArgumentException(file + " is no JSON object");
            }
            return new ConfigJson(file, root);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(file + " is not proper JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes beside and renames. */
    static void write(Path file, ObjectNode root) {
        DefaultPrettyPrinter printer =
                new DefaultPrettyPrinter().withArrayIndenter(DefaultIndenter.SYSTEM_LINEFEED_INSTANCE);
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Path beside = PartFile.beside(file);
            byte[] text = (JSON.writer(printer).writeValueAsString(root) + "\n").getBytes(StandardCharsets.UTF_8);
            Files.write(beside, text);
            Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static ObjectNode object() {
        return JSON.createObjectNode();
    }

    Path file() {
        return file;
    }

    JsonNode node(String key) {
        return root.path(key);
    }

    boolean has(String key) {
        return root.hasNonNull(key);
    }

    int integer(String key) {
        JsonNode node = root.path(key);
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 1) {
            throw wrong(key, "a whole number of 1 or more");
        }
        return node.intValue();
    }

    int integer(String key, int otherwise) {
        return has(key) ? integer(key) : otherwise;
    }

    double number(String key, double otherwise) {
        JsonNode node = root.path(key);
        if (!has(key)) {
            return otherwise;
        }
        if (!node.isNumber()) {
            throw wrong(key, "a number");
        }
        return node.doubleValue();
    }

    boolean flag(String key, boolean otherwise) {
        if (!has(key)) {
            return otherwise;
        }
        if (!root.get(key).isBoolean()) {
            throw wrong(key, "true or false");
        }
        return root.get(key).booleanValue();
    }

    String text(String key, String otherwise) {
        if (!has(key)) {
            return otherwise;
        }
        if (!root.get(key).isTextual()) {
            throw wrong(key, "a text");
        }
        return root.get(key).textValue();
    }

    IllegalArgumentException wrong(String key, String expected) {
        return new IllegalArgumentException(
                file + " has " + key + " = " + (root.has(key) ? root.get(key) : "nothing") + ", expected " + expected);
    }
}
