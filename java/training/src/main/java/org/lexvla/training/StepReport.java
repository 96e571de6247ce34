package org.lexvla.training;

/**
 * What a step of a run came to.
 *
 * @param step            finished, from 1
 * @param steps           in all
 * @param loss            InfoNCE in both directions plus penalties times their weights
 * @param imageToText     InfoNCE from picture to text
 * @param textToImage     InfoNCE from text to picture
 * @param imagePenalty    of the pictures' representations, before its weight
 * @param textPenalty     of the texts' representations, before its weight
 * @param imageLambda     weight of the pictures' penalty in this step
 * @param textLambda      weight of the texts' penalty in this step
 * @param imageToTextR1   share of pictures of the batch whose own text is nearest
 * @param textToImageR1   share of texts of the batch whose own picture is nearest
 * @param activeImage     mean words of a picture at or above the model's threshold
 * @param activeText      mean words of a text at or above the model's threshold
 * @param temperature     τ after the step
 * @param learningRate    of the step
 * @param gradientNorm    over all trained parameters, before clipping
 * @param picturesPerSecond in this step
 * @param seconds         of the step, from the beginning of the wait for its pictures to the end
 * @param dataWait        seconds of these that it waited for pictures
 * @param memory          when the step was done
 * @param skipped         samples and shards that were left out up to now, see {@code skipped.jsonl}
 * @param skippedSteps    steps of the run up to now whose loss or gradient was not finite, so that they changed nothing
 */
public record StepReport(
        int step,
        int steps,
        double loss,
        double imageToText,
        double textToImage,
        double imagePenalty,
        double textPenalty,
        double imageLambda,
        double textLambda,
        double imageToTextR1,
        double textToImageR1,
        double activeImage,
        double activeText,
        double temperature,
        double learningRate,
        double gradientNorm,
        double picturesPerSecond,
        double seconds,
        double dataWait,
        MemoryUse memory,
        int skipped,
        int skippedSteps) {}
