package org.lexvla.cli.demo;

import java.awt.image.BufferedImage;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.lexvla.evaluation.SparsitySweep;
import org.lexvla.lexical.WeightedWord;

/**
 * Everything a {@link Report} shows.
 *
 * @param about paragraphs on what was done
 * @param standIns paragraphs on what takes the place of pre-training, and what it was trained on
 * @param before figures of the model before training
 * @param after figures after training with the overuse penalty
 * @param flops figures after the same training with the FLOPs penalty; null if that was not run
 * @param loss lines of the loss against the step
 * @param active lines of the mean active words against the step
 * @param sweep retrieval against sparsity after training
 * @param pictures held-out pictures
 * @param flopsPictures the same pictures, in the same order, seen by the model of the FLOPs penalty; empty if not run
 * @param patches pictures whose patches were named
 * @param facts small print: what and its value, in order
 */
public record ReportData(
        List<String> about,
        List<String> standIns,
        DemoFigures before,
        DemoFigures after,
        DemoFigures flops,
        List<Curve> loss,
        List<Curve> active,
        List<SparsitySweep.Point> sweep,
        List<ShownPicture> pictures,
        List<ShownPicture> flopsPictures,
        List<NamedPatches> patches,
        Map<String, String> facts) {

    /** A named line of a chart; as many x as y. */
    public record Curve(String name, double[] x, double[] y) {}

    /**
     * A held-out picture and what the model makes of it.
     *
     * @param picture as the model saw it
     * @param caption one of its captions, to which the patch scores belong
     * @param words of the picture, strongest first, as the model keeps them
     * @param truth groups of words that are true of it
     * @param patchScores similarity of each patch to the caption, row by row
     * @param columns patches per row
     * @param nearest texts of all held-out captions, best first
     */
    public record ShownPicture(
            BufferedImage picture,
            String caption,
            List<WeightedWord> words,
            List<WordGroup> truth,
            float[] patchScores,
            int columns,
            List<ScoredText> nearest) {

        /** Canonical words of as many groups as are true, strongest first; a word without a group stands for itself. */
        List<String> strongest() {
            return words.stream()
                    .map(WeightedWord::word)
                    .map(word ->
                            SceneWords.group(word).map(WordGroup::canonical).orElse(word))
                    .distinct()
                    .limit(truth.size())
                    .toList();
        }
    }

    /**
     * A text with its score.
     *
     * @param own whether it is a caption of the picture
     */
    public record ScoredText(String text, double score, boolean own) {}

    /**
     * A picture whose patches were named.
     *
     * @param picture as the model saw it
     * @param mask class per pixel
     * @param prediction class per patch, row by row
     * @param columns patches per row
     * @param iou of the picture alone
     */
    public record NamedPatches(BufferedImage picture, byte[] mask, int[] prediction, int columns, double iou) {
        /** Every class in mask or prediction. */
        Set<Integer> classes() {
            Set<Integer> classes = new TreeSet<>();
            for (byte label : mask) {
                classes.add((int) label);
            }
            for (int label : prediction) {
                classes.add(label);
            }
            return classes;
        }
    }
}
