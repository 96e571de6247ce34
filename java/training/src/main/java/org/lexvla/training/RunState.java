package org.lexvla.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
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
 * @param processes      of the run
 */
record RunState(
        int step,
        List<DataPosition> data,
        long metricsBytes,
        long optimizerSteps,
        int skipped,
        int skippedInARow,
        int threads,
        int processes) {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** Where a process goes on in the data; null: at the beginning. */
    DataPosition positionOf(int rank) {
        // Of a list all have the same one, more of them than before too; that of shards is refused where it does not
        // belong.
        return data.isEmpty() ? null : data.get(Math.min(rank, data.size() - 1));
    }

    static String json(DataPosition position) {
        try {
            return MAPPER.writeValueAsString(position);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a position in the data cannot be written", e);
        }
    }

    /** Those of all processes; none at the beginning of a run. */
    static List<DataPosition> positions(List<String> json) {
        List<DataPosition> positions = new ArrayList<>();
        for (String one : json) {
            try {
                DataPosition position = MAPPER.readValue(one, DataPosition.class);
                if (position != null) {
                    positions.add(position);
                }
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("a position in the data cannot be read", e);
            }
        }
        return positions;
    }
}
