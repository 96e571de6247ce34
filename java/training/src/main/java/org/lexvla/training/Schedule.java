package org.lexvla.training;

/**
 * How learning rate and penalties change over the steps (SPEC §6, §7). Steps count from 0.
 *
 * @param steps         of the run
 * @param warmupSteps   over which the learning rate rises linearly; at step {@code warmupSteps − 1} it is full
 * @param penaltySteps  over which the penalties rise quadratically; 0: full from the first step
 */
record Schedule(int steps, int warmupSteps, int penaltySteps) {
    /** Factor of the learning rate: linear rise, then a cosine to zero at the end of the run. */
    double learningRate(int step) {
        if (step < warmupSteps) {
            return (step + 1) / (double) warmupSteps;
        }
        double progress = (step - warmupSteps) / (double) Math.max(1, steps - warmupSteps);
        return 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)));
    }

    /** Factor of the penalties: {@code min(1, step/penaltySteps)²}. */
    double penalty(int step) {
        if (penaltySteps == 0) {
            return 1;
        }
        double part = Math.min(1, step / (double) penaltySteps);
        return part * part;
    }
}
