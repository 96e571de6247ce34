package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.model.LexVla;

class TrainerTest {
    @TempDir
    static Path shared;

    @TempDir
    Path out;

    private static CaptionDataset data;

    @BeforeAll
    static void draw() throws IOException {
        data = ToyData.write(shared.resolve("data"));
        ToyData.model(ToyData.config(), data, shared).close();
    }

    /** A new model over the same backbones. */
    private static LexVla fresh(TrainingConfig config) throws IOException {
        return ToyData.fresh(config, data, shared);
    }

    @Test
    void invariantsOfTheFirstStep() throws IOException {
        try (LexVla model = fresh(ToyData.config())) {
            assertThat(floats(model.imageCodebook())).isEqualTo(floats(model.textCodebook()));
            model.lora().parameters().forEach((name, tensor) -> {
                if (name.contains("lora_B")) {
                    assertThat(floats(tensor)).as(name).containsOnly(0f);
                }
            });
            assertThat(Math.exp(-item(model.logitScale()))).isCloseTo(InfoNce.INITIAL_TEMPERATURE, within(1e-6));
        }
    }

    @Test
    void lossFallsAndOnlyWhatIsToBeTrainedChanges() throws IOException {
        TrainingConfig config = ToyData.config();
        List<StepReport> reports = new ArrayList<>();
        try (LexVla model = fresh(config)) {
            Map<String, float[]> frozen = frozen(model);
            float[] imageCodebook = floats(model.imageCodebook());
            Trainer.run(model, data, config, out, reports::add);
            frozen(model).forEach((name, values) -> assertThat(values).as(name).isEqualTo(frozen.get(name)));
            // Nor do they take memory for gradients; and the optimizer has no state for what has none.
            Stream.concat(model.vision().parameters().values().stream(), model.text().parameters().values().stream())
                    .forEach(tensor -> assertThat(tensor.grad().defined()).isFalse());
            assertThat(floats(model.imageCodebook())).isNotEqualTo(imageCodebook);
            model.trained().forEach((name, tensor) -> {
                // A of LoRA has no gradient while B is zero, but B is not zero for long.
                assertThat(tensor.requires_grad()).as(name).isTrue();
                if (name.contains("lora_B")) {
                    assertThat(floats(tensor)).as(name).isNotEqualTo(new float[Math.toIntExact(tensor.numel())]);
                }
            });
        }
        assertThat(reports).hasSize(30);
        StepReport first = reports.get(0);
        StepReport last = reports.get(29);
        assertThat(first.imageLambda()).isZero();
        assertThat(last.imageLambda()).isEqualTo(5e-4);
        assertThat(last.textLambda()).isEqualTo(1e-3);
        assertThat(first.loss()).isCloseTo(first.imageToText() + first.textToImage(), within(1e-4));
        assertThat(last.loss())
                .isCloseTo(
                        last.imageToText()
                                + last.textToImage()
                                + 5e-4 * last.imagePenalty()
                                + 1e-3 * last.textPenalty(),
                        within(1e-4));
        assertThat(mean(reports.subList(25, 30))).isLessThan(0.5 * mean(reports.subList(0, 5)));
    }

    @Test
    void bagsOfWordsTrainThePicturesAlone() throws IOException {
        TrainingConfig config = ToyData.config("textSide=bag_of_words", "text.frozen=false");
        List<StepReport> reports = new ArrayList<>();
        float[][] trained;
        try (LexVla model = fresh(config)) {
            Map<String, float[]> frozen = frozen(model);
            float[][] texts = texts(model);
            Trainer.run(model, data, config, out, reports::add);
            frozen(model).forEach((name, values) -> assertThat(values).as(name).isEqualTo(frozen.get(name)));
            model.lora().parameters().forEach((name, tensor) -> {
                if (name.contains("lora_B")) {
                    assertThat(floats(tensor)).as(name).containsOnly(0f);
                }
            });
            assertThat(texts(model)).as("texts stay as they are").isDeepEqualTo(texts);
            trained = scores(model, data.files());
        }
        assertThat(mean(reports.subList(25, 30))).isLessThan(0.8 * mean(reports.subList(0, 5)));
        try (LexVla loaded = LexVla.load(out, Device.cpu())) {
            assertThat(scores(loaded, data.files())).isDeepEqualTo(trained);
        }
    }

    @SuppressWarnings("try")
    private static float[][] texts(LexVla model) {
        try (PointerScope scope = new PointerScope()) {
            return new float[][] {HostTensor.floats(model.textActivations(data.captions()))};
        }
    }

