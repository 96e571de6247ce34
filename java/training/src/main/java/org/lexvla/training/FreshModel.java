package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.DinoV2;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.InitOptions;
import org.lexvla.model.LexVla;
import org.lexvla.model.Llama;
import org.lexvla.model.LlamaConfig;
import org.lexvla.model.LoraConfig;
import org.lexvla.model.Prompt;
import org.lexvla.model.TextSide;
import org.lexvla.model.Tokenizer;

/**
 * Makes a model where none is at hand: a tiny DINOv2 and a tiny Llama with a tokenizer of their own, in the layout of Hugging
 * Face directories under {@code vision/} and {@code text/}, prepared by {@link StandIns}, then {@link LexVla#init} on top. What the
 * demo and {@code train} without a model use.
 */
public final class FreshModel {
    static final int PATCH = 14;
    static final int CONTEXT = 1024;
    /** Pictures of a source that the visual stand-in sees. */
    private static final int KEPT_PICTURES = 4096;
    /** Captions of a source that the language stand-in sees. */
    private static final int READ_CAPTIONS = 1_000_000;

    /** What the making of a model tells about its progress. */
    @FunctionalInterface
    public interface Listener {
        /** @param stage {@code language} or {@code vision} */
        void progress(String stage, StandIns.Progress progress);
    }

    private FreshModel() {}

    /**
     * Makes both backbones and the model.
     *
     * @param source    of whose captions the tokenizer and the language model are made, and of whose pictures the visual backbone if
     *                  there are no labels
     * @param labels    labelled patches for the visual backbone; null: {@link StandIns#selfSupervisedVision} on the pictures
     * @param directory where {@code vision/} and {@code text/} are made
     */
    public static LexVla create(
            TrainingConfig config,
            CaptionSource source,
            PatchLabels labels,
            Path directory,
            Device device,
            Listener listener)
            throws IOException {
        Path vision = directory.resolve("vision");
        Path text = directory.resolve("text");
        List<String> captions = source.captions(READ_CAPTIONS);
        text(config, captions, text, device, listener);
        if (labels == null) {
            vision(config, pictures(source, transform(config)), vision, device, listener);
        } else {
            vision(config, labels, vision, device, listener);
        }
        return LexVla.init(vision, text, options(config, text, captions).withDevice(device));
    }

    /** The same model as {@link #create} gave, from the backbones that it left: for the other processes of a run. */
    public static LexVla open(TrainingConfig config, CaptionSource source, Path directory, Device device)
            throws IOException {
        Path text = directory.resolve("text");
        return LexVla.init(
                directory.resolve("vision"),
                text,
                options(config, text, source.captions(READ_CAPTIONS)).withDevice(device));
    }

    /** How the settings make a model of two backbones. */
    public static InitOptions options(TrainingConfig config, Path text, List<String> captions) throws IOException {
        NewModelConfig.Lora lora = config.lora();
        try (Tokenizer tokenizer = Tokenizer.load(text)) {
            return InitOptions.standard()
                    .withSeed(config.seed())
                    .withType(config.backboneType())
                    .withVocabulary(rule(config), counts(config, tokenizer, captions))
                    .withPrompt(prompt(config))
                    .withPoolCls(config.poolCls())
                    .withSparsification(config.sparsification().choice())
                    .withRenormalize(config.sparsification().renormalize())
                    .withTextSide(Range.oneOf("textSide", config.textSide(), TextSide.class))
                    .withBackbones(config.backbones().options())
                    .withAdapter(config.adapter().heads(), config.adapter().mlpHidden())
                    .withLora(new LoraConfig(lora.rank(), lora.alpha(), lora.dropout(), lora.targets()));
        }
    }

    /** The transform of the tiny visual backbone's pictures: whole pictures at its size, ImageNet's mean and deviation. */
    public static ImageTransform transform(TrainingConfig config) {
        return ImageTransform.imageNet(config.fresh().vision().image());
    }

    /** The prompt of the settings; the paper's, if they name none. */
    public static Prompt prompt(TrainingConfig config) {
        String template = config.prompt().isEmpty() ? Prompt.standard().template() : config.prompt();
        return new Prompt(template, config.captionTokens());
    }

