package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

class TrainingPlanTest {
    @TempDir
    static Path directory;

    private static CaptionDataset data;
    private static Path model;

    @BeforeAll
    static void make() throws IOException {
        data = ToyData.write(directory.resolve("data"));
        model = directory.resolve("model");
        try (LexVla made = ToyData.model(ToyData.config(), data, directory)) {
            made.save(model);
        }
    }

    private static TrainingPlan plan(String... settings) throws IOException {
        return TrainingPlan.of(model, ToyData.config(settings), data, true);
    }

    /** Of backbones with more than the one block of which nothing is won by computing it again. */
    private static TrainingPlan deep(String... settings) throws IOException {
        List<String> all = new ArrayList<>(List.of("fresh.vision.layers=4", "fresh.text.layers=4"));
        all.addAll(List.of(settings));
        return TrainingPlan.ofFresh(ToyData.config(all.toArray(String[]::new)), data, true);
    }

    @Test
    void partsAreThoseOfTheLoadedModel() throws IOException {
        TrainingPlan plan = plan("steps=0", "epochs=3", "batch=4");
        try (LexVla loaded = LexVla.load(model, Device.cpu())) {
            Map<String, Long> counts = plan.parameters().stream()
                    .collect(Collectors.toMap(TrainingPlan.Part::name, TrainingPlan.Part::count));
            assertThat(counts)
                    .containsEntry("adapter", count(loaded.adapter().parameters()))
                    .containsEntry("LoRA", count(loaded.lora().parameters()))
                    .containsEntry("image codebook", loaded.imageCodebook().numel())
                    .containsEntry("text codebook", loaded.textCodebook().numel())
                    .containsEntry("vision", count(loaded.vision().parameters()))
                    .containsEntry("language model", count(loaded.text().parameters()));
            // The logit scale is no part of its own.
            assertThat(plan.trained() + 1).isEqualTo(count(loaded.trained()));
            assertThat(plan.memory().get("optimizer")).isEqualTo(8 * count(loaded.trained()));
            assertThat(plan.memory().get("weights, frozen"))
                    .isEqualTo(4
                            * (count(loaded.vision().parameters())
                                    + count(loaded.text().parameters())
                                    + 2 * loaded.textCodebook().numel()));
            int longest = data.captions().stream()
                    .mapToInt(caption -> loaded.prompt().ids(caption, loaded.tokenizer()).length)
                    .max()
                    .orElseThrow();
            assertThat(plan.tokens()).isEqualTo(longest);
        }
        int pairs = data.pairs().size();
        assertThat(plan.steps()).isEqualTo(Math.round(3.0 * pairs / 4));
        assertThat(plan.epochs()).isCloseTo(3, within(4.0 / pairs));
        assertThat(plan.peak())
                .isEqualTo(plan.memory().values().stream()
                        .mapToLong(Long::longValue)
                        .sum());
        assertThat(plan.checkpoint()).isEqualTo(12 * plan.trained());
    }

    @Test
    void whatGrowsWithTheBatch() throws IOException {
        Map<String, Long> one = plan("batch=8").memory();
        Map<String, Long> two = plan("batch=16").memory();
        for (String what : new String[] {"activations", "pictures", "momentary"}) {
            assertThat(two.get(what)).as(what).isEqualTo(2 * one.get(what));
        }
        for (String what : new String[] {"weights, frozen", "weights, trained", "optimizer", "gradients", "process"}) {
            assertThat(two.get(what)).as(what).isEqualTo(one.get(what));
        }
    }

    @Test
    void whatSettingsChange() throws IOException {
        TrainingPlan plain = deep();
        assertThat(deep("text.checkpointing=true").memory().get("activations"))
                .isLessThan(plain.memory().get("activations"));
        TrainingPlan all = deep("vision.frozen=false", "text.frozen=false");
        assertThat(all.trained()).isGreaterThan(plain.trained());
        assertThat(all.memory().get("activations")).isGreaterThan(plain.memory().get("activations"));
        assertThat(deep("vision.frozen=false", "vision.checkpointing=true")
                        .memory()
                        .get("activations"))
                .isLessThan(deep("vision.frozen=false").memory().get("activations"));
        assertThat(plan("data.cache=100").peak() - plan("data.cache=0").peak()).isEqualTo(100_000_000);
    }

    @Test
    void aFreshModelIsPlannedBeforeItIsMade() throws IOException {
        TrainingPlan fresh = TrainingPlan.ofFresh(ToyData.config(), data, true);
        TrainingPlan made = plan();
        assertThat(fresh.steps()).isEqualTo(made.steps());
        for (int i = 0; i < made.parameters().size(); i++) {
            TrainingPlan.Part before = fresh.parameters().get(i);
            TrainingPlan.Part after = made.parameters().get(i);
            assertThat(before.name()).isEqualTo(after.name());
            assertThat(before.trained()).isEqualTo(after.trained());
            // The tokenizer may need fewer tokens than it may have, and the words are some of them.
            assertThat(before.count()).as(before.name()).isGreaterThanOrEqualTo(after.count());
        }
        assertThat(fresh.parameters().get(1)).isEqualTo(made.parameters().get(1));
    }

    private static long count(Map<String, org.bytedeco.pytorch.Tensor> tensors) {
        return tensors.values().stream().mapToLong(tensor -> tensor.numel()).sum();
    }
}
