package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.BinaryOperator;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.model.LexVla;
import org.lexvla.model.TextBatch;

/**
 * What bfloat16 does to the gradients of a step, by FlashAttention's rule: our error against the truth is at most twice that of the same
 * step in LibTorch's operations, in bfloat16 too. An error is the length of the difference over the length of the truth, of all gradients of a group
 * as one vector. The plain step rounds the scores to bfloat16 and goes on in float32, as LibTorch's autocast would have it.
 */
@SuppressWarnings("try")
class Bfloat16GradientTest {
    private static final int BATCHES = 4;

    @TempDir
    static Path shared;

    private static CaptionDataset data;

    @BeforeAll
    static void draw() throws IOException {
        data = ToyData.write(shared.resolve("data"));
        ToyData.model(ToyData.config(), data, shared).close();
    }

    /** Against float32 backbones and a head in float64: all that bfloat16 does. */
    @Test
    void ofTheWholeStep() throws IOException {
        requireTwiceAtMost("the whole step", "float32");
    }

    /** Against the same bfloat16 backbones and a head in float64: what the head's bfloat16 does. */
    @Test
    void ofTheHead() throws IOException {
        requireTwiceAtMost("the head", "bfloat16");
    }

    private static void requireTwiceAtMost(String of, String precisionOfTruth) throws IOException {
        Map<String, Error> ours = new LinkedHashMap<>();
        Map<String, Error> plain = new LinkedHashMap<>();
        TrainingConfig config = config("bfloat16");
        for (int seed = 0; seed < BATCHES; seed++) {
            try (LexVla exact = Gradients.trainable(config(precisionOfTruth), data, shared, seed);
                    LexVla model = Gradients.trainable(config, data, shared, seed);
                    BufferAllocator allocator = new RootAllocator();
                    BatchLoader loader =
                            new BatchLoader(data, model.transform(), config, Part.WHOLE, null, null, allocator);
                    Batch batch = loader.take();
                    PointerScope scope = new PointerScope()) {
                copyTrained(exact, model);
                drawNoise(batch, seed);
                oneGraph(
                        exact,
                        config,
                        batch,
                        (x, z) -> x.to(ScalarType.Double)
                                .matmul(z.to(ScalarType.Double).t()));
                Map<String, Map<String, float[]>> truth = Gradients.take(exact);
                new TrainingStep(model, config, Processes.alone()).run(batch, 1);
                add(ours, Gradients.take(model), truth);
                oneGraph(
                        model,
                        config,
                        batch,
                        (x, z) -> x.to(ScalarType.BFloat16)
                                .matmul(z.to(ScalarType.BFloat16).t())
                                .to(ScalarType.Float));
                add(plain, Gradients.take(model), truth);
            }
        }
        assertThat(ours).containsOnlyKeys("adapter", "lora", "codebook", "all");
        ours.forEach((group, error) -> {
            String said = String.format(
                    Locale.ROOT,
                    "%s, gradients of %s: %.2f %% off, with LibTorch's operations %.2f %%",
                    of,
                    group,
                    100 * error.relative(),
                    100 * plain.get(group).relative());
            System.out.println(said);
            assertThat(error.relative())
                    .as(said)
                    .isLessThanOrEqualTo(2 * plain.get(group).relative())
                    .isPositive();
        });
    }

    private static TrainingConfig config(String precision) throws IOException {
        return ToyData.config("precision=" + precision, "loss.lambda.image=0.3", "loss.lambda.text=0.5");
    }

    private static void copyTrained(LexVla from, LexVla to) {
        try (NoGradGuard noGraph = new NoGradGuard()) {
            Map<String, Tensor> trained = from.trained();
            to.trained().forEach((name, tensor) -> tensor.copy_(trained.get(name)));
        }
    }

    private static void drawNoise(Batch batch, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (int row = 0; row < batch.size(); row++) {
            for (ByteBuffer pixels = batch.place(row); pixels.hasRemaining(); ) {
                pixels.put((byte) random.nextInt(256));
            }
        }
    }

    private static void oneGraph(LexVla model, TrainingConfig config, Batch batch, BinaryOperator<Tensor> product) {
        try (AutoGradMode graph = new AutoGradMode(true)) {
            Tensor images = head(product.apply(
                    model.imageTokens(model.transform().normalized(batch.pixels(0, batch.size()))),
                    model.imageCodebook()));
            TextBatch prompts = model.prompts(batch.captions());
            Tensor texts = head(product.apply(model.textTokens(prompts.ids(), prompts.mask()), model.textCodebook()));
            Losses.of(images, texts, model.logitScale(), config.loss(), 1)
                    .backward()
                    .run();
        }
    }

    private static Tensor head(Tensor allScores) {
        Tensor scores = allScores.amax(new long[] {1}, false);
        Tensor activated = torch.where(scores.ge(new Scalar(0)), scores.add(new Scalar(1)), scores.exp());
        return activated.div(activated.mul(activated).sum(1).sqrt().unsqueeze(1));
    }

    /** Squares of a difference and of the truth, summed. */
    private record Error(double difference, double truth) {
        Error plus(Error other) {
            return new Error(difference + other.difference, truth + other.truth);
        }

        double relative() {
            return Math.sqrt(difference / truth);
        }
    }

    /** By group; the one number of the temperature counts among all. */
    private static void add(
            Map<String, Error> errors,
            Map<String, Map<String, float[]>> found,
            Map<String, Map<String, float[]>> truth) {
        truth.forEach((group, tensors) -> tensors.forEach((name, exact) -> {
            float[] one = found.get(group).get(name);
            double difference = 0;
            double size = 0;
            for (int i = 0; i < exact.length; i++) {
                difference += Math.pow((double) one[i] - exact[i], 2);
                size += Math.pow(exact[i], 2);
            }
            Error error = new Error(difference, size);
            if (!group.equals("scale")) {
                errors.merge(group, error, Error::plus);
            }
            errors.merge("all", error, Error::plus);
        }));
    }
}
