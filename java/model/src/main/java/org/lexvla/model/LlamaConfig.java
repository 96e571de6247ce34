package org.lexvla.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The shape of a Llama 2 language model; the keys of a Hugging Face {@code config.json} of model type {@code llama}, or of Meta's
 * {@code params.json}.
 *
 * @param vocabularySize tokens, rows of the input and of the output matrix
 * @param hiddenSize width of a hidden state, a multiple of twice {@code heads}
 * @param intermediateSize width of the MLP
 * @param layers number of blocks
 * @param heads query heads
 * @param keyValueHeads key and value heads, a divisor of {@code heads}; less than that is grouped-query attention
 * @param rmsNormEps added to the mean square
 * @param ropeTheta base of the rotary angles
 * @param maxPositions the longest sequence, padding not counted
 * @param tied whether the output matrix is the input matrix
 */
public record LlamaConfig(
        int vocabularySize,
        int hiddenSize,
        int intermediateSize,
        int layers,
        int heads,
        int keyValueHeads,
        double rmsNormEps,
        double ropeTheta,
        int maxPositions,
        boolean tied) {

    /** Llama 2's context, which {@code params.json} does not say. */
    private static final int META_CONTEXT = 4096;

    public LlamaConfig {
        if (IntStream.of(vocabularySize, hiddenSize, intermediateSize, layers, heads, keyValueHeads, maxPositions)
                .anyMatch(size -> size < 1)) {
            throw new IllegalArgumentException("Llama of vocabulary " + vocabularySize + ", width " + hiddenSize
                    + ", intermediate " + intermediateSize + ", layers " + layers + ", heads " + heads
                    + ", key/value heads "
                    + keyValueHeads + ", positions " + maxPositions + ": all must be at least 1");
        }
        if (hiddenSize % heads != 0 || hiddenSize / heads % 2 != 0) {
            throw new IllegalArgumentException("Llama hidden_size " + hiddenSize + " over " + heads
                    + " num_attention_heads must give an even number of dimensions for each head");
        }
        if (heads % keyValueHeads != 0) {
            throw new IllegalArgumentException("Llama num_attention_heads " + heads + " is not a multiple of its "
                    + keyValueHeads + " num_key_value_heads");
        }
    }

    /** A model with the defaults of Llama 2: plain multi-head attention, RMSNorm 1e-5, theta 10000, untied output. */
    public static LlamaConfig of(
            int vocabularySize, int hiddenSize, int intermediateSize, int layers, int heads, int maxPositions) {
        return new LlamaConfig(
                vocabularySize, hiddenSize, intermediateSize, layers, heads, heads, 1e-5, 10000, maxPositions, false);
    }

    /** Reads {@code config.json} of a directory, or, where there is none, Meta's {@code params.json}. */
    public static LlamaConfig load(Path directory) {
        boolean meta = !Files.exists(directory.resolve("config.json"))
                && Files.exists(directory.resolve(LlamaMetaNames.CONFIG));
        return meta ? meta(directory) : huggingFace(directory);
    }

    private static LlamaConfig meta(Path directory) {
        ConfigJson json = ConfigJson.read(directory.resolve(LlamaMetaNames.CONFIG));
        int hidden = json.integer("dim");
        int heads = json.integer("n_heads");
        // Two thirds of four times the width, scaled, then rounded up, as Meta's FeedForward computes it.
        int wide = (int) (2 * (4L * hidden) / 3);
        int scaled = (int) (json.number("ffn_dim_multiplier", 1) * wide);
        int multiple = json.integer("multiple_of", 256);
        // -1 is what the published files say.
        int tokens = json.node("vocab_size").asInt(-1);
        return new LlamaConfig(
                tokens > 0 ? tokens : LlamaMetaNames.vocabularySize(directory),
                hidden,
                (scaled + multiple - 1) / multiple * multiple,
                json.integer("n_layers"),
                heads,
                json.integer("n_kv_heads", heads),
                json.number("norm_eps", 1e-5),
                json.number("rope_theta", 10000),
                json.integer("max_seq_len", META_CONTEXT),
                false);
    }

    private static LlamaConfig huggingFace(Path directory) {
        ConfigJson json = ConfigJson.read(directory.resolve("config.json"));
        if (!json.text("model_type", "llama").equals("llama")) {
            throw json.wrong("model_type", "llama");
        }
        if (!json.text("hidden_act", "silu").equals("silu")) {
            throw json.wrong("hidden_act", "silu");
        }
        for (String bias : new String[] {"attention_bias", "mlp_bias"}) {
            if (json.flag(bias, false)) {
                throw json.wrong(bias, "false: Llama 2 has no biases");
            }
        }
        if (json.has("rope_scaling")) {
            throw json.wrong("rope_scaling", "null: scaled rotary positions are not computed here");
        }
        int hidden = json.integer("hidden_size");
        int heads = json.integer("num_attention_heads");
        if (json.has("head_dim") && (long) json.integer("head_dim") * heads != hidden) {
            throw json.wrong("head_dim", "hidden_size / num_attention_heads");
        }
        return new LlamaConfig(
                json.integer("vocab_size"),
                hidden,
                json.integer("intermediate_size"),
                json.integer("num_hidden_layers"),
                heads,
                json.integer("num_key_value_heads", heads),
                json.number("rms_norm_eps", 1e-6),
                json.number("rope_theta", 10000),
                json.integer("max_position_embeddings", 2048),
                json.flag("tie_word_embeddings", false));
    }

    /** Writes {@code config.json} into a directory, with the keys that Hugging Face reads. */
    public void save(Path directory) {
        save(directory, ScalarType.Float);
    }

    /** As {@link #save(Path)}, for weights of this type. */
    void save(Path directory, ScalarType type) {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("model_type", "llama").put("vocab_size", vocabularySize).put("hidden_size", hiddenSize);
        json.put("intermediate_size", intermediateSize).put("num_hidden_layers", layers);
        json.put("num_attention_heads", heads).put("num_key_value_heads", keyValueHeads);
        json.put("rms_norm_eps", rmsNormEps).put("rope_theta", ropeTheta).putNull("rope_scaling");
        json.put("max_position_embeddings", maxPositions).put("tie_word_embeddings", tied);
        json.put("hidden_act", "silu").put("attention_bias", false).put("attention_dropout", 0.0);
        json.put("initializer_range", 0.02)
                .put("bos_token_id", 1)
                .put("eos_token_id", 2)
                .put("pretraining_tp", 1);
        json.put("use_cache", true).put("torch_dtype", SafetensorsType.torchName(type));
        ConfigJson.write(directory.resolve("config.json"), json);
    }

    /** Dimensions of one head. */
    public int headSize() {
        return hiddenSize / heads;
    }

    /** Numbers in all parameters. */
    public long parameterCount() {
        return Parameters.count(shapes());
    }

    /** Every parameter by its Hugging Face name. */
    Map<String, long[]> shapes() {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        shapes.put(Llama.INPUT, new long[] {vocabularySize, hiddenSize});
        for (int layer = 0; layer < layers; layer++) {
            String prefix = "model.layers." + layer + ".";
            shapes.put(prefix + "input_layernorm.weight", new long[] {hiddenSize});
            for (LlamaProjection projection : LlamaProjection.values()) {
                shapes.put(
                        prefix + projection.path() + ".weight", new long[] {projection.out(this), projection.in(this)});
            }
            shapes.put(prefix + "post_attention_layernorm.weight", new long[] {hiddenSize});
        }
        shapes.put("model.norm.weight", new long[] {hiddenSize});
        if (!tied) {
            shapes.put(Llama.OUTPUT, new long[] {vocabularySize, hiddenSize});
        }
        return shapes;
    }
}
