package org.lexvla.training;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Steps whose loss or gradient was not finite: each is skipped, and too many in a row end the run. */
final class SkippedSteps {
    private static final Logger LOG = LoggerFactory.getLogger(SkippedSteps.class);

    private final TrainingConfig config;
    private final int steps;
    private int all;
    private int inARow;

    /** @param steps of the run */
    SkippedSteps(TrainingConfig config, int steps) {
        this.config = config;
        this.steps = steps;
    }

    /** In the whole run. */
    int all() {
        return all;
    }

    /** The last ones. */
    int inARow() {
        return inARow;
    }

    void restore(RunState state) {
        all = state.skipped();
        inARow = state.skippedInARow();
    }

    /**
     * Counts a step if it was skipped.
     *
     * @param norm of the gradient; not finite: the step was skipped
     * @throws IllegalStateException if so many in a row were that the settings end the run
     */
    void count(int step, Losses losses, double norm) {
        if (Double.isFinite(norm)) {
            inARow = 0;
            return;
        }
        all++;
        inARow++;
        String what = "loss is " + losses.value() + ", norm of the gradient " + norm + " at step " + (step + 1) + " of "
                + steps + " (" + losses + ")";
        int limit = config.nonFinite().limit();
        if (inARow >= limit) {
            throw new IllegalStateException(what + ": " + inARow + " steps in a row had to be skipped, " + all
                    + " in all, the limit nonFinite.limit is " + limit + "; lower optimizer.learningRate, now "
                    + config.optimizer().learningRate() + ", or raise optimizer.warmupSteps");
        }
        LOG.warn("{}: the step is skipped", what);
    }
}
