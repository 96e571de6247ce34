package org.lexvla.training;

import java.util.List;

/**
 * Where a run stands between two steps, besides its tensors.
 *
 * @param step           steps finished
 * @param data           where the next batch begins, for each process; empty at the beginning of a run
 * @param metricsBytes   length of {@code metrics.jsonl}
 * @param optimizerSteps steps that the optimizer made
 * @param skipped        steps without a finite loss and gradient
 * @param skippedInARow  of these, the last ones
 * @param threads        of LibTorch; another number sums in another order
 */
record RunState(
        int step,
        List<DataPosition> data,
        long metricsBytes,
        long optimizerSteps,
        int skipped,
        int skippedInARow,
        int threads) {}
