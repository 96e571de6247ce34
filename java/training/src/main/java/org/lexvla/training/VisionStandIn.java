package org.lexvla.training;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.DinoV2;

/**
 * Gives a tiny visual backbone patch features that tell things apart, through linear probes that are thrown away afterwards.
 *
 * <p>From pictures alone the probe states what can be computed from the pixels: of each quarter of a patch the mean colour, and of
 * each patch, of the 3 × 3 and of the 5 × 5 patches around it, the mean and deviation of every channel and how steep the grey
 * is, in all and in each of eight directions; all standardised over the batch, with the mean squared error as loss. Such statistics say
 * nothing of where in a patch its texture begins, which is what a linear patch embedding has to learn first.
 *
 * <p>With labels, every group of them has a probe as well, whose cross entropy over the patches with a label is added, and the pictures
 * are {@link PatchCollage collages} of windows with many labels. On the demo's scenes, each by itself raised the share of
 * patches of objects whose kind a fresh linear probe names: from 0.28 to 0.45 with collages, from 0.38 to 0.45 with statistics.
 */
final class VisionStandIn {
    private static final long IGNORED = -1;
    private static final long MEAN = 1;
    /** Directions of slopes, each counting those within 45° or so. */
    private static final int DIRECTIONS = 8;

    private static final double SHARPNESS = 4.0;
    private static final double SMALL = 1e-6;
    /** Of the squared error beside the cross entropies. */
    private static final double STATISTICS_WEIGHT = 4;

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

    double onLabels(PatchLabels pictures, NewModelConfig.Preparation settings, Consumer<StandIns.Progress> progress) {
        int grid = model.config().trainedGrid();
        PatchLabels source = grid % 2 == 0 ? new PatchCollage(pictures, patch, grid) : pictures;
        int[] groups = source.groups().clone();
        int[][] labels = new int[groups.length][settings.batch() * grid * grid];
        int labelled = Arrays.stream(groups).sum();
        return train(
                settings,
                progress,
                labelled + statisticsCount(),
                pixels -> source.next(settings.batch(), random, pixels, labels),
                (pixels, probed) -> crossEntropies(groups, labels, probed)
                        .add(torch.mse_loss(probed.narrow(1, labelled, statisticsCount()), statistics(pixels))
                                .mul(new Scalar(STATISTICS_WEIGHT))));
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

    double onPictures(PictureSource source, NewModelConfig.Preparation settings, Consumer<StandIns.Progress> progress) {
        return train(
                settings,
                progress,
                statisticsCount(),
                pixels -> source.next(settings.batch(), random, pixels),
                (pixels, probed) -> torch.mse_loss(probed, statistics(pixels)));
    }

    private static int statisticsCount() {
        return 12 + 3 * (3 + 3 + 1 + DIRECTIONS);
    }

    /** What can be said of each patch from its pixels, standardised over the batch: [B·P, statistics]. */
    private Tensor statistics(Tensor pixels) {
        long cells = size / patch;
        Tensor quarters = torch.avg_pool2d(pixels, patch / 2, patch / 2)
                .reshape(-1, 3, cells, 2, cells, 2)
                .permute(0, 1, 3, 5, 2, 4)
                .reshape(-1, 12, cells, cells);
        Tensor mean = pooled(pixels);
        Tensor deviation = pooled(pixels.mul(pixels))
                .sub(mean.mul(mean))
                .clamp_min(new Scalar(0.0))
                .sqrt();
        Tensor grey = pixels.mean(new long[] {1}, true, new ScalarTypeOptional());
        Tensor across = torch.constant_pad_nd(grey.narrow(3, 1, size - 1).sub(grey.narrow(3, 0, size - 1)), 0, 1);
        Tensor down = torch.constant_pad_nd(grey.narrow(2, 1, size - 1).sub(grey.narrow(2, 0, size - 1)), 0, 0, 0, 1);
        Tensor slope =
                across.mul(across).add(down.mul(down)).add(new Scalar(SMALL)).sqrt();
        Tensor angle = torch.atan2(down, across);
        List<Tensor> own = new ArrayList<>(List.of(mean, deviation, pooled(slope)));
        for (int direction = 0; direction < DIRECTIONS; direction++) {
            Tensor towards = angle.sub(new Scalar(2 * Math.PI * direction / DIRECTIONS))
                    .cos()
                    .clamp_min(new Scalar(0.0))
                    .pow(new Scalar(SHARPNESS));
            own.add(pooled(towards.mul(slope)));
        }
        Tensor each = torch.cat(new TensorVector(own.toArray(new Tensor[0])), 1);
        Tensor all = torch.cat(new TensorVector(quarters, each, around(each, 1), around(each, 2)), 1)
                .permute(0, 2, 3, 1)
                .flatten(0, 2);
        Tensor centred = all.sub(all.mean(new long[] {0}));
        return centred.div(
                centred.mul(centred).mean(new long[] {0}).add(new Scalar(SMALL)).sqrt());
    }

    private Tensor pooled(Tensor map) {
        return torch.avg_pool2d(map, patch, patch);
    }

    /** Mean over the patches up to {@code reach} away. */
    private static Tensor around(Tensor map, long reach) {
        long window = 2 * reach + 1;
        return torch.avg_pool2d(
                map,
                new long[] {window, window},
                new long[] {1, 1},
                new long[] {reach, reach},
                false,
                false,
                new LongOptional());
    }

    @SuppressWarnings("try")
    private double train(
            NewModelConfig.Preparation settings,
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
     * Weights that suit a narrow model: entries of deviation 1/√(inputs), where DINOv2's 0.02 suits a width of 768; and
     * position embeddings of sines and cosines of row and column, as in masked autoencoders, so that neighbours can be told from
     * the first step.
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
