package org.lexvla.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Vocabulary;

/** The parts of a {@link LexVla}, read from a model directory or made from two backbones, and checked against each other. */
final class ModelParts implements AutoCloseable {
    private static final int STANDARD_SIZE = 224;
    /** The temperature in the beginning (SPEC §6). */
    private static final double TEMPERATURE = 0.07;

    final Device device;
    LexVlaConfig config;
    Vocabulary vocabulary;
    Tokenizer tokenizer;
    ImageTransform transform;
    DinoV2 vision;
    Adapter adapter;
    Llama text;
    Lora lora;
    PromptEncoder prompts;
    /** The text side where it is no language model; else null. */
    BagOfWords bag;

    private Parameters codes;
    private PackedCodebook packedImageCodebook;
    private PackedCodebook packedTextCodebook;

    private ModelParts(Device device) {
        this.device = device;
    }

    static ModelParts load(Path directory, Device device, ScalarType type) throws IOException {
        ModelParts parts = new ModelParts(device);
        try {
            parts.read(directory, type);
            return parts.ready();
        } catch (IOException | RuntimeException e) {
            parts.close();
            throw e;
        }
    }

    static ModelParts init(Path visionDirectory, Path textDirectory, InitOptions options) throws IOException {
        ModelParts parts = new ModelParts(options.device());
        try {
            parts.backbones(visionDirectory, textDirectory, options.backbones(), options.type());
            parts.make(
                    visionDirectory,
                    parts.vision.config(),
                    textDirectory,
                    parts.text.config(),
                    parts.text.outputMatrix(),
                    options);
            parts.text.attach(parts.lora);
            return parts.ready();
        } catch (IOException | RuntimeException e) {
            parts.close();
            throw e;
        }
    }

    /** Writes a new model without loading its backbones: names and shapes are checked, of the weights only Z_txt is read. */
    static void create(Path visionDirectory, Path textDirectory, InitOptions options, Path directory)
            throws IOException {
        try (ModelParts parts = new ModelParts(Device.cpu())) {
            requireBackbones(visionDirectory, textDirectory);
            parts.tokenizer = Tokenizer.load(textDirectory);
            UnknownTensors unknown = options.backbones().unknown();
            DinoV2Config visual = visualConfig(visionDirectory, options.backbones());
            DinoV2.check(visionDirectory, visual, unknown);
            Tensor output = Llama.outputMatrix(textDirectory, unknown);
            parts.make(visionDirectory, visual, textDirectory, LlamaConfig.load(textDirectory), output, options);
            Parameters.warnOfNonFinite(
                    "Llama", textDirectory, Map.of("the words' rows of " + Llama.OUTPUT, parts.textCodebook()));
            ModelDirectory.save(directory, parts, parts.config);
        }
    }

    private ModelParts ready() {
        prompts = new PromptEncoder(text, config.prompt().beginning(tokenizer));
        bag = config.textSide() == TextSide.BAG_OF_WORDS ? new BagOfWords(vocabulary, tokenizer) : null;
        return this;
    }

    private void read(Path directory, ScalarType type) throws IOException {
        config = LexVlaConfig.load(directory);
        ModelDirectory.requireComplete(directory);
        vocabulary = Vocabulary.load(directory.resolve(ModelDirectory.VOCABULARY));
        transform = ImageTransform.load(directory);
        backbones(config.vision(), config.text(), config.backbones(), type);
        AdapterConfig shape = config.adapter();
        if (shape.width() != vision.config().hiddenSize()
                || shape.outWidth() != text.config().hiddenSize()) {
            throw new IllegalArgumentException(
                    "the adapter of " + directory + " goes from width " + shape.width() + " to "
                            + shape.outWidth() + ", but the visual encoder has width "
                            + vision.config().hiddenSize()
                            + " and the language model " + text.config().hiddenSize()
                            + ": these are not the backbones it was made for");
        }
        ModelDirectory.requireTokens(vocabulary, tokenizer, text.config().vocabularySize(), config.text());
        try (Safetensors weights = Safetensors.open(directory.resolve(ModelDirectory.WEIGHTS))) {
            ModelDirectory.requireCodebook(weights, vocabulary, shape.outWidth());
            Map<String, Tensor> own = new HashMap<>();
            for (String name : weights.names()) {
                if (name.startsWith(ModelDirectory.ADAPTER)) {
                    own.put(name.substring(ModelDirectory.ADAPTER.length()), weights.tensor(name, device));
                }
            }
            adapter = Adapter.of(shape, own, device);
            codebooks(
                    weights.names().contains(ModelDirectory.TEXT_CODEBOOK)
                            ? weights.tensor(ModelDirectory.TEXT_CODEBOOK, device)
                                    .to(text.outputMatrix().scalar_type())
                            : outputRows(),
                    weights.tensor(ModelDirectory.IMAGE_CODEBOOK, device),
                    weights.tensor(ModelDirectory.LOGIT_SCALE, device));
        }
        lora = Lora.load(directory.resolve(ModelDirectory.LORA), text.config(), device);
        text.attach(lora);
    }

    /** All that is not a backbone. */
    private void make(
            Path visionDirectory,
            DinoV2Config visual,
            Path textDirectory,
            LlamaConfig language,
            Tensor outputMatrix,
            InitOptions options)
            throws IOException {
        vocabulary = Vocabulary.select(tokenizer.tokens(), options.rule(), options.tokenCounts());
        ModelDirectory.requireTokens(vocabulary, tokenizer, language.vocabularySize(), textDirectory);
        transform = options.transform() == null ? transform(visionDirectory, visual) : options.transform();
        requirePatches(visionDirectory, visual);
        AdapterConfig shape = options.adapter(visual.hiddenSize(), language.hiddenSize());
        adapter = Adapter.random(shape, options.seed(), device);
        lora = Lora.create(options.lora(), language, options.seed(), device);
        Tensor words = rows(outputMatrix);
        codebooks(words, words, LibTorch.of(new float[] {(float) Math.log(1 / TEMPERATURE)}));
        config = new LexVlaConfig(
                        visionDirectory,
                        textDirectory,
                        options.prompt(),
                        options.poolCls(),
                        shape,
                        options.sparsification(vocabulary.size()),
                        options.backbones(),
                        options.textSide())
                .withBackbones(visionDirectory, textDirectory);
    }

