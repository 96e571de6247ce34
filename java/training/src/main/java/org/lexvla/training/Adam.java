package org.lexvla.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Adam (Kingma and Ba 2015) over named parameters, whose state can be written down and taken up again; LibTorch's own shows its state
 * to nobody in Java. The arithmetic is LibTorch's, operation by operation, so that the results are the same to the bit.
 *
 * <p>The two moments of a parameter are made at its first gradient. Whoever calls has turned the graph off and holds a
 * {@code PointerScope}.
 */
final class Adam implements AutoCloseable {
    private static final String MEAN = "adam.mean.";
    private static final String SQUARE = "adam.square.";

    private record Moments(Tensor mean, Tensor square) {}

    private final TrainingConfig.Optimizer settings;
    private final Map<String, Moments> moments = new LinkedHashMap<>();
    private long steps;

    Adam(TrainingConfig.Optimizer settings) {
        this.settings = settings;
    }

    /** Steps that were made; each of them has to be announced by {@link #next}. */
    long steps() {
        return steps;
    }

    /** Begins a step. */
    void next() {
        steps++;
    }

    /** Moves a parameter against its gradient. */
    void update(String name, Tensor parameter, Tensor gradient, double rate) {
        move(parameter, gradient, moments(name, parameter), rate);
    }

    /**
     * Moves the rows of a matrix whose gradient is not zero throughout. Unlike {@link #update} it leaves the other rows and their moments
     * as they are: these do not go on where they were going, and their means decay by the steps in which they have a gradient, not by
     * all steps, for which they are corrected all the same. With a gradient in every row both do the same.
     */
    void updateTouched(String name, Tensor matrix, Tensor gradient, double rate) {
        Moments own = moments(name, matrix);
        Tensor touched = gradient.ne(new Scalar(0)).any(1, false).nonzero().view(-1);
        if (touched.numel() == 0) {
            return;
        }
        Tensor rows = torch.index_select(matrix.detach(), 0, touched);
        Moments some =
                new Moments(torch.index_select(own.mean(), 0, touched), torch.index_select(own.square(), 0, touched));
        move(rows, torch.index_select(gradient, 0, touched), some, rate);
        matrix.index_copy_(0, touched, rows);
        own.mean().index_copy_(0, touched, some.mean());
        own.square().index_copy_(0, touched, some.square());
    }

    private Moments moments(String name, Tensor parameter) {
        return moments.computeIfAbsent(
                name,
                n -> new Moments(
                        torch.zeros_like(parameter).retainReference(),
                        torch.zeros_like(parameter).retainReference()));
    }

    private void move(Tensor parameter, Tensor gradient, Moments own, double rate) {
        Tensor towards = decayed(parameter, gradient);
        own.mean().mul_(new Scalar(settings.beta1())).add_(towards, new Scalar(1 - settings.beta1()));
        own.square().mul_(new Scalar(settings.beta2())).addcmul_(towards, towards, new Scalar(1 - settings.beta2()));
        double meanBias = 1 - Math.pow(settings.beta1(), steps);
        double squareBias = 1 - Math.pow(settings.beta2(), steps);
        Tensor deviation =
                own.square().sqrt().div_(new Scalar(Math.sqrt(squareBias))).add_(new Scalar(settings.eps()));
        parameter.addcdiv_(own.mean(), deviation, new Scalar(-(rate / meanBias)));
    }

    private Tensor decayed(Tensor parameter, Tensor gradient) {
        return settings.weightDecay() == 0
                ? gradient
                : gradient.add(parameter.detach(), new Scalar(settings.weightDecay()));
    }

    /** The moments by name, as {@link #restore} takes them; the tensors stay this object's. */
    Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        moments.forEach((name, own) -> {
            state.put(MEAN + name, own.mean());
            state.put(SQUARE + name, own.square());
        });
        return state;
    }

    /**
     * Goes on from a state.
     *
     * @param parameters all that are trained, by name
     * @param state      what {@link #state} gave, and other tensors, which are left alone
     * @throws IllegalArgumentException if the state belongs to other parameters
     */
    void restore(long steps, Map<String, Tensor> parameters, Map<String, Tensor> state) {
        this.steps = steps;
        state.forEach((name, mean) -> {
            if (name.startsWith(MEAN)) {
                String of = name.substring(MEAN.length());
                Tensor parameter = parameters.get(of);
                Tensor square = state.get(SQUARE + of);
                if (parameter == null
                        || square == null
                        || !parameter.is_same_size(mean)
                        || !parameter.is_same_size(square)) {
                    throw new IllegalArgumentException("the optimizer's state of " + of
                            + " does not fit what is trained: go on with the model and the settings of the run");
                }
                moments.put(of, new Moments(like(parameter, mean), like(parameter, square)));
            }
        });
    }

    private static Tensor like(Tensor parameter, Tensor value) {
        return torch.empty_like(parameter.detach()).copy_(value).retainReference();
    }

    @Override
    public void close() {
        moments.values().forEach(own -> {
            own.mean().close();
            own.square().close();
        });
        moments.clear();
    }
}
