package org.lexvla.training;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The loss of a step and its parts (SPEC §6), {@code L = l_t2i + l_i2t + λ_I·penalty(images) + λ_T·penalty(texts)}.
 *
 * @param value         of the total
 * @param imageToText   part
 * @param textToImage   part
 * @param imagePenalty  before its weight
 * @param textPenalty   before its weight
 * @param imageLambda   λ_I of this step
 * @param textLambda    λ_T of this step
 * @param imageToTextR1 share of pictures whose own text is nearest
 * @param textToImageR1 share of texts whose own picture is nearest
 * @param backward      adds the gradients of the total to those of images, texts and scale; once, while the step's tensors live
 */
record Losses(
        double value,
        double imageToText,
        double textToImage,
        double imagePenalty,
        double textPenalty,
        double imageLambda,
        double textLambda,
        double imageToTextR1,
        double textToImageR1,
        Runnable backward) {

    /** Of more pairs than this no table of all with all is kept, but one of some rows. */
    static final int IN_GRAPH = 1024;

    /** Pairs whose logits with all others are kept at a time, then. */
    static final int ROWS = 256;

    /**
     * Computes all parts.
     *
     * @param images [N,V], leaf that takes a gradient, rows of unit length
     * @param texts  [N,V], the same; may take none
     * @param factor of both λ in this step, 0 to 1
     */
    static Losses of(Tensor images, Tensor texts, Tensor logScale, TrainingConfig.Loss settings, double factor) {
        Tensor imagePenalty = settings.penalty().of(images);
        Tensor textPenalty = settings.penalty().of(texts);
        double imageLambda = settings.lambda().image() * factor;
        double textLambda = settings.lambda().text() * factor;
        Contrast contrast =
                images.size(0) <= IN_GRAPH ? inGraph(images, texts, logScale) : tiled(images, texts, logScale);
        Tensor total = contrast.sum()
                .add(imagePenalty.mul(new Scalar(imageLambda)))
                .add(textPenalty.mul(new Scalar(textLambda)));
        return new Losses(
                total.item_double(),
                contrast.imageToText(),
                contrast.textToImage(),
                imagePenalty.item_double(),
                textPenalty.item_double(),
                imageLambda,
                textLambda,
                contrast.imageToTextR1(),
                contrast.textToImageR1(),
                () -> {
                    total.backward();
                    contrast.rest().run();
                });
    }

    /**
     * The contrastive part.
     *
     * @param sum  of both directions, scalar
     * @param rest of the backward pass, after that of the graph in which {@code sum} is
     */
    private record Contrast(
            Tensor sum,
            double imageToText,
            double textToImage,
            double imageToTextR1,
            double textToImageR1,
            Runnable rest) {}

    private static Contrast inGraph(Tensor images, Tensor texts, Tensor logScale) {
        InfoNce.Directions both = InfoNce.directions(images, texts, logScale);
        return new Contrast(
                both.sum(),
                both.imageToText().item_double(),
                both.textToImage().item_double(),
                nearestIsOwn(both.logits(), 1),
                nearestIsOwn(both.logits(), 0),
                () -> {});
    }

    private static Contrast tiled(Tensor images, Tensor texts, Tensor logScale) {
        TiledInfoNce both = new TiledInfoNce(images, texts, Math.exp(logScale.item_double()), ROWS);
        // Of no graph, but of a value and a type like the penalties'.
        Tensor sum = torch.full(new long[0], new Scalar(both.imageToText() + both.textToImage()), images.options());
        return new Contrast(
                sum, both.imageToText(), both.textToImage(), both.imageToTextR1(), both.textToImageR1(), () -> {
                    double ofScale = both.backward(images.grad(), texts.requires_grad() ? texts.grad() : null);
                    add(ofScale, logScale);
                });
    }

    /** Adds to a parameter's gradient, of which there may be none yet. */
    @SuppressWarnings("try")
    private static void add(double gradient, Tensor parameter) {
        try (PointerScope scope = new PointerScope()) {
            if (!parameter.grad().defined()) {
                parameter.mutable_grad().put(torch.zeros_like(parameter));
            }
            parameter.grad().add_(new Scalar(gradient));
        }
    }

    /** Share of rows (1) or columns (0) whose largest logit is on the diagonal. */
    private static double nearestIsOwn(Tensor logits, long over) {
        Tensor own = torch.arange(
                new Scalar(logits.size(0)), logits.options().dtype(new ScalarTypeOptional(torch.ScalarType.Long)));
        return logits.detach()
                .argmax(new LongOptional(over), false)
                .eq(own)
                .to(torch.ScalarType.Double)
                .mean()
                .item_double();
    }

    @Override
    public String toString() {
        return "picture to text " + imageToText + ", text to picture " + textToImage + ", penalties " + imagePenalty
                + " and " + textPenalty;
    }
}
