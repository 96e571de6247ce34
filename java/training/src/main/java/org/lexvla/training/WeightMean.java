package org.lexvla.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Exponential means of parameters over the steps of a run. In the first steps the decay is less than it is later, (1 + n) / (10 + n) after n
 * of them, so that the beginning is forgotten.
 */
final class WeightMean implements AutoCloseable {
    private static final String PREFIX = "ema.";

    private final double decay;
    private final Map<String, Tensor> parameters;
    private final Map<String, Tensor> means = new LinkedHashMap<>();

    /** Means that begin at the parameters as they are. */
    @SuppressWarnings("try")
    WeightMean(double decay, Map<String, Tensor> parameters) {
        this.decay = decay;
        this.parameters = parameters;
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            parameters.forEach(
                    (name, tensor) -> means.put(name, tensor.detach().clone().retainReference()));
        }
    }

    /** @param steps that were made, this one included */
    @SuppressWarnings("try")
    void add(long steps) {
        double now = Math.min(decay, (1 + steps) / (10.0 + steps));
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            Scalar part = new Scalar(1 - now);
            means.forEach((name, mean) -> mean.lerp_(parameters.get(name).detach(), part));
        }
    }

    /** The means by name; this object's. */
    Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        means.forEach((name, mean) -> state.put(PREFIX + name, mean));
        return state;
    }

    /** Goes on from what {@link #state} gave. */
    void restore(Map<String, Tensor> state) {
        means.forEach((name, mean) -> {
            Tensor stored = state.get(PREFIX + name);
            if (stored == null) {
                throw new IllegalArgumentException(
                        "the checkpoint has no mean of " + name + ": ema.decay was 0 when it was" + " written");
            }
            mean.copy_(stored);
        });
    }

    /** Exchanges parameters and means; a second time, back again. */
    @SuppressWarnings("try")
    void exchange() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            means.forEach((name, mean) -> {
                Tensor own = parameters.get(name).detach().clone();
                parameters.get(name).copy_(mean);
                mean.copy_(own);
            });
        }
    }

    @Override
    public void close() {
        means.values().forEach(Tensor::close);
        means.clear();
    }
}
