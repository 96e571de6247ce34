package org.lexvla.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A low-rank update (Hu et al. 2021) in the terms of PEFT's {@code adapter_config.json}.
 *
 * @param rank the inner dimension r, 1 or more
 * @param alpha the update is scaled by alpha / rank
 * @param dropout share of the update's inputs set to zero in training, 0 to less than 1
 * @param targets the matrices to update, some of {@link #ALL_TARGETS}
 */
public record LoraConfig(int rank, double alpha, double dropout, List<String> targets) {
    /** The seven projections of a Llama block. */
    public static final List<String> ALL_TARGETS =
            Arrays.stream(LlamaProjection.values()).map(LlamaProjection::target).toList();

    static final String FILE = "adapter_config.json";

    public LoraConfig {
        targets = ALL_TARGETS.stream().filter(List.copyOf(targets)::contains).toList();
        if (rank < 1) {
            throw new IllegalArgumentException("LoRA rank " + rank + " must be 1 or more");
        }
        if (!(dropout >= 0 && dropout < 1)) {
            throw new IllegalArgumentException("LoRA dropout " + dropout + " must be 0 or more and less than 1");
        }
        if (targets.isEmpty()) {
            throw new IllegalArgumentException("LoRA has no target: name some of " + ALL_TARGETS);
        }
    }

    /** SPEC §7: r 8, α 16, no dropout, all seven projections. */
    public static LoraConfig standard() {
        return new LoraConfig(8, 16, 0, ALL_TARGETS);
    }

    /** What the update is multiplied by. */
    public double scale() {
        return alpha / rank;
    }

    /**
     * Reads {@code adapter_config.json} of a directory.
     *
     * @throws IllegalArgumentException if it asks for something this implementation does not compute
     */
    public static LoraConfig load(Path directory) {
        ConfigJson json = ConfigJson.read(directory.resolve(FILE));
        if (!json.text("peft_type", "LORA").equals("LORA")) {
            throw json.wrong("peft_type", "LORA");
        }
        if (!json.text("bias", "none").equals("none")) {
            throw json.wrong("bias", "none");
        }
        for (String flag : new String[] {"fan_in_fan_out", "use_rslora", "use_dora"}) {
            if (json.flag(flag, false)) {
                throw json.wrong(flag, "false");
            }
        }
        for (String key : new String[] {"rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform"}) {
            if (json.has(key)
                    && !(json.node(key).isContainerNode() && json.node(key).isEmpty())) {
                throw json.wrong(key, "none: every layer is updated alike");
            }
        }
        return new LoraConfig(
                json.integer("r"), json.number("lora_alpha", 8), json.number("lora_dropout", 0), targets(json));
    }

    private static List<String> targets(ConfigJson json) {
        JsonNode node = json.node("target_modules");
        if (node.isTextual() && node.textValue().equals("all-linear")) {
            return ALL_TARGETS;
        }
        List<String> targets = new ArrayList<>();
        node.forEach(target -> targets.add(target.asText()));
        if (targets.isEmpty() || !ALL_TARGETS.containsAll(targets)) {
            throw json.wrong("target_modules", "a list of some of " + ALL_TARGETS);
        }
        return targets;
    }

    /** Writes {@code adapter_config.json}; {@code task} is PEFT's, CAUSAL_LM or FEATURE_EXTRACTION. */
    void save(Path directory, String task) {
        ObjectNode json = ConfigJson.object();
        json.put("peft_type", "LORA").put("task_type", task).put("r", rank);
        if (alpha == Math.rint(alpha)) {
            json.put("lora_alpha", (long) alpha);
        } else {
            json.put("lora_alpha", alpha);
        }
        json.put("lora_dropout", dropout).put("bias", "none").put("fan_in_fan_out", false);
        ArrayNode array = json.putArray("target_modules");
        targets.stream().sorted().forEach(array::add);
        json.put("inference_mode", true).put("init_lora_weights", true).put("use_rslora", false);
        json.putNull("base_model_name_or_path").putNull("modules_to_save").putNull("layers_to_transform");
        ConfigJson.write(directory.resolve(FILE), json);
    }
}
