package org.lexvla.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;

/**
 * Checkpoints as Meta gave them out ({@code params.json}, {@code consolidated.*}), converted to safetensors:
 * {@code layers.0.attention.wq.weight} and so on. Their rotary positions turn neighbouring dimensions with each other; taking the
 * rows of query and key apart, even ones first, makes of them the half-split ones that {@link Llama} computes. These two
 * matrices of each block, a sixth of the weights of Llama 2 7B, are copied on loading; all others stay mapped.
 */
final class LlamaMetaNames {
    static final String CONFIG = "params.json";
    private static final String INPUT = "tok_embeddings.weight";
    private static final String CONVERT =
            "convert the download with transformers' convert_llama_weights_to_hf.py, which"
                    + " merges pieces and writes safetensors";

    private LlamaMetaNames() {}

    static boolean usedIn(Safetensors file) {
        return file.names().contains(INPUT);
    }

    /**
     * Opens Meta's file of a directory, or what Hugging Face's layout has.
     *
     * <p>Meta gives out pickles alone, those of 13B in two and of 70B in eight pieces, each with a part of every matrix. Whoever
     * converts them merges them in the same step, as transformers' own converter does, so pieces are not merged here.
     */
    static Safetensors open(Path directory) {
        if (Files.exists(directory.resolve("consolidated.01.safetensors"))) {
            throw new IllegalArgumentException(
                    directory + " holds consolidated.01.safetensors, so each matrix is cut in"
                            + " several files for several devices: merge them into one consolidated.00.safetensors, or "
                            + CONVERT);
        }
        for (String name : new String[] {"consolidated.safetensors", "consolidated.00.safetensors"}) {
            if (Files.exists(directory.resolve(name))) {
                return Safetensors.open(directory.resolve(name));
            }
        }
        if (Files.exists(directory.resolve("consolidated.00.pth"))
                && !Files.exists(directory.resolve(Safetensors.SINGLE))
                && !Files.exists(directory.resolve(Safetensors.INDEX))) {
            throw new IllegalArgumentException(directory
                    + " holds consolidated.00.pth and no safetensors; pickled weights are not read: " + CONVERT);
        }
        return Safetensors.open(directory);
    }

    /** The number of tokens, which {@code params.json} may leave to the weights. */
    static int vocabularySize(Path directory) {
        try (Safetensors file = open(directory)) {
            if (!usedIn(file)) {
                throw new IllegalArgumentException("no tensor " + INPUT + " in " + file.source()
                        + ": not the weights that " + CONFIG + " describes");
            }
            return Math.toIntExact(file.shape(INPUT)[0]);
        }
    }

    /** Old and new checkpoints hold the rotary frequencies. */
    static boolean ignored(String name) {
        return name.equals("rope.freqs");
    }

    /** Where each of these tensors, named as in Hugging Face's layout, is found. */
    static Map<String, CheckpointView.Part> parts(Set<String> names, LlamaConfig config) {
        Map<String, CheckpointView.Part> parts = new LinkedHashMap<>();
        names.forEach(name -> parts.put(name, part(name, config)));
        return parts;
    }

    private static CheckpointView.Part part(String name, LlamaConfig config) {
        String meta = name.replace(Llama.OUTPUT, "output.weight")
                .replace(Llama.INPUT, INPUT)
                .replaceFirst("^model\\.", "")
                .replace(".input_layernorm", ".attention_norm")
                .replace(".post_attention_layernorm", ".ffn_norm")
                .replaceFirst("\\.self_attn\\.([qkvo])_proj", ".attention.w$1")
                .replace(".mlp.gate_proj", ".feed_forward.w1")
                .replace(".mlp.down_proj", ".feed_forward.w2")
                .replace(".mlp.up_proj", ".feed_forward.w3");
        if (meta.endsWith(".wq.weight")) {
            return new CheckpointView.Part(meta, 0, 1, rows -> halfSplit(rows, config.heads()));
        }
        if (meta.endsWith(".wk.weight")) {
            return new CheckpointView.Part(meta, 0, 1, rows -> halfSplit(rows, config.keyValueHeads()));
        }
        return CheckpointView.Part.whole(meta);
    }

    /** Rows 0, 2, 4, … of each head, then rows 1, 3, 5, … */
    private static Tensor halfSplit(Tensor rows, int heads) {
        long half = rows.size(0) / heads / 2;
        return rows.view(heads, half, 2, rows.size(1)).transpose(1, 2).reshape(rows.size(0), rows.size(1));
    }
}
