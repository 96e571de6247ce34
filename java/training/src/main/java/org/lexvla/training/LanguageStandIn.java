package org.lexvla.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.Llama;
import org.lexvla.model.Prompt;
import org.lexvla.model.TextBatch;
import org.lexvla.model.Tokenizer;

/**
 * Teaches a tiny language model to name a caption's content words at the end of the prompt.
 *
 * <p>Every example is a caption, a run of its words, or one of its content words, put into the prompt; short ones so that names of
 * classes work as well as sentences. The targets are the pieces of its content words ({@link ContentWords#english}), with
 * the mark of a word's beginning wherever they stood. The loss is a softmax over the vocabulary, which says which words, and a
 * binary cross entropy of every word, summed over the vocabulary, which makes the logits of present words positive and those of
 * absent ones very negative, so that elu1p of them is almost a bag of content words. The second rises from nothing: from
 * the first step on it only teaches that every word is rare.
 */
final class LanguageStandIn {
    /** Of the examples, how many are whole captions; the rest are half runs of words and half single content words. */
    private static final double WHOLE = 0.6;

    /** Share of the steps before the binary cross entropy, and share over which it rises. */
    private static final double ONLY_WHICH = 0.2;

    private static final double RISE = 0.2;

    /** Deviation of the entries of the input and output matrices: logits of a few units from the beginning. */
    private static final double EMBEDDING = 0.1;

    private final Llama model;
    private final Tokenizer tokenizer;
    private final Vocabulary vocabulary;
    private final Prompt prompt;
    private final List<String> captions;
    private final SplittableRandom random;
    private final ContentWords contentWords = ContentWords.english();

    LanguageStandIn(
            Llama model, Tokenizer tokenizer, Vocabulary vocabulary, Prompt prompt, List<String> captions, long seed) {
        if (captions.isEmpty()) {
            throw new IllegalArgumentException("no captions to prepare a language model on");
        }
        this.model = model;
        this.tokenizer = tokenizer;
        this.vocabulary = vocabulary;
        this.prompt = prompt;
        this.captions = captions;
        this.random = new SplittableRandom(seed);
    }

    @SuppressWarnings("try")
    double train(NewModelConfig.Preparation settings, Consumer<StandIns.Progress> progress) {
        if (settings.steps() == 0) {
            return Double.NaN;
        }
        begin();
        model.setTrainable(true);
        try (PointerScope scope = new PointerScope();
                Optimization optimization =
                        StandInLoop.optimization(model.parameters().values(), settings)) {
            long[] rows = Arrays.stream(vocabulary.tokenIds()).asLongStream().toArray();
            Tensor words = HostTensor.to(HostTensor.of(rows, rows.length), model.device());
            return StandInLoop.run(
                    settings,
                    optimization,
                    progress,
                    step -> loss(words, settings.batch(), step / (double) settings.steps()));
        } finally {
            model.setTrainable(false);
        }
    }

    /**
     * Weights from which copying is learned within a hundred steps: every token's output row is its input row, and the attention's
     * value and output projections are the identity, so that the last token begins with the mean of all tokens. From
     * Llama's own random weights the same loss stays at the frequencies of the words for thousands of steps.
     */
    private void begin() {
        int d = model.config().hiddenSize();
        InitialWeights weights = new InitialWeights(random.split());
        model.parameters().forEach((name, parameter) -> {
            if (name.endsWith("embed_tokens.weight")) {
                weights.normal(parameter, EMBEDDING);
                if (!model.config().tied()) {
                    weights.copy(model.outputMatrix(), parameter);
                }
            } else if (name.endsWith("v_proj.weight") || name.endsWith("o_proj.weight")) {
                weights.identity(parameter);
            } else if (name.endsWith("_proj.weight")) {
                weights.normal(parameter, 1 / Math.sqrt(d) / 4);
            }
        });
    }

    private Tensor loss(Tensor words, int batch, double progress) {
        List<int[]> prompts = new ArrayList<>(batch);
        float[] targets = new float[batch * vocabulary.size()];
        for (int i = 0; i < batch; i++) {
            String text = example();
            prompts.add(prompt.ids(text, tokenizer));
            for (int word : targets(text)) {
                targets[i * vocabulary.size() + word] = 1;
            }
        }
        TextBatch input = TextBatch.of(prompts, model.device());
        Tensor hidden = model.forward(input.ids(), input.mask());
        long[] ends = new long[batch];
        for (int i = 0; i < batch; i++) {
            ends[i] = i * hidden.size(1) + prompts.get(i).length - 1;
        }
        Tensor last = hidden.reshape(-1, hidden.size(2))
                .index_select(0, HostTensor.to(HostTensor.of(ends, batch), model.device()));
        Tensor logits = last.matmul(model.outputMatrix().index_select(0, words).t());
        Tensor wanted = HostTensor.to(HostTensor.of(targets, batch, vocabulary.size()), model.device());
        Tensor which = torch.log_softmax(logits, 1).mul(wanted).sum().div(new Scalar((double) -batch));
        double weight = Math.min(1, Math.max(0, (progress - ONLY_WHICH) / RISE));
        if (weight == 0) {
            return which;
        }
        return torch.binary_cross_entropy_with_logits(logits, wanted)
                .mul(new Scalar(weight * vocabulary.size()))
                .add(which);
    }

    private String example() {
        String caption = captions.get(random.nextInt(captions.size()));
        double form = random.nextDouble();
        if (form < WHOLE) {
            return caption;
        }
        List<String> content = contentWords.of(caption);
        if (form > (1 + WHOLE) / 2 && !content.isEmpty()) {
            return content.get(random.nextInt(content.size()));
        }
        String[] words = caption.strip().split("\\s+");
        int from = random.nextInt(words.length);
        int to = from + 1 + random.nextInt(words.length - from);
        return String.join(" ", Arrays.copyOfRange(words, from, to));
    }

    /** Lexical ids of the content words' pieces. */
    Set<Integer> targets(String text) {
        Set<Integer> ids = new LinkedHashSet<>();
        for (String word : contentWords.of(text)) {
            for (int token : tokenizer.encode(word)) {
                OptionalInt id = vocabulary.lexicalId(token);
                id.ifPresent(ids::add);
            }
        }
        return ids;
    }
}
