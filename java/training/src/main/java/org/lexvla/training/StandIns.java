package org.lexvla.training;

import java.util.List;
import java.util.function.Consumer;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.DinoV2;
import org.lexvla.model.Llama;
import org.lexvla.model.Prompt;
import org.lexvla.model.Tokenizer;

/**
 * What takes the place of pre-training where no pre-trained backbone is at hand: in the demo, and in training without a model. LexVLA
 * presupposes a language model whose output at the end of the prompt already names the important words, and patch features
 * that already tell things apart; tiny random backbones have neither. These short trainings give them just that, once, before they
 * are frozen. <b>They are no part of the method</b>, and a model made with them says nothing about one made with Llama 2 and
 * DINOv2.
 *
 * <ul>
 *   <li>{@link #language}: on captions alone. All weights, output matrix included, are trained so that the logits at the end of
 *       the prompt are positive for the caption's content words and negative for all other words.
 *   <li>{@link #vision}: on patches with anonymous labels (of the demo's own scenes, drawn apart from those of the training), through
 *       linear probes that are thrown away.
 *   <li>{@link #selfSupervisedVision}: on pictures alone. Patches learn to state the colours and slopes in and around them, again
 *       through a linear probe that is thrown away.
 * </ul>
 */
public final class StandIns {
    /**
     * How far a stand-in has come.
     *
     * @param step  finished, from 1
     * @param steps in all
     * @param loss  mean over the steps since the last report
     */
    public record Progress(int step, int steps, double loss) {}

    private StandIns() {}

    /**
     * Prepares a language model on captions, see {@link LanguageStandIn}.
     *
     * @param vocabulary the words whose logits are trained
     * @return mean loss of the last tenth of the steps
     */
    public static double language(
            Llama model,
            Tokenizer tokenizer,
            Vocabulary vocabulary,
            Prompt prompt,
            List<String> captions,
            NewModelConfig.Preparation settings,
            long seed,
            Consumer<Progress> progress) {
        return new LanguageStandIn(model, tokenizer, vocabulary, prompt, captions, seed).train(settings, progress);
    }

    /**
     * Prepares a visual backbone on labelled patches, see {@link VisionStandIn}.
     *
     * @return mean loss of the last tenth of the steps
     */
    public static double vision(
            DinoV2 model,
            PatchLabels pictures,
            NewModelConfig.Preparation settings,
            long seed,
            Consumer<Progress> progress) {
        return new VisionStandIn(model, seed).onLabels(pictures, settings, progress);
    }

    /**
     * Prepares a visual backbone on pictures alone, see {@link VisionStandIn}.
     *
     * @return mean loss of the last tenth of the steps
     */
    public static double selfSupervisedVision(
            DinoV2 model,
            PictureSource pictures,
            NewModelConfig.Preparation settings,
            long seed,
            Consumer<Progress> progress) {
        return new VisionStandIn(model, seed).onPictures(pictures, settings, progress);
    }
}
