package org.lexvla.cli.demo;

import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.lexvla.evaluation.ConfusionMatrix;
import org.lexvla.evaluation.DenseRows;
import org.lexvla.evaluation.PatchDis;
import org.lexvla.evaluation.PatchScores;
import org.lexvla.evaluation.Retrieval;
import org.lexvla.evaluation.SparsitySweep;
import org.lexvla.evaluation.WordPrecision;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.model.LexVla;

/**
 * Measures a model on held-out scenes: retrieval and words as the model keeps them (sparse), patches and the curve of retrieval
 * against sparsity from the dense vectors (SPEC §8).
 */
public final class DemoEvaluation {
    private static final Retrieval.Ties TIES = Retrieval.Ties.WORST;
    private static final int BATCH = 32;
    private static final int NEAREST = 5;
    /** Of the random baseline of PatchDis, so that the figure is the same in every run. */
    private static final long BASELINE_SEED = 2_407_17827L;
    /** Thresholds of the curve, as multiples of the model's standard one. */
    private static final double[] SWEEP = {0, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 6, 8, 10};

    private final LexVla model;
    private final Sparsification kept;
    private final List<Scene> scenes;
    private final List<DrawnScene> drawn;
    private final List<String> captions = new ArrayList<>();
    private final int[] owner;

    /**
     * What a model reaches, and what of it is worth showing.
     *
     * @param sweep retrieval at several thresholds
     * @param pictures the first scenes, as many as asked for
     * @param patches the same scenes, their patches named
     */
    public record Result(
            DemoFigures figures,
            List<SparsitySweep.Point> sweep,
            List<ReportData.ShownPicture> pictures,
            List<ReportData.NamedPatches> patches) {}

