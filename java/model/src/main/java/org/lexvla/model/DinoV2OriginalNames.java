package org.lexvla.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The names of the original DINOv2 code ({@code facebookresearch/dinov2}): {@code blocks.0.attn.qkv.weight} and so on. Query, key
 * and value are one matrix there, stacked in this order.
 */
final class DinoV2OriginalNames {
    private static final List<String> STACKED = List.of("query", "key", "value");
    private static final String ATTENTION = ".attention.attention.";

    private DinoV2OriginalNames() {}

    static boolean usedIn(Safetensors file) {
        return file.names().contains("cls_token");
    }

    /** Where each of these tensors, named as in Hugging Face's layout, is found. */
    static Map<String, CheckpointView.Part> parts(Set<String> names) {
        Map<String, CheckpointView.Part> parts = new LinkedHashMap<>();
        names.forEach(name -> parts.put(name, part(name)));
        return parts;
    }

    private static CheckpointView.Part part(String name) {
        String original = name.replace("embeddings.position_embeddings", "pos_embed")
                .replace("embeddings.patch_embeddings.projection", "patch_embed.proj")
                .replaceFirst("^embeddings\\.", "")
                .replaceFirst("^layernorm\\.", "norm.")
                .replace("encoder.layer.", "blocks.")
                .replace(".attention.output.dense", ".attn.proj")
                .replaceFirst("\\.layer_scale(\\d)\\.lambda1", ".ls$1.gamma")
                .replace(".mlp.weights_in", ".mlp.w12")
                .replace(".mlp.weights_out", ".mlp.w3");
        int at = original.indexOf(ATTENTION);
        if (at < 0) {
            return CheckpointView.Part.whole(original);
        }
        String[] end = original.substring(at + ATTENTION.length()).split("\\.");
        return CheckpointView.Part.stacked(
                original.substring(0, at) + ".attn.qkv." + end[1], STACKED.indexOf(end[0]), STACKED.size());
    }
}
