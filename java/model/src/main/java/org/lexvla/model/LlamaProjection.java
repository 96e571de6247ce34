package org.lexvla.model;

/** The seven matrices of a Llama block, by the names of Hugging Face and PEFT. */
enum LlamaProjection {
    Q_PROJ("self_attn.q_proj"),
    K_PROJ("self_attn.k_proj"),
    V_PROJ("self_attn.v_proj"),
    O_PROJ("self_attn.o_proj"),
    GATE_PROJ("mlp.gate_proj"),
    UP_PROJ("mlp.up_proj"),
    DOWN_PROJ("mlp.down_proj");

    private final String path;

    LlamaProjection(String path) {
        this.path = path;
    }

    /** The name within a block: {@code self_attn.q_proj}. */
    String path() {
        return path;
    }

    /** The name in a list of targets: {@code q_proj}. */
    String target() {
        return path.substring(path.indexOf('.') + 1);
    }

    long in(LlamaConfig config) {
        return this == DOWN_PROJ ? config.intermediateSize() : config.hiddenSize();
    }

    long out(LlamaConfig config) {
        return switch (this) {
            case K_PROJ, V_PROJ -> (long) config.keyValueHeads() * config.headSize();
            case GATE_PROJ, UP_PROJ -> config.intermediateSize();
            default -> config.hiddenSize();
        };
    }
}