    /** Makes tokenizer and language model in Hugging Face layout. */
    public static void text(
            TrainingConfig config, List<String> captions, Path directory, Device device, Listener listener)
            throws IOException {
        Files.createDirectories(directory);
        NewModelConfig.FreshText shape = config.fresh().text();
        Prompt prompt = prompt(config);
        TokenizerTrainer pieces = new TokenizerTrainer(shape.tokens());
        captions.forEach(pieces::add);
        // The prompt stands around every caption.
        pieces.add(prompt.template().replace(Prompt.TEXT, " "), captions.size());
        int tokens = pieces.save(directory);
        LlamaConfig size =
                LlamaConfig.of(tokens, shape.hidden(), shape.intermediate(), shape.layers(), shape.heads(), CONTEXT);
        try (Tokenizer tokenizer = Tokenizer.load(directory);
                Llama model = Llama.random(size, config.seed(), device)) {
            Vocabulary vocabulary =
                    Vocabulary.select(tokenizer.tokens(), rule(config), counts(config, tokenizer, captions));
            StandIns.language(
                    model,
                    tokenizer,
                    vocabulary,
                    prompt,
                    captions,
                    shape.standIn(),
                    config.seed(),
                    progress -> listener.progress("language", progress));
            model.save(directory);
        }
    }

    /** Makes a visual backbone in Hugging Face layout, prepared on labelled patches. */
    public static void vision(
            TrainingConfig config, PatchLabels labels, Path directory, Device device, Listener listener)
            throws IOException {
        try (DinoV2 model = random(config, device)) {
            StandIns.vision(
                    model,
                    labels,
                    config.fresh().vision().standIn(),
                    config.seed(),
                    progress -> listener.progress("vision", progress));
            save(config, model, directory);
        }
    }

    /** Makes a visual backbone in Hugging Face layout, prepared on pictures alone. */
    public static void vision(
            TrainingConfig config, PictureSource pictures, Path directory, Device device, Listener listener)
            throws IOException {
        try (DinoV2 model = random(config, device)) {
            StandIns.selfSupervisedVision(
                    model,
                    pictures,
                    config.fresh().vision().standIn(),
                    config.seed(),
                    progress -> listener.progress("vision", progress));
            save(config, model, directory);
        }
    }

    private static DinoV2 random(TrainingConfig config, Device device) {
        NewModelConfig.FreshVision shape = config.fresh().vision();
        return DinoV2.random(
                DinoV2Config.of(shape.hidden(), shape.layers(), shape.heads(), PATCH, shape.image()),
                config.seed(),
                device);
    }

    private static void save(TrainingConfig config, DinoV2 model, Path directory) throws IOException {
        Files.createDirectories(directory);
        model.save(directory);
        transform(config).save(directory);
    }

    /** The first readable pictures of a source, drawn at random. */
    private static PictureSource pictures(CaptionSource source, ImageTransform transform) throws IOException {
        List<BufferedImage> kept = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        IOException last = null;
        for (CaptionSource.Shard shard : source.shards()) {
            try (CaptionSource.Reader reader = shard.open(0)) {
                for (Sample sample; kept.size() < KEPT_PICTURES && (sample = reader.next()) != null; ) {
                    if (sample.flaw() == null && keys.add(sample.key())) {
                        try {
                            kept.add(sample.picture().read());
                        } catch (IOException e) {
                            // Listed when the run comes to it.
                            last = e;
                        }
                    }
                }
            }
        }
        if (kept.isEmpty()) {
            throw new IllegalArgumentException(
                    source.name() + " has no readable picture" + (last == null ? "" : ": " + last.getMessage()), last);
        }
        return (int count, RandomGenerator random, FloatBuffer pixels) -> {
            for (int done = 0; done < count; done++) {
                transform.of(kept.get(random.nextInt(kept.size())), pixels);
            }
        };
    }

    private static Vocabulary.Rule rule(TrainingConfig config) {
        NewModelConfig.Vocabulary settings = config.vocabulary();
        return new Vocabulary.Rule(settings.punctuationAndDigits(), settings.upperCase(), settings.minCount());
    }

    /** How often each token occurs in the lower-cased captions; null if the rule does not ask. */
    private static long[] counts(TrainingConfig config, Tokenizer tokenizer, List<String> captions) {
        if (config.vocabulary().minCount() == 0) {
            return null;
        }
        long[] counts = new long[tokenizer.size()];
        for (String caption : captions) {
            for (int id : tokenizer.encode(caption.toLowerCase(Locale.ROOT))) {
                counts[id]++;
            }
        }
        return counts;
    }
}
