package org.lexvla.training;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.DinoV2;

/**
 * Gives a tiny visual backbone patch features that tell things apart, through linear probes that are thrown away afterwards.
 *
 * <p>With labels, every group of them has a probe and the loss is the sum of their cross entropies over the patches that have one.
 * Without, the targets are computed from the pixels: for each quarter of a patch its mean colour; for each patch and for
 * the 3 × 3 patches around it the mean and deviation of each channel and the mean size of its horizontal and vertical
 * differences; all standardised over the batch. The loss is the mean squared error. Only patch tokens have a loss.
 */
final class VisionStandIn {
    private static final long IGNORED = -1;
    private static final long MEAN = 1;

    private final DinoV2 model;
    private final SplittableRandom random;
    private final int size;
    private final int patch;

    VisionStandIn(DinoV2 model, long seed) {
        this.model = model;
        this.random = new SplittableRandom(seed);
        this.size = model.config().imageSize();
        this.patch = model.config().patchSize();
    }

    /** What a batch costs. */
    private interface Objective {
        /**
         * @param pixels [B,3,H,W]
         * @param probed [B·P, outputs]
         */
        Tensor loss(Tensor pixels, Tensor probed);
    }

    double onLabels(PatchLabels pictures, TrainingConfig.Preparation settings, Consumer<StandIns.Progress> progress) {
        int grid = model.config().trainedGrid();
        PatchLabels source = grid % 2 == 0 && !Boolean.getBoolean("nocollage") ? new PatchCollage(pictures, patch, grid) : pictures;
        int[] groups = source.groups().clone();
        int rows =
                settings.batch() * model.config().trainedGrid() * model.config().trainedGrid();
        int[][] labels = new int[groups.length][rows];
        return train(
                settings,
                progress,
                Arrays.stream(groups).sum(),
                pixels -> source.next(settings.batch(), random, pixels, labels),
                (pixels, probed) -> crossEntropies(groups, labels, probed));
    }

    private Tensor crossEntropies(int[] groups, int[][] labels, Tensor probed) {
        Tensor sum = null;
        long from = 0;
        for (int g = 0; g < groups.length; g++) {
            long[] wanted = Arrays.stream(labels[g]).asLongStream().toArray();
            if (Arrays.stream(wanted).anyMatch(label -> label != IGNORED)) {
                Tensor loss = torch.cross_entropy_loss(
                        probed.narrow(1, from, groups[g]),
                        HostTensor.to(HostTensor.of(wanted, wanted.length), model.device()),
                        new TensorOptional(),
                        MEAN,
                        IGNORED,
                        0);
                sum = sum == null ? loss : sum.add(loss);
            }
            from += groups[g];
        }
        if (sum == null) {
            throw new IllegalArgumentException("no patch of a batch of pictures has a label");
        }
        return sum;
    }

    @SuppressWarnings("try")
    double onPictures(PictureSource source, TrainingConfig.Preparation settings, Consumer<StandIns.Progress> progress) {
        int outputs;
        try (PointerScope scope = new PointerScope()) {
            outputs = (int) statistics(torch.zeros(1, 3, size, size)).size(1);
        }
        return train(
                settings,
                progress,
                outputs,
                pixels -> source.next(settings.batch(), random, pixels),
                (pixels, probed) -> {
                    Tensor wanted = statistics(pixels);
                    Tensor centred = wanted.sub(
                            wanted.mean(new long[] {0}, true, new org.bytedeco.pytorch.ScalarTypeOptional()));
                    Tensor deviation = centred.mul(centred)
                            .mean(new long[] {0}, true, new org.bytedeco.pytorch.ScalarTypeOptional())
                            .sqrt();
                    return torch.mse_loss(probed, centred.div(deviation.add(new Scalar(1e-3))));
                });
    }

