package org.lexvla.training;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Adam;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.OptimizerParamGroup;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** LibTorch's Adam over groups of parameters with a learning rate of their own, a schedule, and clipping over all of them. */
final class Optimization implements AutoCloseable {
    /** Parameters whose learning rate is a multiple of that of the run. */
    record Group(Collection<Tensor> parameters, double factor) {}

    private final TrainingConfig.Optimizer settings;
    private final Schedule schedule;
    private final List<Group> groups = new ArrayList<>();
    private final TensorVector all;
    private final Adam adam;

    @SuppressWarnings("try")
    Optimization(List<Group> groups, TrainingConfig.Optimizer settings, Schedule schedule) {
        this.settings = settings;
        this.schedule = schedule;
        try (PointerScope scope = new PointerScope()) {
            List<Tensor> everything = new ArrayList<>();
            Adam made = null;
            for (Group group : groups) {
                Tensor[] parameters = group.parameters().toArray(new Tensor[0]);
                if (parameters.length == 0) {
                    continue;
                }
                this.groups.add(group);
                everything.addAll(group.parameters());
                if (made == null) {
                    made = new Adam(new TensorVector(parameters), options());
                } else {
                    made.add_param_group(new OptimizerParamGroup(new TensorVector(parameters), options()));
                }
            }
            if (made == null) {
                throw new IllegalArgumentException("nothing to train: no group has a parameter");
            }
            adam = made.retainReference();
            all = new TensorVector(everything.toArray(new Tensor[0])).retainReference();
        }
    }

    private AdamOptions options() {
        AdamOptions options = new AdamOptions(settings.learningRate());
        options.betas().put(0, settings.beta1());
        options.betas().put(1, settings.beta2());
        options.eps().put(settings.eps());
        options.weight_decay().put(settings.weightDecay());
        return options;
    }

    /** Learning rate of a step, before the factors of the groups. */
    double learningRate(int step) {
        return settings.learningRate() * schedule.learningRate(step);
    }

    /**
     * Clips the gradients, makes a step and clears the gradients.
     *
     * @return norm of the gradient of all parameters before clipping
     */
    @SuppressWarnings("try")
    double step(int step) {
        try (PointerScope scope = new PointerScope()) {
            double rate = learningRate(step);
            for (int i = 0; i < groups.size(); i++) {
                adam.param_groups().get(i).options().set_lr(rate * groups.get(i).factor());
            }
            double limit = settings.clipNorm() > 0 ? settings.clipNorm() : Double.MAX_VALUE;
            double norm = torch.clip_grad_norm_(all, limit);
            adam.step();
            adam.zero_grad();
            return norm;
        }
    }

    @Override
    public void close() {
        adam.close();
        all.close();
    }
}
