package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.model.DinoV2;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.LexVla;

class StandInsTest {
    private static final int SIDE = 28;

    @TempDir
    Path directory;

    @Test
    void theLanguageModelNamesContentWordsFirst() throws IOException {
        CaptionDataset data = ToyData.write(directory.resolve("data"));
        TrainingConfig config = ToyData.config("fresh.text.standIn.steps=200");
        try (LexVla model = ToyData.model(config, data, directory);
                LexicalBatch texts = model.encodeTexts(List.of("a red square beside blue", "green"))) {
            assertThat(texts.get(0).top(3))
                    .extracting(WeightedWord::word)
                    .containsExactlyInAnyOrder("red", "square", "blue");
            assertThat(texts.get(1).top(1)).extracting(WeightedWord::word).containsExactly("green");
        }
        assertThat(directory.resolve("text/tokenizer.json")).exists();
        assertThat(directory.resolve("text/model.safetensors")).exists();
        assertThat(directory.resolve("vision/preprocessor_config.json")).exists();
    }

    @Test
    void theSameSeedMakesTheSameBackbones() throws IOException {
        CaptionDataset data = ToyData.write(directory.resolve("data"));
        ToyData.model(ToyData.config(), data, directory.resolve("one")).close();
        ToyData.model(ToyData.config(), data, directory.resolve("two")).close();
        for (String file : List.of("text/model.safetensors", "vision/model.safetensors", "text/tokenizer.json")) {
            assertThat(directory.resolve("one").resolve(file))
                    .hasSameBinaryContentAs(directory.resolve("two").resolve(file));
        }
    }

    @Test
    void labelsAreLearned() {
        assertThat(lossesOn(new Halves())).satisfies(StandInsTest::falls);
    }

    @Test
    void picturesAloneAreLearned() {
        List<Double> losses = new ArrayList<>();
        Halves halves = new Halves();
        try (DinoV2 model = tiny()) {
            StandIns.selfSupervisedVision(
                    model,
                    (count, random, pixels) -> halves.next(count, random, pixels, new int[1][count * 4]),
                    new NewModelConfig.Preparation(300, 8, 3e-3),
                    1,
                    progress -> losses.add(progress.loss()));
        }
        falls(losses);
    }

    @Test
    void labelsMustBeThere() {
        PatchLabels none = new PatchLabels() {
            @Override
            public int[] groups() {
                return new int[] {2};
            }

            @Override
            public void next(int count, RandomGenerator random, FloatBuffer pixels, int[][] labels) {
                pixels.position(pixels.position() + count * 3 * SIDE * SIDE);
                java.util.Arrays.fill(labels[0], -1);
            }
        };
        assertThatThrownBy(() -> lossesOn(none)).hasMessageContaining("no patch of a batch of pictures has a label");
    }

    @Test
    void unreadablePicturesAreSkippedHereToo() throws IOException {
        Files.writeString(directory.resolve("broken.png"), "none");
        Files.writeString(directory.resolve("captions.tsv"), "file\tcaption\nbroken.png\ta red boat\n");
        CaptionDataset broken = CaptionDataset.open(directory.resolve("captions.tsv"));
        assertThatThrownBy(() -> ToyData.model(ToyData.config(), broken, directory))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no readable picture")
                .hasMessageContaining("broken.png");
    }

    private static List<Double> lossesOn(PatchLabels labels) {
        List<Double> losses = new ArrayList<>();
        try (DinoV2 model = tiny()) {
            StandIns.vision(
                    model,
                    labels,
                    new NewModelConfig.Preparation(300, 8, 3e-3),
                    1,
                    progress -> losses.add(progress.loss()));
            assertThat(model.parameters().values()).noneMatch(tensor -> tensor.requires_grad());
        }
        return losses;
    }

    private static DinoV2 tiny() {
        return DinoV2.random(DinoV2Config.of(32, 1, 2, 14, SIDE), 1, Device.cpu());
    }

    private static void falls(List<? extends Double> losses) {
        double first = losses.get(0);
        double last = losses.get(losses.size() - 1);
        assertThat(last).isLessThan(0.6 * first);
    }

    /** Every patch is bright or dark, with a slope to the right or down; the label says which. */
    private static final class Halves implements PatchLabels {
        @Override
        public int[] groups() {
            return new int[] {2};
        }

        @Override
        public void next(int count, RandomGenerator random, FloatBuffer pixels, int[][] labels) {
            for (int picture = 0; picture < count; picture++) {
                for (int patch = 0; patch < 4; patch++) {
                    labels[0][picture * 4 + patch] = random.nextInt(2);
                }
                double slope = random.nextDouble() / 14;
                boolean right = random.nextBoolean();
                for (int i = 0; i < 3 * SIDE * SIDE; i++) {
                    int x = i % SIDE;
                    int y = i % (SIDE * SIDE) / SIDE;
                    int label = labels[0][picture * 4 + y / 14 * 2 + x / 14];
                    pixels.put((float) (2 * label - 1 + slope * (right ? x : y)));
                }
            }
        }
    }
}