    /** What can be said of each patch from its pixels: [B·P, statistics]. */
    private Tensor statistics(Tensor pixels) {
        Tensor quarters = pooled(pixels, patch / 2);
        long cells = size / patch;
        Tensor perPatch = quarters.reshape(-1, 3, cells, 2, cells, 2)
                .permute(0, 1, 3, 5, 2, 4)
                .reshape(-1, 12, cells, cells);
        Tensor mean = pooled(pixels, patch);
        Tensor deviation = pooled(pixels.mul(pixels), patch)
                .sub(mean.mul(mean))
                .clamp_min(new Scalar(0.0))
                .sqrt();
        Tensor across =
                pixels.narrow(3, 1, size - 1).sub(pixels.narrow(3, 0, size - 1)).abs();
        Tensor down =
                pixels.narrow(2, 1, size - 1).sub(pixels.narrow(2, 0, size - 1)).abs();
        Tensor edges = torch.cat(
                new TensorVector(
                        pooled(torch.constant_pad_nd(across, 0, 1), patch),
                        pooled(torch.constant_pad_nd(down, 0, 0, 0, 1), patch)),
                1);
        Tensor own = torch.cat(new TensorVector(mean, deviation, edges), 1);
        Tensor around = torch.avg_pool2d(
                own,
                new long[] {3, 3},
                new long[] {1, 1},
                new long[] {1, 1},
                false,
                false,
                new org.bytedeco.pytorch.LongOptional());
        return torch.cat(new TensorVector(perPatch, own, around), 1)
                .permute(0, 2, 3, 1)
                .flatten(0, 2);
    }

    private static Tensor pooled(Tensor map, long cell) {
        return torch.avg_pool2d(map, cell, cell);
    }

    @SuppressWarnings("try")
    private double train(
            TrainingConfig.Preparation settings,
            Consumer<StandIns.Progress> progress,
            int outputs,
            Consumer<FloatBuffer> pictures,
            Objective objective) {
        if (settings.steps() == 0) {
            return Double.NaN;
        }
        int batch = settings.batch();
        int width = model.config().hiddenSize();
        begin();
        model.setTrainable(true);
        try (PointerScope scope = new PointerScope()) {
            float[] weights = new float[outputs * width];
            for (int i = 0; i < weights.length; i++) {
                weights[i] = (float) (0.02 * random.nextGaussian());
            }
            Tensor probe = HostTensor.to(HostTensor.of(weights, outputs, width), model.device())
                    .set_requires_grad(true);
            Tensor bias = HostTensor.to(HostTensor.of(new float[outputs], outputs), model.device())
                    .set_requires_grad(true);
            List<Tensor> parameters = new ArrayList<>(model.parameters().values());
            parameters.add(probe);
            parameters.add(bias);
            FloatPointer memory = new FloatPointer(3L * batch * size * size);
            FloatBuffer buffer = memory.asBuffer();
            try (Optimization optimization = StandInLoop.optimization(parameters, settings)) {
                return StandInLoop.run(settings, optimization, progress, step -> {
                    pictures.accept(buffer.clear());
                    Tensor pixels = HostTensor.floats(batch, 3, size, size);
                    pixels.data_ptr_float().put(memory);
                    pixels = HostTensor.to(pixels, model.device());
                    Tensor tokens = model.forward(pixels);
                    Tensor patches = tokens.narrow(1, 1, tokens.size(1) - 1).reshape(-1, width);
                    return objective.loss(pixels, torch.linear(patches, probe, new TensorOptional(bias)));
                });
            }
        } finally {
            model.setTrainable(false);
        }
    }

    /**
     * Weights that suit a narrow model: entries of deviation 1/√(inputs), where DINOv2's 0.02 suits a width of 768, and position
     * embeddings of sines and cosines of row and column, as in masked autoencoders, so that neighbours can be told from the first
     * step.
     */
    private void begin() {
        InitialWeights weights = new InitialWeights(random.split());
        model.parameters().forEach((name, parameter) -> {
            if (name.endsWith("position_embeddings")) {
                weights.positions(parameter, model.config().trainedGrid());
            } else if (name.endsWith("weight") && parameter.dim() > 1) {
                weights.normal(parameter, 1 / Math.sqrt(parameter.numel() / (double) parameter.size(0)));
            }
        });
    }
}
