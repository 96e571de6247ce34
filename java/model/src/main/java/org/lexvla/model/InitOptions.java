package org.lexvla.model;

import java.util.Objects;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.VocabularyReport;

/**
 * How {@link LexVla#init} makes a model; every default is SPEC's. Immutable: each {@code with…} gives a copy.
 *
 * <pre>{@code InitOptions.standard().withSeed(7).withPoolCls(false)}</pre>
 */
public final class InitOptions {
    private long seed;
    private Device device = Device.cpu();
    private ScalarType type;
    private Vocabulary.Rule rule = Vocabulary.Rule.standard();
    private long[] tokenCounts;
    private Prompt prompt = Prompt.standard();
    private boolean poolCls = true;
    private int adapterHeads;
    private int adapterHidden;
    private LoraConfig lora = LoraConfig.standard();
    private Sparsification sparsification;
    private boolean renormalize;
    private ImageTransform transform;
    private BackboneOptions backbones = BackboneOptions.standard();
    private TextSide textSide = TextSide.LANGUAGE_MODEL;

    private InitOptions() {}

    private InitOptions(InitOptions other) {
        this.seed = other.seed;
        this.device = other.device;
        this.type = other.type;
        this.rule = other.rule;
        this.tokenCounts = other.tokenCounts;
        this.prompt = other.prompt;
        this.poolCls = other.poolCls;
        this.adapterHeads = other.adapterHeads;
        this.adapterHidden = other.adapterHidden;
        this.lora = other.lora;
        this.sparsification = other.sparsification;
        this.renormalize = other.renormalize;
        this.transform = other.transform;
        this.backbones = other.backbones;
        this.textSide = other.textSide;
    }

    /** SPEC's defaults on the CPU, seed 0. */
    public static InitOptions standard() {
        return new InitOptions();
    }

    /** The seed of adapter and LoRA. */
    public InitOptions withSeed(long seed) {
        InitOptions copy = new InitOptions(this);
        copy.seed = seed;
        return copy;
    }

    /** Where the model computes; default the CPU. */
    public InitOptions withDevice(Device device) {
        InitOptions copy = new InitOptions(this);
        copy.device = Objects.requireNonNull(device);
        return copy;
    }

    /** Element type of the backbones, Float or BFloat16; null, the default, keeps that of their files. */
    public InitOptions withType(ScalarType type) {
        InitOptions copy = new InitOptions(this);
        copy.type = type;
        return copy;
    }

    /**
     * Which tokens become words.
     *
     * @param countsByTokenId occurrences in the training captions, needed only if the rule has a least count; else null
     */
    public InitOptions withVocabulary(Vocabulary.Rule rule, long[] countsByTokenId) {
        InitOptions copy = new InitOptions(this);
        copy.rule = Objects.requireNonNull(rule);
        copy.tokenCounts = countsByTokenId == null ? null : countsByTokenId.clone();
        return copy;
    }

    /** What the vocabulary's rule makes of every token, to be looked at before the model is trained. */
    public VocabularyReport vocabularyReport(Tokenizer tokenizer) {
        return VocabularyReport.of(tokenizer.tokens(), rule, tokenCounts);
    }

    /** What the language model is asked. */
    public InitOptions withPrompt(Prompt prompt) {
        InitOptions copy = new InitOptions(this);
        copy.prompt = Objects.requireNonNull(prompt);
        return copy;
    }

    /** Whether CLS takes part in the maximum; default true. */
    public InitOptions withPoolCls(boolean poolCls) {
        InitOptions copy = new InitOptions(this);
        copy.poolCls = poolCls;
        return copy;
    }

    /** Heads and hidden width of the adapter instead of {@link AdapterConfig#of}'s; 0 keeps the default of either. */
    public InitOptions withAdapter(int heads, int mlpHidden) {
        InitOptions copy = new InitOptions(this);
        copy.adapterHeads = heads;
        copy.adapterHidden = mlpHidden;
        return copy;
    }

    /** Rank, scale and targets of LoRA. */
    public InitOptions withLora(LoraConfig lora) {
        InitOptions copy = new InitOptions(this);
        copy.lora = Objects.requireNonNull(lora);
        return copy;
    }

    /** What {@code encode…} keeps; null, the default, is the threshold 1/√V. */
    public InitOptions withSparsification(Sparsification sparsification) {
        InitOptions copy = new InitOptions(this);
        copy.sparsification = sparsification;
        return copy;
    }

    /** Whether what {@code encode…} keeps gets norm 1 again, whatever {@link #withSparsification} says; default false: as that says. */
    public InitOptions withRenormalize(boolean renormalize) {
        InitOptions copy = new InitOptions(this);
        copy.renormalize = renormalize;
        return copy;
    }

    /**
     * How pictures are made ready. Null, the default, is SPEC §4: shorter side and crop both as wide as the crop in the visual
     * encoder's {@code preprocessor_config.json}, with its mean and deviation; without that file 224, or less if the encoder
     * was trained on smaller pictures, and ImageNet's.
     */
    public InitOptions withTransform(ImageTransform transform) {
        InitOptions copy = new InitOptions(this);
        copy.transform = transform;
        return copy;
    }

    /** What turns a text into words; default the language model. */
    public InitOptions withTextSide(TextSide textSide) {
        InitOptions copy = new InitOptions(this);
        copy.textSide = Objects.requireNonNull(textSide);
        return copy;
    }

    /** How the backbones are read, now and whenever the model is loaded. */
    public InitOptions withBackbones(BackboneOptions backbones) {
        InitOptions copy = new InitOptions(this);
        copy.backbones = Objects.requireNonNull(backbones);
        return copy;
    }

    long seed() {
        return seed;
    }

    Device device() {
        return device;
    }

    ScalarType type() {
        return type;
    }

    Vocabulary.Rule rule() {
        return rule;
    }

    long[] tokenCounts() {
        return tokenCounts;
    }

    Prompt prompt() {
        return prompt;
    }

    boolean poolCls() {
        return poolCls;
    }

    AdapterConfig adapter(int width, int outWidth) {
        AdapterConfig standard = AdapterConfig.of(width, outWidth);
        return new AdapterConfig(
                width,
                adapterHeads == 0 ? standard.heads() : adapterHeads,
                adapterHidden == 0 ? standard.mlpHidden() : adapterHidden,
                outWidth);
    }

    LoraConfig lora() {
        return lora;
    }

    Sparsification sparsification(int vocabulary) {
        Sparsification chosen = sparsification == null ? Sparsification.standard(vocabulary) : sparsification;
        return renormalize ? chosen.withRenormalize(true) : chosen;
    }

    ImageTransform transform() {
        return transform;
    }

    BackboneOptions backbones() {
        return backbones;
    }

    TextSide textSide() {
        return textSide;
    }
}
