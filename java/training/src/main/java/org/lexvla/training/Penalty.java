package org.lexvla.training;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;
import org.bytedeco.pytorch.Tensor;

/** Which penalty of the representations a run has. */
public enum Penalty {
    /** {@link OverusePenalty}, the paper's. */
    OVERUSE,
    /** {@link FlopsPenalty}, the paper's ablation. */
    FLOPS,
    /** InfoNCE alone. */
    NONE;

    /** The penalty of [N,V] activations as a scalar in the graph; zero for {@link #NONE}. */
    public Tensor of(Tensor activations) {
        return switch (this) {
            case OVERUSE -> OverusePenalty.of(activations);
            case FLOPS -> FlopsPenalty.of(activations);
            case NONE -> HostTensor.of(new float[] {0}).to(activations.scalar_type());
        };
    }

    @JsonValue
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
