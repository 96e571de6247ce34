package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.evaluation.Retrieval;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.model.LexVla;

/** On a model that has learned next to nothing: what is measured is checked against the same thing reckoned another way. */
class DemoEvaluationTest {
    private static final int SCENES = 12;

    @TempDir
    static Path directory;

    private static LexVla model;
    private static List<Scene> scenes;
    private static DemoEvaluation.Result result;

    @BeforeAll
    static void measure() throws Exception {
        model = TinyDemo.model(directory);
        scenes = new SceneGenerator(5, 112).generate(SceneGenerator.Split.HELD_OUT, SCENES, 2);
        result = DemoEvaluation.of(model, scenes, 3);
    }

    @AfterAll
    static void close() {
        if (model != null) {
            model.close();
        }
    }

    @Test
    void retrievalIsThatOfTheSparseVectors() {
        List<BufferedImage> pictures =
                scenes.stream().map(scene -> scene.draw().picture()).toList();
        List<String> captions = new ArrayList<>();
        scenes.forEach(scene -> captions.addAll(scene.captions()));
        int[] owner = new int[captions.size()];
        Arrays.setAll(owner, i -> i / 2);
        try (LexicalBatch images = model.encodePictures(pictures);
                LexicalBatch texts = model.encodeTexts(captions)) {
            Retrieval retrieval = Retrieval.of(images.dot(texts), owner, Retrieval.Ties.WORST);
            assertThat(result.figures().textToImage().r5())
                    .isEqualTo(retrieval.textToImage().recall(5));
            assertThat(result.figures().imageToText().r10())
                    .isEqualTo(retrieval.imageToText().recall(10));
            assertThat(result.figures().activeWords()).isCloseTo(images.meanActive(), within(1e-9));
            assertThat(result.figures().vocabulary())
                    .isEqualTo(model.vocabulary().size());
        }
    }

    @Test
    void theCurveBeginsDenseAndItsStandardPointIsTheModelsOwn() {
        assertThat(result.sweep().get(0).activeImage())
                .isEqualTo(model.vocabulary().size());
        for (int i = 1; i < result.sweep().size(); i++) {
            assertThat(result.sweep().get(i).activeImage())
                    .isLessThanOrEqualTo(result.sweep().get(i - 1).activeImage());
        }
        double standard = 1 / Math.sqrt(model.vocabulary().size());
        assertThat(result.sweep())
                .filteredOn(point -> Math.abs(point.threshold() - standard) < 1e-9)
                .singleElement()
                .satisfies(point -> assertThat(point.activeImage())
                        .isCloseTo(result.figures().activeWords(), within(0.5)));
    }

    @Test
    void whatIsShownBelongsToItsScene() {
        assertThat(result.pictures()).hasSize(3);
        for (int i = 0; i < 3; i++) {
            ReportData.ShownPicture shown = result.pictures().get(i);
            Scene scene = scenes.get(i);
            assertThat(shown.caption()).isEqualTo(scene.captions().get(0));
            assertThat(shown.truth()).isEqualTo(scene.truth());
            assertThat(shown.patchScores()).hasSize(64);
            Set<Float> different = new HashSet<>();
            for (float score : shown.patchScores()) {
                assertThat(score).isBetween(0f, 1.0001f);
                different.add(score);
            }
            assertThat(different).hasSizeGreaterThan(10);
            assertThat(shown.nearest()).hasSize(5);
            for (ReportData.ScoredText text : shown.nearest()) {
                assertThat(text.own()).isEqualTo(scene.captions().contains(text.text()));
            }
            assertThat(shown.nearest().stream().map(ReportData.ScoredText::score))
                    .isSortedAccordingTo(Comparator.reverseOrder());
            ReportData.NamedPatches named = result.patches().get(i);
            assertThat(named.prediction()).hasSize(64);
            assertThat(named.mask()).isEqualTo(scene.draw().classes());
        }
    }

    @Test
    void theRandomBaselineIsChanceAndFiguresAreShares() {
        assertThat(result.figures().patches().random()).isBetween(0.005, 0.05);
        assertThat(result.figures().patches().miou()).isBetween(0.0, 1.0);
        assertThat(result.figures().words().precision()).isBetween(0.0, 1.0);
        assertThat(DemoEvaluation.of(model, scenes, 0).figures()).isEqualTo(result.figures());
    }

    @Test
    void scenesOfAnotherSizeAreRefused() {
        List<Scene> larger = new SceneGenerator(5, 140).generate(SceneGenerator.Split.HELD_OUT, 1, 1);
        assertThatThrownBy(() -> DemoEvaluation.of(model, larger, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("140")
                .hasMessageContaining("112");
        assertThatThrownBy(() -> DemoEvaluation.of(model, List.of(), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one");
    }
}
