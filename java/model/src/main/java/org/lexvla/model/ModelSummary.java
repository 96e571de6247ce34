package org.lexvla.model;

import java.io.IOException;
import java.nio.file.Path;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;

/**
 * What a model consists of and how large its parts are, from configurations, tokenizer and vocabulary alone: no weight is
 * read or made, so it takes no time and no memory whatever the size.
 *
 * @param vision     the visual encoder; frozen
 * @param adapter    trained
 * @param text       the language model; frozen
 * @param lora       its low-rank updates; trained
 * @param vocabulary V, number of words
 * @param prompt     what the language model is asked
 * @param textSide   what turns a text into words
 * @param poolCls    whether the CLS token takes part in the maximum
 * @param sparsification what encoding keeps
 */
public record ModelSummary(
        DinoV2Config vision,
        AdapterConfig adapter,
        LlamaConfig text,
        LoraConfig lora,
        int vocabulary,
        Prompt prompt,
        TextSide textSide,
        boolean poolCls,
        Sparsification sparsification) {

    /**
     * Of a model directory.
     *
     * @throws IOException              if a file of the model, or a configuration of a backbone, is missing
     * @throws IllegalArgumentException if a configuration makes no sense
     */
    public static ModelSummary of(Path model) throws IOException {
        LexVlaConfig config = LexVlaConfig.load(model);
        ModelDirectory.requireComplete(model);
        ModelDirectory.requireBackbone("vision", config.vision());
        ModelDirectory.requireBackbone("text", config.text());
        return new ModelSummary(
                DinoV2Config.load(config.vision()),
                config.adapter(),
                LlamaConfig.load(config.text()),
                LoraConfig.load(model.resolve(ModelDirectory.LORA)),
                Vocabulary.load(model.resolve(ModelDirectory.VOCABULARY)).size(),
                config.prompt(),
                config.textSide(),
                config.poolCls(),
                config.sparsification());
    }

    /**
     * Of the model that {@link LexVla#init} would make. The directories need {@code config.json} and the tokenizer, no weights.
     *
     * @throws IOException              if a directory, a configuration or the tokenizer is missing
     * @throws IllegalArgumentException if these do not fit together, or no token fits the vocabulary's rule
     */
    public static ModelSummary ofNew(Path vision, Path text, InitOptions options) throws IOException {
        ModelDirectory.requireBackbone("vision", vision);
        ModelDirectory.requireBackbone("text", text);
        DinoV2Config visual = DinoV2Config.load(vision);
        LlamaConfig language = LlamaConfig.load(text);
        try (Tokenizer tokenizer = Tokenizer.load(text)) {
            Vocabulary vocabulary = Vocabulary.select(tokenizer.tokens(), options.rule(), options.tokenCounts());
            ModelDirectory.requireTokens(vocabulary, tokenizer, language.vocabularySize(), text);
            return new ModelSummary(
                    visual,
                    options.adapter(visual.hiddenSize(), language.hiddenSize()),
                    language,
                    options.lora(),
                    vocabulary.size(),
                    options.prompt(),
                    options.textSide(),
                    options.poolCls(),
                    options.sparsification(vocabulary.size()));
        }
    }

    /** Numbers in the image codebook, [V, d]; trained. */
    public long codebookParameters() {
        return (long) vocabulary * text.hiddenSize();
    }

    /** Numbers in the low-rank updates. */
    public long loraParameters() {
        return Lora.parameterCount(lora, text);
    }

    /** All that is trained by default: image codebook, adapter, LoRA (of a language model that is used) and the logit scale. */
    public long trainedParameters() {
        long updates = textSide == TextSide.LANGUAGE_MODEL ? loraParameters() : 0;
        return codebookParameters() + adapter.parameterCount() + updates + 1;
    }
}
