package org.lexvla.training;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.LexVla;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Puts everything that a run goes on from into checkpoints, of all its processes together, and takes it out again. */
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
final class RunCheckpoints {
    private static final Logger LOG = LoggerFactory.getLogger(RunCheckpoints.class);

    private final LexVla model;
    private final TrainingConfig config;
    private final Processes processes;
    private final CheckpointDirectory directory;
    private final Optimization optimization;
    private final WeightMean mean;
    private final SkippedSteps skipped;
    private final Metrics metrics;

    /**
     * @param mean    null if none is kept
     * @param metrics null in all processes but the first, which writes
     */
    RunCheckpoints(
            LexVla model,
            TrainingConfig config,
            Processes processes,
            CheckpointDirectory directory,
            Optimization optimization,
            WeightMean mean,
            SkippedSteps skipped,
            Metrics metrics) {
        this.model = model;
        this.config = config;
        this.processes = processes;
        this.directory = directory;
        this.optimization = optimization;
        this.mean = mean;
        this.skipped = skipped;
        this.metrics = metrics;
    }

    /** A checkpoint that cannot be written does not end the run: an older one is there, and the disk may have room again. */
    void tryToWrite(int step, DataPosition position) {
        try {
            write(step, position);
        } catch (IOException e) {
            LOG.error("no checkpoint of step {} could be written, older ones are kept: {}", step, e.toString());
        }
    }

    /**
     * Writes a checkpoint; all processes call this together.
     *
     * @param step     steps that are finished
     * @param position of this process; null: at the beginning
     */
    void write(int step, DataPosition position) throws IOException {
        List<DataPosition> positions = RunState.positions(processes.gather(RunState.json(position)));
        try (PointerScope scope = new PointerScope()) {
            Map<String, Tensor> tensors =
                    new LinkedHashMap<>(optimization.adam().state());
            if (mean != null) {
                tensors.putAll(mean.state());
            }
            RandomState.of(model.device())
                    .forEach((name, state) -> tensors.put(name, processes.gather(state.unsqueeze(0))));
            if (!processes.isFirst()) {
                return;
            }
            RunState state = new RunState(
                    step,
                    positions,
                    metrics.sync(),
                    optimization.adam().steps(),
                    skipped.all(),
                    skipped.inARow(),
                    torch.get_num_threads(),
                    processes.size());
            directory.add(step, config.checkpoint().keep(), beside -> {
                new ModelWriter(model, config).save(beside);
                Checkpoint.complete(beside, state, tensors, config);
            });
        }
    }

    /** Takes everything but the model's weights, with which it was loaded, out of a checkpoint. */
    void restore(Checkpoint from) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            Map<String, Tensor> tensors = from.tensors(model.device());
            optimization.adam().restore(from.state().optimizerSteps(), optimization.parameters(), tensors);
            RandomState.restore(model.device(), RandomState.ofProcess(processes.rank(), tensors));
            if (mean != null) {
                mean.restore(tensors);
            }
            skipped.restore(from.state());
        }
    }
}