    @Test
    void theRunIsAModelDirectory() throws IOException {
        TrainingConfig config = ToyData.config("steps=3", "checkpoint.every=2", "logEvery=2");
        List<Path> files = data.files();
        float[][] trained;
        try (LexVla model = fresh(config)) {
            Trainer.run(model, data, config, out, report -> {});
            trained = scores(model, files);
        }
        try (LexVla loaded = LexVla.load(out, Device.cpu());
                LexVla checkpoint = LexVla.load(out.resolve("checkpoints/00000002"), Device.cpu())) {
            assertThat(scores(loaded, files)).isDeepEqualTo(trained);
            assertThat(scores(checkpoint, files)).isNotEqualTo(trained);
        }
        assertThat(TrainingConfig.load(out.resolve("training.yaml"), List.of())).isEqualTo(config);
        List<String> lines = Files.readAllLines(out.resolve("metrics.jsonl"));
        assertThat(lines).hasSize(2);
        JsonNode last = new ObjectMapper().readTree(lines.get(1));
        assertThat(last.get("step").asInt()).isEqualTo(3);
        assertThat(last.get("loss").asDouble()).isPositive();
    }

    @Test
    void aSeedGivesTheSameRun() throws IOException {
        List<Double> one = losses("steps=6", "data.threads=1", "lora.dropout=0.1");
        List<Double> same = losses("steps=6", "data.threads=3", "lora.dropout=0.1");
        List<Double> other = losses("steps=6", "seed=4", "lora.dropout=0.1");
        assertThat(same).isEqualTo(one);
        assertThat(other).isNotEqualTo(one);
    }

    @Test
    void checkpointingGivesTheSameRun() throws IOException {
        List<Double> plain = losses("steps=6", "lora.dropout=0.1", "vision.frozen=false");
        List<Double> checkpointed = losses(
                "steps=6",
                "lora.dropout=0.1",
                "vision.frozen=false",
                "vision.checkpointing=true",
                "text.checkpointing=true");
        assertThat(checkpointed).isEqualTo(plain);
    }

    @Test
    void bfloat16TrainsFloat32Weights() throws IOException {
        TrainingConfig config = ToyData.config("precision=bfloat16");
        List<StepReport> reports = new ArrayList<>();
        try (LexVla model = fresh(config)) {
            Trainer.run(model, data, config, out, reports::add);
            model.trained()
                    .forEach((name, tensor) ->
                            assertThat(tensor.scalar_type().intern()).as(name).isEqualTo(ScalarType.Float));
            Stream.concat(model.vision().parameters().values().stream(), model.text().parameters().values().stream())
                    .forEach(tensor -> assertThat(tensor.scalar_type().intern()).isEqualTo(ScalarType.BFloat16));
        }
        assertThat(mean(reports.subList(25, 30))).isLessThan(0.5 * mean(reports.subList(0, 5)));
        assertThatThrownBy(() -> ToyData.config("precision=bfloat16", "vision.frozen=false"))
                .hasMessageContaining("vision.frozen is false");
    }

    @Test
    void aMeanOfTheWeightsIsWrittenBeside() throws IOException {
        TrainingConfig config = ToyData.config("steps=20", "ema.decay=0.9");
        try (LexVla model = fresh(config)) {
            float[] begun = floats(model.imageCodebook());
            List<float[]> after = new ArrayList<>();
            Trainer.run(model, data, config, out, report -> after.add(floats(model.imageCodebook())));
            double[] expected = new double[begun.length];
            for (int i = 0; i < begun.length; i++) {
                expected[i] = begun[i];
                for (int step = 1; step <= 20; step++) {
                    double decay = Math.min(0.9, (1 + step) / (10.0 + step));
                    expected[i] += (1 - decay) * (after.get(step - 1)[i] - expected[i]);
                }
            }
            try (LexVla mean = LexVla.load(out.resolve("ema"), Device.cpu());
                    LexVla last = LexVla.load(out, Device.cpu())) {
                float[] found = floats(mean.imageCodebook());
                for (int i = 0; i < found.length; i++) {
                    // Twenty roundings of float32.
                    assertThat((double) found[i])
                            .isCloseTo(expected[i], within(20 * 6e-8 * (1 + Math.abs(expected[i]))));
                }
                assertThat(floats(last.imageCodebook()))
                        .isEqualTo(after.get(19))
                        .isNotEqualTo(found);
            }
        }
    }

    @Test
    void mergedLoraIsNotTrained() throws IOException {
        TrainingConfig config = ToyData.config("steps=1");
        try (LexVla model = fresh(config)) {
            model.text().merge();
            assertThatThrownBy(() -> Trainer.run(model, data, config, out, report -> {}))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("unmerge");
        }
    }

    private List<Double> losses(String... settings) throws IOException {
        List<Double> losses = new ArrayList<>();
        TrainingConfig config = ToyData.config(settings);
        try (LexVla model = fresh(config)) {
            Trainer.run(model, data, config, out, report -> losses.add(report.loss()));
        }
        return losses;
    }

