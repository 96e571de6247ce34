package org.lexvla.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The shape of a DINOv2 backbone; the keys of a Hugging Face {@code config.json} of model type {@code dinov2} or
 * {@code dinov2_with_registers}, or the arguments of the original code's {@code DinoVisionTransformer}.
 *
 * @param hiddenSize width of a token, a multiple of {@code heads}
 * @param layers number of blocks
 * @param heads attention heads
 * @param mlpRatio width of the MLP over {@code hiddenSize}
 * @param patchSize side of a patch in pixels
 * @param imageSize side of the pictures in training, which fixes the number of position embeddings
 * @param channels colour channels of a picture
 * @param layerNormEps added to the variance
 * @param qkvBias whether query, key and value have a bias
 * @param swiGlu SwiGLU blocks (giant) instead of GELU blocks
 * @param registers register tokens between CLS and patches; 0 for the plain models
 * @param interpolation how position embeddings are brought to another grid
 */
public record DinoV2Config(
        int hiddenSize,
        int layers,
        int heads,
        double mlpRatio,
        int patchSize,
        int imageSize,
        int channels,
        double layerNormEps,
        boolean qkvBias,
        boolean swiGlu,
        int registers,
        Interpolation interpolation) {

    /**
     * How the trained grid of position embeddings is resized (bicubic) to the grid of a picture. They differ by 0.3 to 0.8
     * in a hidden state, so take what the numbers to be reproduced were made with.
     */
    public enum Interpolation {
        /** Scale (n + 0.1) / trained, not antialiased: the original code for models without registers; our default. */
        OFFSET,
        /** Plain output size, not antialiased: transformers from 4.45 on. */
        SIZE,
        /** Plain output size, antialiased: the models with registers. */
        ANTIALIAS;

        /** The name in a configuration: offset, size, antialias. */
        String key() {
            return name().toLowerCase(Locale.ROOT);
        }

        static Interpolation named(String key) {
            return Arrays.stream(values())
                    .filter(value -> value.key().equals(key))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "position_interpolation '" + key + "' is not one of offset, size, antialias"));
        }
    }

    /** Our own key in config.json; other readers pass over it. */
    private static final String INTERPOLATION = "position_interpolation";

    public DinoV2Config {
        if (IntStream.of(hiddenSize, layers, heads, patchSize, imageSize, channels)
                        .anyMatch(size -> size < 1)
                || registers < 0
                || !(mlpRatio > 0)) {
            throw new IllegalArgumentException(
                    "DINOv2 of width " + hiddenSize + ", layers " + layers + ", heads " + heads
                            + ", mlp_ratio " + mlpRatio + ", patch_size " + patchSize + ", image_size " + imageSize
                            + ", channels "
                            + channels + ", registers " + registers + ": all must be positive, but registers may be 0");
        }
        if (hiddenSize % heads != 0) {
            throw new IllegalArgumentException(
                    "DINOv2 hidden_size " + hiddenSize + " is not a multiple of its " + heads + " num_attention_heads");
        }
        if (imageSize % patchSize != 0) {
            throw new IllegalArgumentException(
                    "DINOv2 image_size " + imageSize + " is not a multiple of its patch_size " + patchSize);
        }
    }

    /**
     * A plain ViT with the defaults of the published models: layer norm 1e-6, QKV bias, GELU, MLP ratio 4, no registers.
     */
    public static DinoV2Config of(int hiddenSize, int layers, int heads, int patchSize, int imageSize) {
        return new DinoV2Config(
                hiddenSize, layers, heads, 4, patchSize, imageSize, 3, 1e-6, true, false, 0, Interpolation.OFFSET);
    }

    /** The same model with position embeddings brought to another grid in another way. */
    public DinoV2Config with(Interpolation other) {
        return new DinoV2Config(
                hiddenSize,
                layers,
                heads,
                mlpRatio,
                patchSize,
                imageSize,
                channels,
                layerNormEps,
                qkvBias,
                swiGlu,
                registers,
                other);
    }

    /**
     * Reads {@code config.json} of a directory: Hugging Face's, or the arguments of the original code's constructor, known by
     * {@code embed_dim}. The way to interpolate is what the file says: {@code interpolate_offset} and
     * {@code interpolate_antialias} in the original's, {@code position_interpolation} (our key: offset, size or antialias) in
     * Hugging Face's, where without it models with registers take {@link Interpolation#ANTIALIAS}, others
     * {@link Interpolation#OFFSET}; {@link #with} overrides it. Plain vision transformers, model type {@code vit}, are read, too.
     */
    public static DinoV2Config load(Path directory) {
        ConfigJson json = ConfigJson.read(directory.resolve("config.json"));
        if (json.has("embed_dim")) {
            return original(json);
        }
        return json.text("model_type", "dinov2").equals("vit") ? vit(json) : huggingFace(json);
    }

    /** A plain vision transformer, which differs in the names of two keys and in a default. */
    private static DinoV2Config vit(ConfigJson json) {
        requireGelu(json);
        int hidden = json.integer("hidden_size");
        return new DinoV2Config(
                hidden,
                json.integer("num_hidden_layers"),
                json.integer("num_attention_heads"),
                json.integer("intermediate_size", 4 * hidden) / (double) hidden,
                json.integer("patch_size", 16),
                json.integer("image_size", 224),
                json.integer("num_channels", 3),
                json.number("layer_norm_eps", 1e-12),
                json.flag("qkv_bias", true),
                false,
                0,
                interpolation(json, Interpolation.OFFSET));
    }

    private static void requireGelu(ConfigJson json) {
        if (!json.text("hidden_act", "gelu").equals("gelu")) {
            throw json.wrong("hidden_act", "gelu (exact), the only activation of DINOv2");
        }
    }

    private static Interpolation interpolation(ConfigJson json, Interpolation otherwise) {
        if (!json.has(INTERPOLATION)) {
            return otherwise;
        }
        try {
            return Interpolation.named(json.text(INTERPOLATION, ""));
        } catch (IllegalArgumentException e) {
            throw json.wrong(INTERPOLATION, "offset, size or antialias");
        }
    }

    private static DinoV2Config original(ConfigJson json) {
        String mlp = json.text("ffn_layer", "mlp");
        if (!mlp.equals("mlp") && !mlp.equals("swiglu") && !mlp.equals("swiglufused")) {
            throw json.wrong("ffn_layer", "mlp, swiglu or swiglufused");
        }
        for (String bias : new String[] {"ffn_bias", "proj_bias"}) {
            if (!json.flag(bias, true)) {
                throw json.wrong(bias, "true: only query, key and value may be without a bias");
            }
        }
        if (json.has("block_chunks") && json.node("block_chunks").asInt() != 0) {
            throw json.wrong("block_chunks", "0: blocks named one by one, as in the published weights");
        }
        JsonNode registers = json.node("num_register_tokens");
        return new DinoV2Config(
                json.integer("embed_dim"),
                json.integer("depth"),
                json.integer("num_heads"),
                json.number("mlp_ratio", 4),
                json.integer("patch_size", 16),
                json.integer("img_size", 224),
                json.integer("in_chans", 3),
                json.number("norm_eps", 1e-6),
                json.flag("qkv_bias", true),
                !mlp.equals("mlp"),
                registers.asInt(0) == 0 ? 0 : json.integer("num_register_tokens"),
                originalInterpolation(json));
    }

    private static Interpolation originalInterpolation(ConfigJson json) {
        boolean antialias = json.flag("interpolate_antialias", false);
        double offset = json.number("interpolate_offset", 0.1);
        if (antialias && offset == 0) {
            return Interpolation.ANTIALIAS;
        }
        if (antialias || offset != 0 && offset != 0.1) {
            throw json.wrong(
                    "interpolate_offset",
                    "0.1 or 0 without interpolate_antialias, or 0 with it, as in the published models");
        }
        return offset == 0 ? Interpolation.SIZE : Interpolation.OFFSET;
    }

    private static DinoV2Config huggingFace(ConfigJson json) {
        String modelType = json.text("model_type", "dinov2");
        boolean withRegisters = modelType.equals("dinov2_with_registers");
        if (!withRegisters && !modelType.equals("dinov2")) {
            throw json.wrong("model_type", "dinov2, dinov2_with_registers or vit");
        }
        requireGelu(json);
        return new DinoV2Config(
                json.integer("hidden_size"),
                json.integer("num_hidden_layers"),
                json.integer("num_attention_heads"),
                json.number("mlp_ratio", 4),
                json.integer("patch_size", 14),
                json.integer("image_size", 224),
                json.integer("num_channels", 3),
                json.number("layer_norm_eps", 1e-6),
                json.flag("qkv_bias", true),
                json.flag("use_swiglu_ffn", false),
                withRegisters ? json.integer("num_register_tokens", 4) : 0,
                interpolation(json, withRegisters ? Interpolation.ANTIALIAS : Interpolation.OFFSET));
    }

    /** Writes {@code config.json} into a directory, with the keys that Hugging Face reads. */
    public void save(Path directory) {
        save(directory, ScalarType.Float);
    }

    /** As {@link #save(Path)}, for weights of this type. */
    void save(Path directory, ScalarType type) {
        boolean withRegisters = registers > 0;
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add(withRegisters ? "Dinov2WithRegistersModel" : "Dinov2Model");
        json.put("model_type", withRegisters ? "dinov2_with_registers" : "dinov2");
        json.put("hidden_size", hiddenSize).put("num_hidden_layers", layers).put("num_attention_heads", heads);
        if (mlpRatio == Math.rint(mlpRatio)) {
            json.put("mlp_ratio", (int) mlpRatio);
        } else {
            json.put("mlp_ratio", mlpRatio);
        }
        json.put("patch_size", patchSize).put("image_size", imageSize).put("num_channels", channels);
        json.put("layer_norm_eps", layerNormEps).put("hidden_act", "gelu").put("qkv_bias", qkvBias);
        json.put("use_swiglu_ffn", swiGlu).put("layerscale_value", 1.0).put("initializer_range", 0.02);
        json.put("attention_probs_dropout_prob", 0.0)
                .put("hidden_dropout_prob", 0.0)
                .put("drop_path_rate", 0.0);
        if (withRegisters) {
            json.put("num_register_tokens", registers);
        }
        if (interpolation != (withRegisters ? Interpolation.ANTIALIAS : Interpolation.OFFSET)) {
            json.put(INTERPOLATION, interpolation.key());
        }
        json.put("torch_dtype", SafetensorsType.torchName(type));
        ConfigJson.write(directory.resolve("config.json"), json);
    }

    /** Patches along one side in training. */
    public int trainedGrid() {
        return imageSize / patchSize;
    }

    /** Width of the MLP of a block: for SwiGLU two thirds of it, rounded up to a multiple of 8. */
    public int mlpSize() {
        int size = (int) (hiddenSize * mlpRatio);
        return swiGlu ? ((int) (size * 2L / 3) + 7) / 8 * 8 : size;
    }

    /** Numbers in all parameters, the unused mask token included. */
    public long parameterCount() {
        return Parameters.count(shapes());
    }

    /** Every parameter by its Hugging Face name. */
    Map<String, long[]> shapes() {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        long d = hiddenSize;
        shapes.put("embeddings.cls_token", new long[] {1, 1, d});
        shapes.put(DinoV2.MASK_TOKEN, new long[] {1, d});
        if (registers > 0) {
            shapes.put("embeddings.register_tokens", new long[] {1, registers, d});
        }
        shapes.put("embeddings.position_embeddings", new long[] {1, 1 + (long) trainedGrid() * trainedGrid(), d});
        shapes.put("embeddings.patch_embeddings.projection.weight", new long[] {d, channels, patchSize, patchSize});
        shapes.put("embeddings.patch_embeddings.projection.bias", new long[] {d});
        for (int layer = 0; layer < layers; layer++) {
            String prefix = "encoder.layer." + layer + ".";
            norm(shapes, prefix + "norm1");
            for (String part : new String[] {"query", "key", "value"}) {
                linear(shapes, prefix + "attention.attention." + part, d, d, qkvBias);
            }
            linear(shapes, prefix + "attention.output.dense", d, d, true);
            shapes.put(prefix + "layer_scale1.lambda1", new long[] {d});
            norm(shapes, prefix + "norm2");
            if (swiGlu) {
                linear(shapes, prefix + "mlp.weights_in", 2L * mlpSize(), d, true);
                linear(shapes, prefix + "mlp.weights_out", d, mlpSize(), true);
            } else {
                linear(shapes, prefix + "mlp.fc1", mlpSize(), d, true);
                linear(shapes, prefix + "mlp.fc2", d, mlpSize(), true);
            }
            shapes.put(prefix + "layer_scale2.lambda1", new long[] {d});
        }
        norm(shapes, "layernorm");
        return shapes;
    }

    private void norm(Map<String, long[]> shapes, String name) {
        shapes.put(name + ".weight", new long[] {hiddenSize});
        shapes.put(name + ".bias", new long[] {hiddenSize});
    }

    private static void linear(Map<String, long[]> shapes, String name, long out, long in, boolean bias) {
        shapes.put(name + ".weight", new long[] {out, in});
        if (bias) {
            shapes.put(name + ".bias", new long[] {out});
        }
    }
}