    private DemoEvaluation(LexVla model, List<Scene> scenes, Sparsification kept) {
        this.model = model;
        this.kept = kept;
        this.scenes = scenes;
        this.drawn = scenes.stream().map(Scene::draw).toList();
        List<Integer> owners = new ArrayList<>();
        for (int i = 0; i < scenes.size(); i++) {
            captions.addAll(scenes.get(i).captions());
            for (int c = 0; c < scenes.get(i).captions().size(); c++) {
                owners.add(i);
            }
        }
        owner = owners.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * Measures.
     *
     * @param model its pictures must be of the scenes' size, so that masks and patches lie on each other
     * @param scenes held-out scenes with their captions, all of which are queries
     * @param shown pictures to keep for the report, the first ones
     */
    public static Result of(LexVla model, List<Scene> scenes, int shown) {
        return of(model, scenes, shown, model.config().sparsification());
    }

    /** As {@link #of(LexVla, List, int)} with other words kept than the model's own. */
    public static Result of(LexVla model, List<Scene> scenes, int shown, Sparsification kept) {
        if (scenes.isEmpty()) {
            throw new IllegalArgumentException("no held-out scene to measure on: give at least one");
        }
        for (Scene scene : scenes) {
            if (scene.size() != model.transform().crop()
                    || scene.size() != model.transform().resize()) {
                throw new IllegalArgumentException("scene " + scene.name() + " is " + scene.size()
                        + " pixels wide, the model resizes to "
                        + model.transform().resize() + " and crops to "
                        + model.transform().crop() + ": draw scenes of the size the model takes");
            }
        }
        return new DemoEvaluation(model, scenes, kept).measure(Math.min(shown, scenes.size()));
    }

    private Result measure(int shown) {
        List<BufferedImage> pictures = drawn.stream().map(DrawnScene::picture).toList();
        int patch = model.vision().config().patchSize();
        try (LexicalBatch images = model.encodePictures(pictures, kept);
                LexicalBatch texts = model.encodeTexts(captions, kept);
                LexicalBatch denseImages = model.encodePictures(pictures, new Sparsification.Dense());
                LexicalBatch denseTexts = model.encodeTexts(captions, new Sparsification.Dense());
                LexicalBatch classes = model.encodeTexts(Scene.classNames(), new Sparsification.Dense())) {
            float[][] similarity = images.dot(texts);
            Retrieval retrieval = Retrieval.of(similarity, owner, TIES);
            List<List<WeightedWord>> words = new ArrayList<>();
            for (int i = 0; i < scenes.size(); i++) {
                LexicalVector vector = images.get(i);
                words.add(vector.top(Math.max(1, vector.active())));
            }
            WordPrecision precision = precision(words);
            float[][] textVectors = DenseRows.of(denseTexts);
            float[][] classVectors = DenseRows.of(classes);
            PatchDis patchDis = new PatchDis(Scene.CLASSES, patch, BASELINE_SEED);
            List<ReportData.ShownPicture> shownPictures = new ArrayList<>();
            List<ReportData.NamedPatches> named = new ArrayList<>();
            int firstCaption = 0;
            for (int from = 0; from < scenes.size(); from += BATCH) {
                int to = Math.min(scenes.size(), from + BATCH);
                float[][][] scores = PatchScores.of(model, pictures.subList(from, to), classVectors);
                for (int i = from; i < to; i++) {
                    int[] prediction = PatchDis.classify(scores[i - from]);
                    int[] mask = unsigned(drawn.get(i).classes());
                    patchDis.add(mask, scenes.get(i).size(), prediction);
                    if (i < shown) {
                        float[] heat = heat(pictures.get(i), textVectors[firstCaption]);
                        shownPictures.add(shownPicture(i, firstCaption, words.get(i), heat, similarity[i]));
                        named.add(namedPatches(i, mask, prediction));
                    }
                    firstCaption += scenes.get(i).captions().size();
                }
            }
            DemoFigures figures = new DemoFigures(
                    recall(retrieval.textToImage()),
                    recall(retrieval.imageToText()),
                    new DemoFigures.Words(
                            precision.precision(),
                            precision.objectPrecision(),
                            precision.objectRecall(),
                            precision.fillerShare()),
                    new DemoFigures.Patches(
                            patchDis.model().meanIou(), patchDis.random().meanIou()),
                    images.meanActive(),
                    texts.meanActive(),
                    model.vocabulary().size(),
                    scenes.size());
            return new Result(figures, sweep(denseImages, denseTexts), shownPictures, named);
        }
    }

    private static DemoFigures.Recall recall(Retrieval.Direction direction) {
        return new DemoFigures.Recall(direction.recall(1), direction.recall(5), direction.recall(10));
    }

    private WordPrecision precision(List<List<WeightedWord>> words) {
        WordPrecision precision =
                new WordPrecision(SceneWords.canonicalWords(), SceneWords.kindWords(), SceneWords.fillerWords());
        for (int i = 0; i < scenes.size(); i++) {
            Set<String> truth = new LinkedHashSet<>();
            scenes.get(i).truth().forEach(group -> truth.add(group.canonical()));
            precision.add(words.get(i).stream().map(WeightedWord::word).toList(), truth);
        }
        return precision;
    }

    private List<SparsitySweep.Point> sweep(LexicalBatch images, LexicalBatch texts) {
        double standard = 1 / Math.sqrt(model.vocabulary().size());
        double[] thresholds = new double[SWEEP.length];
        for (int i = 0; i < thresholds.length; i++) {
            thresholds[i] = SWEEP[i] * standard;
        }
        return SparsitySweep.of(images, texts, owner, thresholds, TIES);
    }

    private ReportData.ShownPicture shownPicture(
            int scene, int caption, List<WeightedWord> words, float[] patchScores, float[] scores) {
        List<ReportData.ScoredText> texts = new ArrayList<>();
        for (int c = 0; c < scores.length; c++) {
            texts.add(new ReportData.ScoredText(captions.get(c), scores[c], owner[c] == scene));
        }
        texts.sort(Comparator.comparingDouble(ReportData.ScoredText::score).reversed());
        int columns = scenes.get(scene).size() / model.vision().config().patchSize();
        return new ReportData.ShownPicture(
                drawn.get(scene).picture(),
                captions.get(caption),
                words,
                scenes.get(scene).truth(),
                patchScores,
                columns,
                List.copyOf(texts.subList(0, Math.min(NEAREST, texts.size()))));
    }

    private ReportData.NamedPatches namedPatches(int scene, int[] mask, int[] prediction) {
        int patch = model.vision().config().patchSize();
        int columns = scenes.get(scene).size() / patch;
        ConfusionMatrix alone = new ConfusionMatrix(Scene.CLASSES);
        alone.add(mask, PatchDis.enlarge(prediction, columns, patch));
        DrawnScene picture = drawn.get(scene);
        return new ReportData.NamedPatches(picture.picture(), picture.classes(), prediction, columns, alone.meanIou());
    }

    /** Similarity of each patch to a text. */
    private float[] heat(BufferedImage picture, float[] text) {
        float[][] scores = PatchScores.of(model, List.of(picture), new float[][] {text})[0];
        float[] heat = new float[scores.length];
        for (int p = 0; p < heat.length; p++) {
            heat[p] = scores[p][0];
        }
        return heat;
    }

    private static int[] unsigned(byte[] classes) {
        int[] labels = new int[classes.length];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = classes[i] & 255;
        }
        return labels;
    }
}