    private void backbones(Path visionDirectory, Path textDirectory, BackboneOptions options, ScalarType type)
            throws IOException {
        requireBackbones(visionDirectory, textDirectory);
        tokenizer = Tokenizer.load(textDirectory);
        vision = DinoV2.load(visionDirectory, visualConfig(visionDirectory, options), device, type, options.unknown());
        text = Llama.load(textDirectory, device, type, options.unknown());
    }

    private static void requireBackbones(Path visionDirectory, Path textDirectory) throws IOException {
        ModelDirectory.requireBackbone("vision", visionDirectory);
        ModelDirectory.requireBackbone("text", textDirectory);
    }

    private static DinoV2Config visualConfig(Path directory, BackboneOptions options) {
        DinoV2Config config = DinoV2Config.load(directory);
        return options.interpolation() == null ? config : config.with(options.interpolation());
    }

    /** SPEC §4's transform in the words of the encoder's own files. */
    private static ImageTransform transform(Path directory, DinoV2Config vision) throws IOException {
        if (Files.isRegularFile(directory.resolve(ImageTransform.FILE))) {
            ImageTransform theirs = ImageTransform.load(directory);
            return new ImageTransform(theirs.crop(), theirs.crop(), theirs.mean(), theirs.std());
        }
        return ImageTransform.imageNet(Math.min(STANDARD_SIZE, vision.imageSize()));
    }

    private void requirePatches(Path directory, DinoV2Config visual) {
        int patch = visual.patchSize();
        if (transform.crop() % patch != 0) {
            throw new IllegalArgumentException(
                    "pictures are cropped to " + transform.crop() + ", which is no multiple of the" + " patch size "
                            + patch + " of " + directory + ": set a transform with another crop");
        }
    }

    /** The rows of the output matrix that belong to the words: Z_txt of a new model. */
    private Tensor outputRows() {
        return rows(text.outputMatrix());
    }

    private Tensor rows(Tensor outputMatrix) {
        long[] rows = Arrays.stream(vocabulary.tokenIds()).asLongStream().toArray();
        Tensor ids = LibTorch.of(rows, rows.length).to(LibTorch.device(device), ScalarType.Long);
        return torch.index_select(outputMatrix.detach(), 0, ids);
    }

    private void codebooks(Tensor words, Tensor image, Tensor scale) {
        codes = new Parameters("model", device, ScalarType.Float);
        codes.put(ModelDirectory.TEXT_CODEBOOK, words.contiguous());
        codes.put(ModelDirectory.IMAGE_CODEBOOK, leaf(image));
        codes.put(ModelDirectory.LOGIT_SCALE, leaf(scale.view()));
    }

    /**
     * What goes into the model's own weights. Z_txt is written only where it is no longer the output matrix: where input and
     * output matrix are one and training has changed it, Z_txt, which never changes, would be lost.
     */
    Map<String, Tensor> weights() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        adapter.parameters().forEach((name, tensor) -> tensors.put(ModelDirectory.ADAPTER + name, tensor));
        tensors.put(ModelDirectory.IMAGE_CODEBOOK, imageCodebook());
        tensors.put(ModelDirectory.LOGIT_SCALE, logitScale());
        // Without a language model at hand the model is new.
        if (text != null && !outputRows().equal(textCodebook())) {
            tensors.put(ModelDirectory.TEXT_CODEBOOK, textCodebook());
        }
        return tensors;
    }

    /** A float32 copy that is trained. */
    private Tensor leaf(Tensor tensor) {
        return tensor.detach()
                .to(LibTorch.device(device), ScalarType.Float, false, true, null)
                .contiguous()
                .requires_grad_(true);
    }

    Tensor imageCodebook() {
        return codes.get(ModelDirectory.IMAGE_CODEBOOK);
    }

    Tensor textCodebook() {
        return codes.get(ModelDirectory.TEXT_CODEBOOK);
    }

    /** Z_img for inference; made at the first use. */
    synchronized PackedCodebook packedImageCodebook() {
        if (packedImageCodebook == null) {
            packedImageCodebook = PackedCodebook.of(imageCodebook());
        }
        return packedImageCodebook;
    }

    /** Z_txt, which never changes; made at the first use. */
    synchronized PackedCodebook packedTextCodebook() {
        if (packedTextCodebook == null) {
            packedTextCodebook = PackedCodebook.of(textCodebook());
        }
        return packedTextCodebook;
    }

    Tensor logitScale() {
        return codes.get(ModelDirectory.LOGIT_SCALE);
    }

    /** Closes what there is; may be called on a half-made one. */
    @Override
    public void close() {
        if (prompts != null) {
            prompts.close();
        }
        if (text != null) {
            text.close();
        }
        if (lora != null) {
            lora.close();
        }
        if (vision != null) {
            vision.close();
        }
        if (adapter != null) {
            adapter.close();
        }
        if (packedImageCodebook != null) {
            packedImageCodebook.close();
        }
        if (packedTextCodebook != null) {
            packedTextCodebook.close();
        }
        if (codes != null) {
            codes.close();
        }
        if (tokenizer != null) {
            tokenizer.close();
        }
    }
}
