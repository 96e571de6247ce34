package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lexvla.model.LexVla;
import org.lexvla.model.TextBatch;

/** Gradients of a batch in micro-batches against LibTorch's own, of one graph over all of them. */
@SuppressWarnings("try")
class GradientCachingTest {
    /** Of the largest gradient of a group; LibTorch and the head sum in other orders, at most a few thousand float32 numbers. */
    private static final double TOLERANCE = 1e-5;

    private static final long SEED = 11;

    @TempDir
    static Path shared;

    private static CaptionDataset data;

    @BeforeAll
    static void draw() throws IOException {
        data = ToyData.write(shared.resolve("data"));
        ToyData.model(ToyData.config(), data, shared).close();
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "3, 0", "3, 0.3", "4, 0.3", "8, 0.3", "1, 0", "100, 0"})
    void gradientsAreThoseOfOneGraph(int microBatch, double dropout) throws IOException {
        TrainingConfig config = ToyData.config(
                "microBatch=" + microBatch,
                "lora.dropout=" + dropout,
                "vision.frozen=false",
                "text.frozen=false",
                "loss.lambda.image=0.3",
                "loss.lambda.text=0.5");
        try (LexVla model = Gradients.trainable(config, data, shared, SEED);
                BufferAllocator allocator = new RootAllocator();
                BatchLoader loader =
                        new BatchLoader(data, model.transform(), config, Part.WHOLE, null, null, allocator);
                Batch batch = loader.take()) {
            torch.manual_seed(SEED);
            double expectedLoss = oneGraph(model, config, batch, microBatch == 0 ? 100 : microBatch);
            Map<String, Map<String, float[]>> expected = Gradients.take(model);
            torch.manual_seed(SEED);
            double loss;
            try (PointerScope scope = new PointerScope()) {
                loss = new TrainingStep(model, config, Processes.alone())
                        .run(batch, 1)
                        .losses()
                        .value();
            }
            assertThat(Math.abs(loss - expectedLoss)).isLessThan(TOLERANCE * Math.abs(expectedLoss));
            requireClose(Gradients.take(model), expected);
        }
    }

    /**
     * The same pictures and texts, cut in another way. The towers then sum in another order, by which a near tie of two patches may go to
     * the other one; so the pictures are noise, whose patches are not alike.
     */
    @Test
    void theCutDoesNotMatter() throws IOException {
        Map<String, Map<String, float[]>> whole = cut(0);
        for (int microBatch : new int[] {1, 2, 5, 7}) {
            requireClose(cut(microBatch), whole);
        }
    }

    private static Map<String, Map<String, float[]>> cut(int microBatch) throws IOException {
        TrainingConfig config = ToyData.config("microBatch=" + microBatch);
        try (LexVla model = Gradients.trainable(config, data, shared, SEED);
                BufferAllocator allocator = new RootAllocator();
                BatchLoader loader =
                        new BatchLoader(data, model.transform(), config, Part.WHOLE, null, null, allocator);
                Batch batch = loader.take();
                PointerScope scope = new PointerScope()) {
            SplittableRandom random = new SplittableRandom(SEED);
            for (int row = 0; row < batch.size(); row++) {
                for (ByteBuffer pixels = batch.place(row); pixels.hasRemaining(); ) {
                    pixels.put((byte) random.nextInt(256));
                }
            }
            new TrainingStep(model, config, Processes.alone()).run(batch, 1);
            return Gradients.take(model);
        }
    }

    /** Towers micro-batch by micro-batch, so that they draw the same random numbers; all else in one graph of plain operations. */
    private static double oneGraph(LexVla model, TrainingConfig config, Batch batch, int microBatch) {
        try (PointerScope scope = new PointerScope();
                AutoGradMode graph = new AutoGradMode(true)) {
            List<Tensor> images = new ArrayList<>();
            List<Tensor> texts = new ArrayList<>();
            for (int from = 0; from < batch.size(); from += microBatch) {
                int to = Math.min(batch.size(), from + microBatch);
                images.add(head(
                        model.imageTokens(model.transform().normalized(batch.pixels(from, to))),
                        model.imageCodebook()));
                TextBatch prompts = model.prompts(batch.captions().subList(from, to));
                texts.add(head(model.textTokens(prompts.ids(), prompts.mask()), model.textCodebook()));
            }
            Losses losses = Losses.of(cat(images), cat(texts), model.logitScale(), config.loss(), 1);
            losses.backward().run();
            return losses.value();
        }
    }

    private static Tensor cat(List<Tensor> parts) {
        return torch.cat(new TensorVector(parts.toArray(new Tensor[0])), 0);
    }

    private static Tensor head(Tensor tokens, Tensor codebook) {
        Tensor scores = tokens.matmul(codebook.t()).amax(new long[] {1}, false);
        Tensor activated = torch.where(scores.ge(new Scalar(0)), scores.add(new Scalar(1)), scores.exp());
        return activated.div(activated.mul(activated).sum(1).sqrt().unsqueeze(1));
    }

    private static void requireClose(
            Map<String, Map<String, float[]>> found, Map<String, Map<String, float[]>> expected) {
        assertThat(found.get("codebook")).containsOnlyKeys("image");
        expected.forEach((group, tensors) -> {
            assertThat(found.get(group).keySet()).as(group).isEqualTo(tensors.keySet());
            double largest = 0;
            double worst = 0;
            for (String name : tensors.keySet()) {
                float[] one = found.get(group).get(name);
                float[] other = tensors.get(name);
                for (int i = 0; i < other.length; i++) {
                    largest = Math.max(largest, Math.abs(other[i]));
                    double difference = Math.abs((double) one[i] - other[i]);
                    worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
                }
            }
            assertThat(worst).as("%s, largest %s", group, largest).isLessThanOrEqualTo(TOLERANCE * largest);
        });
    }
}
