package org.lexvla.training;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** {@link Adam} over groups of parameters with a learning rate of their own, a schedule, and clipping over all of them. */
final class Optimization implements AutoCloseable {
    /**
     * Parameters whose learning rate is a multiple of that of the run.
     *
     * @param parameters  by name; no other group has the same names
     * @param touchedRows whether only rows with a gradient are moved, see {@link Adam#updateTouched}
     */
    record Group(Map<String, Tensor> parameters, double factor, boolean touchedRows) {
        Group(Map<String, Tensor> parameters, double factor) {
            this(parameters, factor, false);
        }

        /** Of parameters whose state nobody will ask for by name. */
        static Group of(Collection<Tensor> parameters, double factor) {
            Map<String, Tensor> numbered = new LinkedHashMap<>();
            parameters.forEach(parameter -> numbered.put(String.valueOf(numbered.size()), parameter));
            return new Group(numbered, factor);
        }
    }

    private final TrainingConfig.Optimizer settings;
    private final Schedule schedule;
    private final List<Group> groups;
    private final Map<String, Tensor> parameters = new LinkedHashMap<>();
    private final TensorVector all;
    private final Adam adam;

    @SuppressWarnings("try")
    Optimization(List<Group> groups, TrainingConfig.Optimizer settings, Schedule schedule) {
        this.settings = settings;
        this.schedule = schedule;
        this.groups = new ArrayList<>(groups);
        groups.forEach(group -> parameters.putAll(group.parameters()));
        if (parameters.isEmpty()) {
            throw new IllegalArgumentException("nothing to train: no group has a parameter");
        }
        try (PointerScope scope = new PointerScope()) {
            all = new TensorVector(parameters.values().toArray(new Tensor[0])).retainReference();
        }
        adam = new Adam(settings);
    }

    /** All that is trained, by name. */
    Map<String, Tensor> parameters() {
        return parameters;
    }

    /** All gradients that there are. */
    List<Tensor> gradients() {
        return parameters.values().stream()
                .map(Tensor::grad)
                .filter(Tensor::defined)
                .toList();
    }

    /** The optimizer, whose state a checkpoint holds. */
    Adam adam() {
        return adam;
    }

    /** Learning rate of a step, before the factors of the groups. */
    double learningRate(int step) {
        return settings.learningRate() * schedule.learningRate(step);
    }

    /**
     * Clips the gradients, makes a step and clears the gradients. Gradients that are not finite are cleared without a step.
     *
     * @return norm of the gradient of all parameters before clipping
     */
    @SuppressWarnings("try")
    double step(int step) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            // LibTorch turns the limit into the type of the gradients.
            double limit = settings.clipNorm() > 0 ? settings.clipNorm() : Float.MAX_VALUE;
            double norm = torch.clip_grad_norm_(all, limit);
            if (Double.isFinite(norm)) {
                update(learningRate(step));
            }
            clear();
            return norm;
        }
    }

    private void update(double rate) {
        adam.next();
        for (Group group : groups) {
            group.parameters().forEach((name, parameter) -> {
                Tensor gradient = parameter.grad();
                // A parameter that no loss depends on has none.
                if (gradient.defined() && group.touchedRows()) {
                    adam.updateTouched(name, parameter, gradient, rate * group.factor());
                } else if (gradient.defined()) {
                    adam.update(name, parameter, gradient, rate * group.factor());
                }
            });
        }
    }

    private void clear() {
        parameters.values().forEach(parameter -> parameter.mutable_grad().reset());
    }

    @Override
    public void close() {
        adam.close();
        all.close();
    }
}
