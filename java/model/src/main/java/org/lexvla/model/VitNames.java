package org.lexvla.model;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * The names of plain vision transformers in Hugging Face's layout, model type {@code vit}, among them those of the first DINO. Such
 * a model is a DINOv2 without layer scale, which is read as a scale of ones.
 */
final class VitNames {
    /** Before every name in checkpoints with a classifier. */
    private static final String CLASSIFIED = "vit.";

    private static final String FIRST_NORM = "encoder.layer.0.layernorm_before.weight";

    private VitNames() {}

    static boolean usedIn(Safetensors file) {
        return file.names().contains(FIRST_NORM) || file.names().contains(CLASSIFIED + FIRST_NORM);
    }

    /** What comes after the tokens. */
    static boolean ignored(String name) {
        return name.matches("(vit\\.)?pooler\\.dense\\.(weight|bias)|classifier\\.(weight|bias)");
    }

    /** Where each of these tensors, named as in DINOv2's layout, is found. */
    static Map<String, CheckpointView.Part> parts(Set<String> names, DinoV2Config config, Safetensors file) {
        String prefix = file.names().contains(FIRST_NORM) ? "" : CLASSIFIED;
        Map<String, CheckpointView.Part> parts = new LinkedHashMap<>();
        for (String name : names) {
            boolean scale = name.endsWith("lambda1");
            String plain = name.replace(".norm1.", ".layernorm_before.")
                    .replace(".norm2.", ".layernorm_after.")
                    .replace(".mlp.fc1.", ".intermediate.dense.")
                    .replace(".mlp.fc2.", ".output.dense.");
            parts.put(
                    name,
                    scale ? CheckpointView.Part.ones(config.hiddenSize()) : CheckpointView.Part.whole(prefix + plain));
        }
        return parts;
    }
}
