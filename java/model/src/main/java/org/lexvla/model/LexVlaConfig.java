package org.lexvla.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.lexvla.lexical.Sparsification;

/**
 * {@code config.json} of a model directory: all that a model is besides its tensors, its vocabulary and its picture
 * settings.
 *
 * <p>Backbone directories are written relative to the model directory where they lie in it or near it (at most two steps
 * up), so that both can be moved together; otherwise absolute.
 *
 * @param vision         directory of the visual encoder, absolute
 * @param text           directory of the language model and its tokenizer, absolute
 * @param prompt         what the language model is asked
 * @param poolCls        whether the CLS token takes part in the maximum
 * @param adapter        shape of the adapter
 * @param sparsification what {@code encode…} keeps unless told otherwise
 * @param backbones      how the backbones are read
 * @param textSide       what turns a text into words
 */
public record LexVlaConfig(
        Path vision,
        Path text,
        Prompt prompt,
        boolean poolCls,
        AdapterConfig adapter,
        Sparsification sparsification,
        BackboneOptions backbones,
        TextSide textSide) {
    /** Its name in a model directory. A directory with this file is a complete model. */
    public static final String FILE = "config.json";

    private static final String FORMAT = "lexvla";
    private static final int VERSION = 1;
    private static final int MAX_STEPS_UP = 2;
    private static final String INTERPOLATION = "position_interpolation";
    private static final String UNKNOWN_TENSORS = "leave_out_unknown_tensors";
    private static final String BAG_OF_WORDS = "bag_of_words";

    /** The same model with its backbones elsewhere. */
    public LexVlaConfig withBackbones(Path visionDirectory, Path textDirectory) {
        return new LexVlaConfig(
                visionDirectory.toAbsolutePath().normalize(),
                textDirectory.toAbsolutePath().normalize(),
                prompt,
                poolCls,
                adapter,
                sparsification,
                backbones,
                textSide);
    }

    /**
     * Reads {@code config.json} of a model directory.
     *
     * @throws IOException              if the directory or the file is missing or no JSON
     * @throws IllegalArgumentException if it is the configuration of something else, or a value is not valid
     */
    public static LexVlaConfig load(Path directory) throws IOException {
        Path file = directory.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new IOException(directory + " is no LexVLA model: it has no " + FILE
                    + (Files.isDirectory(directory) ? "; make one with init or train" : ", it does not exist"));
        }
        JsonNode json = tree(file);
        if (!FORMAT.equals(json.path("format").asText())) {
            throw new IllegalArgumentException(file + " is not the configuration of a LexVLA model (model_type "
                    + json.path("model_type").asText("none") + "): point to a directory that init or train wrote");
        }
        if (json.path("version").asInt() != VERSION) {
            throw new IllegalArgumentException(
                    file + " has version " + json.path("version") + ", this program reads version " + VERSION);
        }
        try {
            JsonNode a = need(json, "adapter");
            JsonNode p = need(json, "prompt");
            Path base = directory.toAbsolutePath();
            return new LexVlaConfig(
                    base.resolve(need(json, "vision").asText()).normalize(),
                    base.resolve(need(json, "text").asText()).normalize(),
                    new Prompt(
                            need(p, "template").asText(),
                            need(p, "max_caption_tokens").asInt()),
                    need(json, "pool_cls").asBoolean(),
                    new AdapterConfig(
                            need(a, "width").asInt(),
                            need(a, "heads").asInt(),
                            need(a, "mlp_hidden").asInt(),
                            need(a, "out_width").asInt()),
                    sparsification(need(json, "sparsification")),
                    backbones(json),
                    json.path(BAG_OF_WORDS).asBoolean(false) ? TextSide.BAG_OF_WORDS : TextSide.LANGUAGE_MODEL);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
    }

    /** A JSON file, or an error that names it. */
    static JsonNode tree(Path file) throws IOException {
        try {
            return new ObjectMapper().readTree(file.toFile());
        } catch (JsonProcessingException e) {
            throw new IOException(file + " is not proper JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static JsonNode need(JsonNode node, String key) {
        JsonNode value = node.get(key);
        if (value == null || value.isNull()) {
            throw new IllegalArgumentException("has no " + key);
        }
        return value;
    }

    /** Both are written only where they are not the standard. */
    private static BackboneOptions backbones(JsonNode json) {
        String interpolation = json.path(INTERPOLATION).asText("");
        return new BackboneOptions(
                interpolation.isEmpty() ? null : DinoV2Config.Interpolation.named(interpolation),
                json.path(UNKNOWN_TENSORS).asBoolean(false) ? UnknownTensors.LEAVE_OUT : UnknownTensors.REFUSE);
    }

    private static Sparsification sparsification(JsonNode node) {
        boolean renormalize = node.path("renormalize").asBoolean(false);
        String kind = need(node, "kind").asText();
        return switch (kind) {
            case "threshold" ->
                new Sparsification.Threshold((float) need(node, "value").asDouble(), renormalize);
            case "top_k" -> new Sparsification.TopK(need(node, "k").asInt(), renormalize);
            case "dense" -> new Sparsification.Dense(renormalize);
            default ->
                throw new IllegalArgumentException(
                        "sparsification '" + kind + "' is not one of threshold, top_k, dense");
        };
    }

    /**
     * Writes {@code config.json}.
     *
     * @param in       the directory to write into
     * @param readFrom the directory that the file will be read from, which relative paths are relative to
     */
    void save(Path in, Path readFrom) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode json = mapper.createObjectNode();
        json.put("format", FORMAT);
        json.put("version", VERSION);
        json.put("vision", reference(readFrom, vision));
        json.put("text", reference(readFrom, text));
        json.putObject("prompt")
                .put("template", prompt.template())
                .put("max_caption_tokens", prompt.maxCaptionTokens());
        json.put("pool_cls", poolCls);
        json.putObject("adapter")
                .put("width", adapter.width())
                .put("heads", adapter.heads())
                .put("mlp_hidden", adapter.mlpHidden())
                .put("out_width", adapter.outWidth());
        ObjectNode sparse = json.putObject("sparsification");
        if (sparsification instanceof Sparsification.Threshold threshold) {
            sparse.put("kind", "threshold").put("value", threshold.value());
        } else if (sparsification instanceof Sparsification.TopK topK) {
            sparse.put("kind", "top_k").put("k", topK.k());
        } else {
            sparse.put("kind", "dense");
        }
        sparse.put("renormalize", sparsification.renormalize());
        if (backbones.interpolation() != null) {
            json.put(INTERPOLATION, backbones.interpolation().key());
        }
        if (backbones.unknown() == UnknownTensors.LEAVE_OUT) {
            json.put(UNKNOWN_TENSORS, true);
        }
        if (textSide == TextSide.BAG_OF_WORDS) {
            json.put(BAG_OF_WORDS, true);
        }
        mapper.writerWithDefaultPrettyPrinter().writeValue(in.resolve(FILE).toFile(), json);
    }

    /** How a model directory names another directory; always with forward slashes. */
    static String reference(Path from, Path to) {
        Path base = from.toAbsolutePath().normalize();
        Path target = to.toAbsolutePath().normalize();
        if (base.getRoot().equals(target.getRoot())) {
            Path relative = base.relativize(target);
            int up = 0;
            while (up < relative.getNameCount()
                    && relative.getName(up).toString().equals("..")) {
                up++;
            }
            if (up <= MAX_STEPS_UP) {
                return relative.toString().replace('\\', '/');
            }
        }
        return target.toString();
    }
}
