package org.lexvla.training;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The loss of a step and its parts (SPEC §6), {@code L = l_t2i + l_i2t + λ_I·penalty(images) + λ_T·penalty(texts)}.
 *
 * @param total        in the graph
 * @param logits       [N,N] pictures against texts
 * @param value        of the total
 * @param imageToText  part
 * @param textToImage  part
 * @param imagePenalty before its weight
 * @param textPenalty  before its weight
 * @param imageLambda  λ_I of this step
 * @param textLambda   λ_T of this step
 */
record Losses(
        Tensor total,
        Tensor logits,
        double value,
        double imageToText,
        double textToImage,
        double imagePenalty,
        double textPenalty,
        double imageLambda,
        double textLambda) {

    /** @param factor of both λ in this step, 0 to 1 */
    static Losses of(Tensor images, Tensor texts, Tensor logScale, TrainingConfig.Loss settings, double factor) {
        InfoNce.Directions directions = InfoNce.directions(images, texts, logScale);
        Tensor imagePenalty = settings.penalty().of(images);
        Tensor textPenalty = settings.penalty().of(texts);
        double imageLambda = settings.lambda().image() * factor;
        double textLambda = settings.lambda().text() * factor;
        Tensor total = directions
                .sum()
                .add(imagePenalty.mul(new Scalar(imageLambda)))
                .add(textPenalty.mul(new Scalar(textLambda)));
        return new Losses(
                total,
                directions.logits(),
                total.item_double(),
                directions.imageToText().item_double(),
                directions.textToImage().item_double(),
                imagePenalty.item_double(),
                textPenalty.item_double(),
                imageLambda,
                textLambda);
    }

    @Override
    public String toString() {
        return "picture to text " + imageToText + ", text to picture " + textToImage + ", penalties " + imagePenalty
                + " and " + textPenalty;
    }
}
