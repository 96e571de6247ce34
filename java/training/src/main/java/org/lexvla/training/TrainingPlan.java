package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.lexvla.model.AdapterConfig;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVlaConfig;
import org.lexvla.model.LlamaConfig;
import org.lexvla.model.Lora;
import org.lexvla.model.LoraConfig;
import org.lexvla.model.ModelSummary;
import org.lexvla.model.Prompt;
import org.lexvla.model.Safetensors;
import org.lexvla.model.TextSide;
import org.lexvla.model.Tokenizer;

/**
 * What a run will take, worked out of configurations, file headers and captions before any weight is read: steps, parameters by part,
 * and memory by what it is for.
 *
 * <p>Weights, gradients and optimizer are counted. Activations are the tensors that LibTorch's graph keeps for the backward pass, by
 * the operations of {@code Llama}, {@code Adapter} and {@code DinoV2} as they are written; what lives for a moment only is the largest
 * of it. The sizes assume that every row of a batch has as many tokens as the longest caption looked at.
 *
 * @param steps      of the optimizer
 * @param epochs     that these are
 * @param parameters numbers by part, and whether they are trained
 * @param memory     bytes by what they are for, in the order in which they come to be
 * @param tokens     of a prompt with its caption, the longest that is expected
 */
public record TrainingPlan(int steps, double epochs, List<Part> parameters, Map<String, Long> memory, int tokens) {
    /** Bytes of a process that has loaded Java, LibTorch and the kernels and nothing else, as measured. */
    private static final long PROCESS = 430_000_000;
    /** Captions that are looked at. */
    private static final int CAPTIONS = 2000;

    /** Pieces of a word on average where there is no tokenizer yet. */
    private static final double PIECES = 1.5;

    private static final long FLOAT = 4;

    /**
     * A part of the model.
     *
     * @param name    for people
     * @param count   of its numbers
     * @param trained whether the run changes them
     * @param bytes   of its weights in memory
     */
    public record Part(String name, long count, boolean trained, long bytes) {}

