package org.lexvla.training;

import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;

/** The loop that the stand-ins share: Adam, a tenth of warm-up, cosine decay, clipping. */
final class StandInLoop {
    private static final int REPORTS = 50;

    private StandInLoop() {}

    static Optimization optimization(Collection<Tensor> parameters, NewModelConfig.Preparation settings) {
        return new Optimization(
                List.of(Optimization.Group.of(parameters, 1)),
                new TrainingConfig.Optimizer(settings.learningRate(), 0, 0.9, 0.98, 1e-8, 0, 1, 1, 1, 1, "all"),
                new Schedule(settings.steps(), settings.steps() / 10, 0));
    }

    /**
     * Runs all steps, each in a scope of its own.
     *
     * @return mean loss of the last tenth
     * @throws IllegalStateException if the loss is no longer finite
     */
    @SuppressWarnings("try")
    static double run(
            NewModelConfig.Preparation settings,
            Optimization optimization,
            Consumer<StandIns.Progress> progress,
            IntFunction<Tensor> loss) {
        int steps = settings.steps();
        int every = Math.max(1, steps / REPORTS);
        int tail = Math.max(1, steps / 10);
        double sinceReport = 0;
        int counted = 0;
        double last = 0;
        for (int step = 0; step < steps; step++) {
            double value;
            try (PointerScope scope = new PointerScope();
                    AutoGradMode graph = new AutoGradMode(true)) {
                Tensor scalar = loss.apply(step);
                value = scalar.item_double();
                if (!Double.isFinite(value)) {
                    throw new IllegalStateException("loss of the stand-in is " + value + " at step " + step
                            + ": lower fresh.*.standIn.learningRate, now " + settings.learningRate());
                }
                scalar.backward();
            }
            optimization.step(step);
            sinceReport += value;
            counted++;
            if (step >= steps - tail) {
                last += value / tail;
            }
            if ((step + 1) % every == 0 || step + 1 == steps) {
                progress.accept(new StandIns.Progress(step + 1, steps, sinceReport / counted));
                sinceReport = 0;
                counted = 0;
            }
        }
        return last;
    }
}
