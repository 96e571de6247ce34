package org.lexvla.cli.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What a model reaches on the held-out scenes.
 *
 * @param textToImage captions as queries
 * @param imageToText pictures as queries
 * @param words of the pictures' strongest words
 * @param patches of patches that name what they show
 * @param activeWords mean active words of a picture
 * @param activeTextWords mean active words of a caption
 * @param vocabulary words in all
 * @param pictures number of held-out pictures
 */
public record DemoFigures(
        Recall textToImage,
        Recall imageToText,
        Words words,
        Patches patches,
        double activeWords,
        double activeTextWords,
        int vocabulary,
        int pictures) {

    /** Recall at k of a model that guesses. */
    public double chance(int k) {
        return Math.min(1, k / (double) pictures);
    }

    /** Recall at 1, 5 and 10. */
    public record Recall(double r1, double r5, double r10) {
        private ObjectNode json(ObjectMapper mapper) {
            return mapper.createObjectNode()
                    .put("r1", rounded(r1))
                    .put("r5", rounded(r5))
                    .put("r10", rounded(r10));
        }
    }

    /** See {@link org.lexvla.evaluation.WordPrecision} for what each of them is. */
    public record Words(double precision, double objectPrecision, double objectRecall, double fillerShare) {}

    /** Mean IoU over the classes present, of the model and of random classes. */
    public record Patches(double miou, double random) {}

    /** As the JSON object that {@code demo --json} prints, four decimals. */
    public ObjectNode json() {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode root = mapper.createObjectNode();
        ObjectNode retrieval = root.putObject("retrieval");
        retrieval.set("t2i", textToImage.json(mapper));
        retrieval.set("i2t", imageToText.json(mapper));
        root.putObject("words")
                .put("precision", rounded(words.precision))
                .put("object_precision", rounded(words.objectPrecision))
                .put("object_recall", rounded(words.objectRecall))
                .put("filler_share", rounded(words.fillerShare));
        root.putObject("patchdis").put("miou", rounded(patches.miou)).put("random", rounded(patches.random));
        root.put("active_words", rounded(activeWords));
        root.put("active_words_text", rounded(activeTextWords));
        root.put("vocabulary", vocabulary);
        return root;
    }

    private static double rounded(double value) {
        return Math.round(value * 10_000) / 10_000.0;
    }
}