    /** Bytes in all at the highest moment of a step. */
    public long peak() {
        return memory.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Numbers that are trained. */
    public long trained() {
        return parameters.stream().filter(Part::trained).mapToLong(Part::count).sum();
    }

    /** Bytes of a checkpoint: what is trained, with both moments of Adam. */
    public long checkpoint() {
        return 3 * FLOAT * trained();
    }

    /**
     * Of a run that goes on from a model.
     *
     * @param model directory; of its weights and those of its backbones the headers are read
     * @param onCpu whether it is the CPU's kernels that run
     */
    public static TrainingPlan of(Path model, TrainingConfig config, CaptionSource data, boolean onCpu)
            throws IOException {
        LexVlaConfig own = LexVlaConfig.load(model);
        ModelSummary summary = ModelSummary.of(model);
        int tokens;
        try (Tokenizer tokenizer = Tokenizer.load(own.text())) {
            tokens = data.captions(CAPTIONS).stream()
                    .mapToInt(caption -> own.prompt().ids(caption, tokenizer).length)
                    .max()
                    .orElse(0);
        }
        Sizes sizes = new Sizes(
                summary.vision(),
                summary.adapter(),
                summary.text(),
                summary.lora(),
                summary.vocabulary(),
                ImageTransform.load(model).crop(),
                tokens,
                own.textSide() == TextSide.LANGUAGE_MODEL,
                stored(own.vision()),
                stored(own.text()));
        return sizes.plan(config, data.size(), onCpu);
    }

    /** Of a run that makes its own tiny model. The tokenizer is not made yet: the vocabulary is at most this large. */
    public static TrainingPlan ofFresh(TrainingConfig config, CaptionSource data, boolean onCpu) throws IOException {
        NewModelConfig.FreshVision eye = config.fresh().vision();
        NewModelConfig.FreshText words = config.fresh().text();
        DinoV2Config vision = DinoV2Config.of(eye.hidden(), eye.layers(), eye.heads(), FreshModel.PATCH, eye.image());
        LlamaConfig text = LlamaConfig.of(
                words.tokens(),
                words.hidden(),
                words.intermediate(),
                words.layers(),
                words.heads(),
                FreshModel.CONTEXT);
        int hidden = config.adapter().mlpHidden() > 0 ? config.adapter().mlpHidden() : 3 * eye.hidden();
        NewModelConfig.Lora lora = config.lora();
        Prompt prompt = FreshModel.prompt(config);
        int longest = data.captions(CAPTIONS).stream()
                .mapToInt(TrainingPlan::pieces)
                .max()
                .orElse(0);
        Sizes sizes = new Sizes(
                vision,
                new AdapterConfig(eye.hidden(), config.adapter().heads(), hidden, words.hidden()),
                text,
                new LoraConfig(lora.rank(), lora.alpha(), lora.dropout(), lora.targets()),
                words.tokens(),
                eye.image(),
                pieces(prompt.template()) + Math.min(longest, prompt.maxCaptionTokens()),
                Range.oneOf("textSide", config.textSide(), TextSide.class) == TextSide.LANGUAGE_MODEL,
                new Stored(vision.parameterCount() * FLOAT, FLOAT),
                new Stored(text.parameterCount() * FLOAT, FLOAT));
        return sizes.plan(config, data.size(), onCpu);
    }

    private static int pieces(String text) {
        return (int) Math.ceil(PIECES * text.strip().split("\\W+").length);
    }

    /** Bytes of weights in files, and of one of their numbers. */
    private record Stored(long bytes, long element) {}

    private static Stored stored(Path directory) throws IOException {
        long bytes = 0;
        long widest = 0;
        try (Safetensors file = Safetensors.open(directory)) {
            for (String name : file.names()) {
                long element = switch (file.dtype(name)) {
                    case "F64", "I64", "U64" -> 8;
                    case "F32", "I32", "U32" -> 4;
                    case "F16", "BF16", "I16", "U16" -> 2;
                    default -> 1;
                };
                long count = 1;
                for (long size : file.shape(name)) {
                    count *= size;
                }
                bytes += count * element;
                widest = Math.max(widest, count > 1 ? element : 0);
            }
        }
        return new Stored(bytes, widest);
    }

    /** All that the sums are made of. */
    private record Sizes(
            DinoV2Config vision,
            AdapterConfig adapter,
            LlamaConfig text,
            LoraConfig lora,
            long words,
            int picture,
            int tokens,
            boolean readsTexts,
            Stored visionWeights,
            Stored textWeights) {

        TrainingPlan plan(TrainingConfig config, long samples, boolean onCpu) {
            int steps = config.stepsOver(samples);
            boolean trainsVision = !config.vision().frozen();
            boolean trainsText = readsTexts && !config.text().frozen();
            long width = text.hiddenSize();
            long codes = words * width;
            long updates = Lora.parameterCount(lora, text);
            List<Part> parts = new ArrayList<>();
            parts.add(new Part("vision", vision.parameterCount(), trainsVision, visionWeights.bytes));
            parts.add(new Part("adapter", adapter.parameterCount(), true, adapter.parameterCount() * FLOAT));
            parts.add(new Part("language model", text.parameterCount(), trainsText, textWeights.bytes));
            parts.add(new Part("LoRA", updates, readsTexts, updates * FLOAT));
            parts.add(new Part("image codebook", codes, true, codes * FLOAT));
            // Packed once more for the CPU's kernel.
            parts.add(new Part("text codebook", codes, false, codes * textWeights.element * (onCpu ? 2 : 1)));

            long trained =
                    parts.stream().filter(Part::trained).mapToLong(Part::count).sum() + 1;
            long frozen = parts.stream()
                    .filter(part -> !part.trained())
                    .mapToLong(Part::bytes)
                    .sum();
            long learning =
                    parts.stream().filter(Part::trained).mapToLong(Part::bytes).sum();
            Map<String, Long> memory = new LinkedHashMap<>();
            memory.put("process", PROCESS);
            memory.put("weights, frozen", frozen);
            memory.put("weights, trained", learning);
            memory.put("optimizer", 2 * FLOAT * trained);
            memory.put("pictures", pictures(config));
            memory.put("picture cache, at most", config.data().cache() * 1_000_000L);
            TrainingConfig towers = inTowers(config);
            memory.put("activations", activations(towers));
            memory.put("representations", representations(config.batch()));
            // That of the codebook comes from the head as a whole, and is handed over; a momentary one of Adam.
            memory.put("gradients", FLOAT * (trained + codes));
            memory.put("momentary", momentary(towers));
            if (config.ema().decay() > 0) {
                memory.put("mean of the weights", FLOAT * trained);
            }
            double epochs = (double) steps * config.batch() / Math.max(1, samples);
            return new TrainingPlan(steps, epochs, List.copyOf(parts), memory, tokens);
        }

        /** Settings whose batch is what goes through the towers together. */
        private static TrainingConfig inTowers(TrainingConfig config) {
            return config.microBatch() == 0 || config.microBatch() >= config.batch()
                    ? config
                    : config.withBatch(Math.max(2, config.microBatch()));
        }

        /** Bytes of the batches that are decoded ahead, and of that which is in use; as numbers those that go through the towers together. */
        private long pictures(TrainingConfig config) {
            long decoded = (config.data().ahead() + 1L) * config.batch();
            return (decoded + FLOAT * inTowers(config).batch()) * 3 * picture * picture;
        }

        private long patches() {
            long side = picture / vision.patchSize();
            return 1 + vision.registers() + side * side;
        }

        /** What the graphs of both towers keep. */
        private long activations(TrainingConfig config) {
            long sum = config.batch() * patches() * adapterPerToken() * FLOAT;
            if (!config.vision().frozen()) {
                sum += config.batch()
                        * patches()
                        * layers(
                                vision.layers(),
                                visionPerToken(),
                                vision.hiddenSize(),
                                config.vision().checkpointing());
            }
            if (readsTexts) {
                sum += config.batch()
                        * tokens
                        * layers(
                                text.layers(),
                                textPerToken(),
                                text.hiddenSize() * textWeights.element,
                                config.text().checkpointing());
            }
            return sum;
        }

        /** Bytes of a token in all layers; recomputed: the input of each and the whole of one. */
        private static long layers(int layers, long whole, long input, boolean recomputed) {
            return recomputed ? layers * input + whole : layers * whole;
        }

        /**
         * Numbers, of {@code Adapter.forward}: the inputs of both norms, of the projections and of the MLPs, query, key and value,
         * what attention gives, as it is and in the order of tokens; before and after both GELUs; the result.
         */
        private long adapterPerToken() {
            return 10L * adapter.width() + 4L * adapter.mlpHidden() + adapter.outWidth();
        }

        /** Bytes, of a block of DINOv2 whose weights are trained. */
        private long visionPerToken() {
            return FLOAT * (11L * vision.hiddenSize() + (vision.swiGlu() ? 4L : 2L) * vision.mlpSize());
        }

        /**
         * Bytes, of a block of Llama with LoRA: x and its norm, query, key, value and what attention gives, y and its norm; gate, its
         * SiLU, up, and their product. In a type other than LoRA's each update keeps its input in float32 besides, and the norms
         * theirs.
         */
        private long textPerToken() {
            long d = text.hiddenSize();
            long i = text.intermediateSize();
            long plain = textWeights.element * (9 * d + 4 * i);
            return textWeights.element == FLOAT ? plain : plain + FLOAT * (8 * d + i);
        }

        /** Scores, winners, activations and gradients of both, and logits of pictures with every text. */
        private long representations(long batch) {
            long together = batch <= Losses.IN_GRAPH ? batch : Losses.ROWS;
            return FLOAT * (9 * batch * words + 6 * together * batch);
        }

        /** The larger of a block of the frozen visual encoder, and of what the backward pass of a block of either tower holds. */
        private long momentary(TrainingConfig config) {
            long eye = config.batch() * patches() * FLOAT * (6L * vision.hiddenSize() + 2L * vision.mlpSize());
            long adapted = config.batch() * patches() * FLOAT * (2L * adapter.outWidth() + 2L * adapter.mlpHidden());
            long language = readsTexts
                    ? config.batch() * tokens * FLOAT * (4L * text.hiddenSize() + 3L * text.intermediateSize())
                    : 0;
            return Math.max(eye, Math.max(adapted, language));
        }
    }
}