    @Test
    void unfrozenBackbonesAreTrainedAndSaved() throws IOException {
        TrainingConfig config = ToyData.config("steps=3", "vision.frozen=false", "text.frozen=false");
        try (LexVla model = fresh(config)) {
            Map<String, float[]> before = frozen(model);
            float[] textCodebook = floats(model.textCodebook());
            Trainer.run(model, data, config, out, report -> {});
            Map<String, float[]> after = frozen(model);
            assertThat(after.get("embeddings.patch_embeddings.projection.weight"))
                    .isNotEqualTo(before.get("embeddings.patch_embeddings.projection.weight"));
            assertThat(after.get("model.layers.0.mlp.up_proj.weight"))
                    .isNotEqualTo(before.get("model.layers.0.mlp.up_proj.weight"));
            assertThat(floats(model.textCodebook())).isEqualTo(textCodebook);
            try (LexVla loaded = LexVla.load(out, Device.cpu())) {
                assertThat(loaded.config().vision().toRealPath())
                        .isEqualTo(out.resolve("vision").toRealPath());
                assertThat(frozen(loaded)).usingRecursiveComparison().isEqualTo(after);
            }
        }
    }

    @Test
    @SuppressWarnings("try")
    void lossesThatAreNotFiniteEndTheRun() throws IOException {
        TrainingConfig config = ToyData.config("steps=9", "nonFinite.limit=3");
        List<StepReport> reports = new ArrayList<>();
        try (LexVla model = fresh(config)) {
            try (PointerScope scope = new PointerScope();
                    NoGradGuard noGraph = new NoGradGuard()) {
                model.logitScale().fill_(new Scalar(Double.NaN));
            }
            float[] codebook = floats(model.imageCodebook());
            assertThatThrownBy(() -> Trainer.run(model, data, config, out, reports::add))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("loss is NaN")
                    .hasMessageContaining("at step 3 of 9")
                    .hasMessageContaining("3 steps in a row")
                    .hasMessageContaining("optimizer.learningRate");
            assertThat(out.resolve("config.json")).doesNotExist();
            assertThat(floats(model.imageCodebook())).isEqualTo(codebook);
        }
        assertThat(reports).extracting(StepReport::skippedSteps).containsExactly(1, 2);
    }

    @Test
    void aBatchNeedsAsManyReadablePictures() throws IOException {
        Files.writeString(out.resolve("broken.png"), "none");
        Files.writeString(
                out.resolve("captions.tsv"), "file\tcaption\nbroken.png\tone\nbroken.png\ttwo\ngone.png\tthree\n");
        CaptionDataset broken = CaptionDataset.open(out.resolve("captions.tsv"));
        TrainingConfig config = ToyData.config("steps=2", "batch=2");
        try (LexVla model = fresh(config)) {
            assertThatThrownBy(() -> Trainer.run(model, broken, config, out.resolve("run"), report -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("captions.tsv")
                    .hasMessageContaining("a batch needs 2");
        }
        TrainingConfig large = ToyData.config("steps=1", "batch=13");
        try (LexVla model = fresh(large)) {
            assertThatThrownBy(() -> Trainer.run(model, data, large, out.resolve("run"), report -> {}))
                    .hasMessageContaining("at most 12 readable pictures");
        }
    }

    @Test
    void nativeMemoryIsFlat() throws IOException {
        TrainingConfig config = ToyData.config("steps=300");
        List<Long> bytes = new ArrayList<>();
        try (LexVla model = fresh(config)) {
            Trainer.run(model, data, config, out, report -> {
                if (report.step() % 100 == 0) {
                    System.gc();
                    bytes.add(Pointer.physicalBytes());
                }
            });
        }
        // A step that keeps its tensors would add 100 times 5 MB to both hundreds; Java's own heap grows in one or the
        // other.
        assertThat(Math.min(bytes.get(1) - bytes.get(0), bytes.get(2) - bytes.get(1)))
                .isLessThan(60L << 20);
    }

    private static float[][] scores(LexVla model, List<Path> files) throws IOException {
        try (LexicalBatch pictures = model.encodeImages(files);
                LexicalBatch texts = model.encodeTexts(data.captions())) {
            return texts.dot(pictures);
        }
    }

    private static Map<String, float[]> frozen(LexVla model) {
        Map<String, float[]> values = new LinkedHashMap<>();
        model.vision().parameters().forEach((name, tensor) -> values.put(name, floats(tensor)));
        model.text().parameters().forEach((name, tensor) -> values.put(name, floats(tensor)));
        values.put("Z_txt", floats(model.textCodebook()));
        return values;
    }

    private static double mean(List<StepReport> reports) {
        return reports.stream().mapToDouble(StepReport::loss).average().orElseThrow();
    }

    @SuppressWarnings("try")
    private static double item(Tensor tensor) {
        try (PointerScope scope = new PointerScope()) {
            return tensor.item_double();
        }
    }

    @SuppressWarnings("try")
    private static float[] floats(Tensor tensor) {
        try (PointerScope scope = new PointerScope()) {
            return HostTensor.floats(tensor);
        }
    }
}
