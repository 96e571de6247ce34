package org.lexvla.training;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/**
 * A listener of {@link Trainer} that writes what TensorBoard shows: {@code tensorboard --logdir RUN}.
 *
 * <p>The file is begun with the first step it is told of, so a run that goes on from a checkpoint replaces what it had said of later
 * steps.
 */
public final class TensorBoard implements Consumer<StepReport>, AutoCloseable {
    private final Path directory;
    private final int every;
    private EventFile events;

    /**
     * Nothing is written yet.
     *
     * @param directory made with the first step
     * @param every     steps between two that are written
     */
    public TensorBoard(Path directory, int every) {
        Range.atLeast("steps between two that TensorBoard shows", every, 1);
        this.directory = directory;
        this.every = every;
    }

    /** @throws UncheckedIOException if the file cannot be written */
    @Override
    public void accept(StepReport report) {
        try {
            EventFile file = events(report.step());
            if (report.step() % every != 0 && report.step() != report.steps()) {
                return;
            }
            int step = report.step();
            file.scalar("loss/total", step, report.loss());
            file.scalar("loss/image to text", step, report.imageToText());
            file.scalar("loss/text to image", step, report.textToImage());
            file.scalar("penalty/image", step, report.imagePenalty());
            file.scalar("penalty/text", step, report.textPenalty());
            file.scalar("penalty/lambda image", step, report.imageLambda());
            file.scalar("penalty/lambda text", step, report.textLambda());
            file.scalar("batch R@1/image to text", step, report.imageToTextR1());
            file.scalar("batch R@1/text to image", step, report.textToImageR1());
            file.scalar("active words/image", step, report.activeImage());
            file.scalar("active words/text", step, report.activeText());
            file.scalar("optimizer/temperature", step, report.temperature());
            file.scalar("optimizer/learning rate", step, report.learningRate());
            file.scalar("optimizer/gradient norm", step, report.gradientNorm());
            file.scalar("speed/pictures per second", step, report.picturesPerSecond());
            file.scalar("speed/seconds of a step", step, report.seconds());
            file.scalar("speed/seconds waited for data", step, report.dataWait());
            file.scalar("memory/process in bytes", step, report.memory().resident());
            file.scalar("memory/heap in bytes", step, report.memory().heap());
            file.scalar("memory/GPU in bytes", step, report.memory().device());
        } catch (IOException e) {
            throw new UncheckedIOException("events for TensorBoard in " + directory + " cannot be written", e);
        }
    }

    /**
     * The file, for events of one's own; begun if it is not yet.
     *
     * @param step that is told of
     */
    public EventFile events(long step) throws IOException {
        if (events == null) {
            events = EventFile.create(directory, step);
        }
        return events;
    }

    @Override
    public void close() throws IOException {
        if (events != null) {
            events.close();
        }
    }
}
