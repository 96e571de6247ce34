package org.lexvla.training;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * {@link InfoNce} with its gradients, some rows of logits at a time: memory grows with the pairs, where a graph keeps six tables
 * of all pairs by all pairs, 0.9 GB at 6,144.
 *
 * <p>With r the logarithm of the sum of exponentials over each row of the logits L, c that over each column, and N pairs, the gradient of the
 * sum of both directions is {@code dL = (exp(L − r) + exp(L − c) − 2I) / N}. A first pass over the rows gives r and c, which make the
 * loss; a second one {@code dL}, from which the rest follows. So the logits are computed twice, which is little beside the towers.
 */
final class TiledInfoNce {
    private final Tensor images;
    private final Tensor texts;
    private final double scale;
    private final long pairs;
    private final long rows;
    /** Of each row and of each column, [N] all: the largest logit, and the logarithm of the sum of exponentials of what is below it. */
    private final Tensor largestOfRow;

    private final Tensor logOfRow;
    private final Tensor largestOfColumn;
    private final Tensor logOfColumn;
    private final double imageToText;
    private final double textToImage;
    private final double imageToTextR1;
    private final double textToImageR1;

    /**
     * Computes the loss. Tensors are those of the caller's {@code PointerScope}.
     *
     * @param images [N,V], rows of unit length
     * @param texts  [N,V], rows of unit length
     * @param scale  1/τ
     * @param rows   of logits that are computed together
     */
    @SuppressWarnings("try")
    TiledInfoNce(Tensor images, Tensor texts, double scale, long rows) {
        this.images = images.detach();
        this.texts = texts.detach();
        this.scale = scale;
        this.pairs = images.size(0);
        this.rows = rows;
        try (NoGradGuard noGraph = new NoGradGuard()) {
            long[] shape = {pairs};
            this.largestOfRow = torch.empty(shape, images.options(), null);
            this.logOfRow = torch.empty(shape, images.options(), null);
            // Of the rows up to the present one.
            this.largestOfColumn = torch.full(shape, new Scalar(Double.NEGATIVE_INFINITY), images.options());
            Tensor sumOfColumn = torch.zeros(shape, images.options());
            Tensor where = torch.zeros(shape, images.options().dtype(new ScalarTypeOptional(torch.ScalarType.Long)));
            double own = 0;
            long nearestTexts = 0;
            for (long from = 0; from < pairs; from += rows) {
                try (PointerScope tile = new PointerScope()) {
                    Tensor logits = logits(from);
                    own += sum(logits.diagonal(from, 0, 1));
                    T_TensorTensor_T ofRows = logits.max(1, false);
                    nearestTexts += ownOnes(ofRows.get1(), from);
                    long size = logits.size(0);
                    largestOfRow.narrow(0, from, size).copy_(ofRows.get0());
                    logOfRow.narrow(0, from, size)
                            .copy_(logits.sub(ofRows.get0().unsqueeze(1))
                                    .exp_()
                                    .sum(1)
                                    .log_());
                    T_TensorTensor_T ofColumns = logits.max(0, false);
                    where.copy_(ofColumns
                            .get1()
                            .add(new Scalar(from))
                            .where(ofColumns.get0().gt(largestOfColumn), where));
                    Tensor largest = largestOfColumn.maximum(ofColumns.get0());
                    sumOfColumn.mul_(largestOfColumn.sub(largest).exp_());
                    sumOfColumn.add_(logits.sub_(largest).exp_().sum(0));
                    largestOfColumn.copy_(largest);
                }
            }
            this.logOfColumn = sumOfColumn.log_();
            this.imageToText = (sum(largestOfRow) - own + sum(logOfRow)) / pairs;
            this.textToImage = (sum(largestOfColumn) - own + sum(logOfColumn)) / pairs;
            this.imageToTextR1 = nearestTexts / (double) pairs;
            this.textToImageR1 = ownOnes(where, 0) / (double) pairs;
        }
    }

    /** Cross entropy of each picture over all texts. */
    double imageToText() {
        return imageToText;
    }

    /** Cross entropy of each text over all pictures. */
    double textToImage() {
        return textToImage;
    }

    /** Share of pictures whose own text is nearest. */
    double imageToTextR1() {
        return imageToTextR1;
    }

    /** Share of texts whose own picture is nearest. */
    double textToImageR1() {
        return textToImageR1;
    }

    /**
     * Adds the gradients of the sum of both directions.
     *
     * @param ofImages [N,V], added to
     * @param ofTexts  [N,V], added to; null where none is wanted
     * @return that of the logarithm of the scale
     */
    @SuppressWarnings("try")
    double backward(Tensor ofImages, Tensor ofTexts) {
        double ofScale = 0;
        try (NoGradGuard noGraph = new NoGradGuard()) {
            for (long from = 0; from < pairs; from += rows) {
                try (PointerScope tile = new PointerScope()) {
                    Tensor logits = logits(from);
                    long size = logits.size(0);
                    Tensor gradient = logits.sub(
                                    largestOfRow.narrow(0, from, size).unsqueeze(1))
                            .sub_(logOfRow.narrow(0, from, size).unsqueeze(1))
                            .exp_();
                    gradient.add_(logits.sub(largestOfColumn).sub_(logOfColumn).exp_());
                    gradient.diagonal(from, 0, 1).sub_(new Scalar(2.0));
                    gradient.div_(new Scalar((double) pairs));
                    // A logit's derivative by the logarithm of the scale is itself.
                    ofScale += sum(logits.mul_(gradient));
                    gradient.mul_(new Scalar(scale));
                    ofImages.narrow(0, from, size).addmm_(gradient, texts);
                    if (ofTexts != null) {
                        ofTexts.addmm_(gradient.t(), images.narrow(0, from, size));
                    }
                }
            }
        }
        return ofScale;
    }

    /** [rows, N], those from a picture on. */
    private Tensor logits(long from) {
        return images.narrow(0, from, Math.min(rows, pairs - from))
                .matmul(texts.t())
                .mul_(new Scalar(scale));
    }

    private static double sum(Tensor values) {
        return values.sum(new ScalarTypeOptional(torch.ScalarType.Double)).item_double();
    }

    /** How many of the numbers are what they are in an ascending series. */
    private static long ownOnes(Tensor numbers, long from) {
        Tensor own = torch.arange(new Scalar(from), new Scalar(from + numbers.size(0)), numbers.options());
        return numbers.eq(own).sum().item_long();
    }
}
