package org.lexvla.model;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;

/**
 * A LexVLA model: pictures and texts become vectors over the words of one vocabulary (SPEC; Li et al., NeurIPS 2024).
 *
 * <pre>{@code
 * try (LexVla model = LexVla.load(Path.of("model"), Device.cpu())) {
 *     LexicalBatch pictures = model.encodeImages(List.of(Path.of("fox.jpg"), Path.of("boat.jpg")));
 *     LexicalBatch texts = model.encodeTexts(List.of("a red fox in the snow"));
 *     float[][] scores = texts.dot(pictures);
 * }
 * }</pre>
 *
 * <p>B pictures or texts, P patches, d the width of the codebooks, V words.
 *
 * <p>Batches that {@code encode…} returns belong to the caller, who may close them; closing the model closes those still
 * open. To keep batches longer, give an allocator to {@link #load(Path, Device, ScalarType, BufferAllocator)}: then closing
 * them is the caller's business alone. Tensors that methods return belong to the caller's {@code PointerScope}; those that
 * are parts of the model live until it is closed. Several threads may encode at once.
 */
public final class LexVla implements AutoCloseable {
    /** Pictures or texts that go through the towers together. */
    private static final int BATCH = 32;

    private static final int STANDARD_SIZE = 224;
    /** The temperature in the beginning (SPEC §6). */
    private static final double TEMPERATURE = 0.07;

    private final LexVlaConfig config;
    private final Device device;
    private final Vocabulary vocabulary;
    private final Tokenizer tokenizer;
    private final ImageTransform transform;
    private final DinoV2 vision;
    private final Adapter adapter;
    private final Llama text;
    private final Lora lora;
    private final Parameters codes;
    private final BufferAllocator allocator;
    private final boolean ownsAllocator;
    private final List<LexicalBatch> lent = new ArrayList<>();
    private volatile boolean closed;

    private static final String TEXT_CODEBOOK = "text_codebook";

    /** The parts of a model while it is made: they are closed if making it fails. */
    private static final class Parts implements AutoCloseable {
        LexVlaConfig config;
        Device device;
        Vocabulary vocabulary;
        Tokenizer tokenizer;
        ImageTransform transform;
        DinoV2 vision;
        Adapter adapter;
        Llama text;
        Lora lora;
        Parameters codes;
        boolean taken;

        @Override
        public void close() {
            if (!taken) {
                closeAll(lora, text, adapter, vision, codes, tokenizer);
            }
        }
    }

    private LexVla(Parts parts, BufferAllocator allocator) {
        this.config = parts.config;
        this.device = parts.device;
        this.vocabulary = parts.vocabulary;
        this.tokenizer = parts.tokenizer;
        this.transform = parts.transform;
        this.vision = parts.vision;
        this.adapter = parts.adapter;
        this.text = parts.text;
        this.lora = parts.lora;
        this.codes = parts.codes;
        this.ownsAllocator = allocator == null;
        this.allocator = allocator == null ? new RootAllocator() : allocator;
        parts.text.attach(parts.lora);
        parts.taken = true;
    }

    private static void closeAll(AutoCloseable... parts) {
        for (AutoCloseable part : parts) {
            if (part != null) {
                try {
                    part.close();
                } catch (RuntimeException e) {
                    throw e;
                } catch (Exception e) {
                    throw new IllegalStateException("closing a part of the model failed: " + e.getMessage(), e);
                }
            }
        }
    }

    /**
     * Loads a model directory, its backbones in the element type of their files.
     *
     * @throws IOException              if a file or directory is missing or cannot be read
     * @throws IllegalArgumentException if files do not fit together
     */
    public static LexVla load(Path directory, Device device) throws IOException {
        return load(directory, device, null, null);
    }

    /**
     * Loads a model directory.
     *
     * @param type      element type of the backbones, Float or BFloat16; null keeps that of their files
     * @param allocator of the batches that encoding returns; null: the model has its own
     */
    public static LexVla load(Path directory, Device device, ScalarType type, BufferAllocator allocator)
            throws IOException {
        PointerScope scope = new PointerScope();
        try (Parts parts = new Parts()) {
            parts.config = LexVlaConfig.load(directory);
            parts.device = device;
            ModelDirectory.requireComplete(directory);
            parts.vocabulary = Vocabulary.load(directory.resolve(ModelDirectory.VOCABULARY));
            parts.transform = ImageTransform.load(directory);
            loadBackbones(parts, parts.config.vision(), parts.config.text(), type);
            ModelDirectory.requireTokens(
                    parts.vocabulary, parts.tokenizer, parts.text.config().vocabularySize(), parts.config.text());
            AdapterConfig shape = parts.config.adapter();
            if (shape.width() != parts.vision.config().hiddenSize()
                    || shape.outWidth() != parts.text.config().hiddenSize()) {
                throw new IllegalArgumentException("the adapter of " + directory + " goes from width " + shape.width()
                        + " to " + shape.outWidth() + ", but the visual encoder has width "
                        + parts.vision.config().hiddenSize() + " and the language model "
                        + parts.text.config().hiddenSize() + ": these are not the backbones it was made for");
            }
            try (Safetensors weights = Safetensors.open(directory.resolve(ModelDirectory.WEIGHTS))) {
                ModelDirectory.requireCodebook(weights, parts.vocabulary, shape.outWidth());
                Map<String, Tensor> own = new HashMap<>();
                for (String name : weights.names()) {
                    if (name.startsWith(ModelDirectory.ADAPTER)) {
                        own.put(name.substring(ModelDirectory.ADAPTER.length()), weights.tensor(name, device));
                    }
                }
                parts.adapter = Adapter.of(shape, own, device);
                Tensor image = weights.tensor(ModelDirectory.IMAGE_CODEBOOK, device);
                Tensor scale = weights.tensor(ModelDirectory.LOGIT_SCALE, device);
                codebooks(parts, image, scale);
            }
            parts.lora = Lora.load(directory.resolve(ModelDirectory.LORA), parts.text.config(), device);
            return new LexVla(parts, allocator);
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        } finally {
            scope.close();
        }
    }

    /**
     * Makes a new model from two backbones in Hugging Face layout: vocabulary from the tokenizer, both codebooks from the
     * output matrix, a random adapter, LoRA with B = 0, logit scale log(1 / 0.07).
     *
     * @throws IOException              if a file or directory is missing or cannot be read
     * @throws IllegalArgumentException if files do not fit together, or no token fits the vocabulary's rule
     */
    public static LexVla init(Path visionDirectory, Path textDirectory, InitOptions options) throws IOException {
        PointerScope scope = new PointerScope();
        try (Parts parts = new Parts()) {
            parts.device = options.device();
            loadBackbones(parts, visionDirectory, textDirectory, options.type());
            parts.vocabulary = Vocabulary.select(parts.tokenizer.tokens(), options.rule(), options.tokenCounts());
            ModelDirectory.requireTokens(
                    parts.vocabulary, parts.tokenizer, parts.text.config().vocabularySize(), textDirectory);
            parts.transform = options.transform() == null
                    ? transform(visionDirectory, parts.vision.config())
                    : options.transform();
            AdapterConfig shape = options.adapter(
                    parts.vision.config().hiddenSize(), parts.text.config().hiddenSize());
            parts.adapter = Adapter.random(shape, options.seed(), options.device());
            parts.lora = Lora.create(options.lora(), parts.text.config(), options.seed(), options.device());
            codebooks(
                    parts,
                    null,
                    LibTorch.of(new float[] {(float) Math.log(1 / TEMPERATURE)}).view());
            parts.config = new LexVlaConfig(
                            visionDirectory,
                            textDirectory,
                            options.prompt(),
                            options.poolCls(),
                            shape,
                            options.sparsification(parts.vocabulary.size()))
                    .withBackbones(visionDirectory, textDirectory);
            return new LexVla(parts, null);
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        } finally {
            scope.close();
        }
    }

    private static void loadBackbones(Parts parts, Path vision, Path text, ScalarType type) throws IOException {
        ModelDirectory.requireBackbone("vision", vision);
        ModelDirectory.requireBackbone("text", text);
        parts.tokenizer = Tokenizer.load(text);
        parts.vision = DinoV2.load(vision, parts.device, type);
        parts.text = Llama.load(text, parts.device, type);
    }

    /** SPEC §4's transform in the words of the encoder's own files. */
    private static ImageTransform transform(Path directory, DinoV2Config vision) throws IOException {
        ImageTransform transform;
        if (Files.isRegularFile(directory.resolve(ImageTransform.FILE))) {
            ImageTransform theirs = ImageTransform.load(directory);
            transform = new ImageTransform(theirs.crop(), theirs.crop(), theirs.mean(), theirs.std());
        } else {
            transform = ImageTransform.imageNet(Math.min(STANDARD_SIZE, vision.imageSize()));
        }
        if (transform.crop() % vision.patchSize() != 0) {
            throw new IllegalArgumentException(
                    "pictures are cropped to " + transform.crop() + ", which is no multiple of the" + " patch size "
                            + vision.patchSize() + " of " + directory + ": set a transform with another crop");
        }
        return transform;
    }

    /** Z_txt from the output matrix; Z_img as given, or a copy of Z_txt; both codebooks with one row per word. */
    private static void codebooks(Parts parts, Tensor image, Tensor scale) {
        long[] rows = Arrays.stream(parts.vocabulary.tokenIds()).asLongStream().toArray();
        Tensor ids = LibTorch.of(rows, rows.length).to(LibTorch.device(parts.device), ScalarType.Long);
        Tensor texts =
                torch.index_select(parts.text.outputMatrix().detach(), 0, ids).contiguous();
        parts.codes = new Parameters("model", parts.device, ScalarType.Float);
        parts.codes.put(TEXT_CODEBOOK, texts);
        parts.codes.put(ModelDirectory.IMAGE_CODEBOOK, leaf(image == null ? texts : image, parts.device));
        parts.codes.put(ModelDirectory.LOGIT_SCALE, leaf(scale, parts.device));
    }

    /** A float32 copy that is trained. */
    private static Tensor leaf(Tensor tensor, Device device) {
        return tensor.detach()
                .to(LibTorch.device(device), ScalarType.Float, false, true, null)
                .contiguous()
                .requires_grad_(true);
    }

    /** Writes a model directory that refers to the backbones it was made from; see {@link #save(Path, Path, Path)}. */
    public void save(Path directory) throws IOException {
        save(directory, config.vision(), config.text());
    }

    /**
     * Writes a model directory: complete or not there. An existing model in it is replaced; other files in it stay.
     *
     * @param visionDirectory where the visual encoder lies, if training has changed and saved it
     * @param textDirectory   where the language model lies
     * @throws IOException if a file cannot be written
     */
    public void save(Path directory, Path visionDirectory, Path textDirectory) throws IOException {
        requireOpen();
        try {
            ModelDirectory.save(directory, this, config.withBackbones(visionDirectory, textDirectory));
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /**
     * Encodes picture files, in their order, with the model's own sparsification.
     *
     * @throws IOException naming the first file that cannot be read
     */
    public LexicalBatch encodeImages(List<Path> files) throws IOException {
        return encodeImages(files, config.sparsification());
    }

    /** As {@link #encodeImages(List)} with another sparsification. */
    public LexicalBatch encodeImages(List<Path> files, Sparsification sparsification) throws IOException {
        try {
            // Pictures are read batch by batch: decoded, they are much larger than their files.
            return encode(
                    files,
                    some -> imageActivations(
                            pixels(some.stream().map(LexVla::read).toList())),
                    sparsification);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static BufferedImage read(Path file) {
        try {
            return ImageTransform.read(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Encodes pictures, in their order, with the model's own sparsification. */
    public LexicalBatch encodePictures(List<BufferedImage> pictures) {
        return encodePictures(pictures, config.sparsification());
    }

    /** As {@link #encodePictures(List)} with another sparsification. */
    public LexicalBatch encodePictures(List<BufferedImage> pictures, Sparsification sparsification) {
        return encode(pictures, some -> imageActivations(pixels(some)), sparsification);
    }

    /**
     * Encodes texts through the language model, in their order, with the model's own sparsification.
     *
     * @throws IllegalArgumentException if a text is empty
     */
    public LexicalBatch encodeTexts(List<String> texts) {
        return encodeTexts(texts, config.sparsification());
    }

    /** As {@link #encodeTexts(List)} with another sparsification. */
    public LexicalBatch encodeTexts(List<String> texts, Sparsification sparsification) {
        return encode(texts, this::textActivations, sparsification);
    }

    /**
     * Encodes single words without the language model: Normalize(elu1p(Z_txt[w] · Z_txtᵀ)), the maximum over the pieces that
     * are shown as the word (SPEC §3).
     *
     * @throws IllegalArgumentException if a word is not in the vocabulary
     */
    public LexicalBatch encodeWords(List<String> words) {
        return encodeWords(words, config.sparsification());
    }

    /** As {@link #encodeWords(List)} with another sparsification. */
    public LexicalBatch encodeWords(List<String> words, Sparsification sparsification) {
        return encode(words, this::wordActivations, sparsification);
    }

    private <T> LexicalBatch encode(
            List<T> items, Function<List<T>, Tensor> activations, Sparsification sparsification) {
        requireOpen();
        List<LexicalBatch> parts = new ArrayList<>();
        try {
            for (int from = 0; from < items.size(); from += BATCH) {
                List<T> some = items.subList(from, Math.min(items.size(), from + BATCH));
                parts.add(inference(() -> {
                    Tensor dense = activations.apply(some).cpu().contiguous();
                    return LexicalBatch.sparsify(LexicalHead.view(dense), sparsification, vocabulary, allocator);
                }));
            }
            if (parts.size() == 1) {
                return lend(parts.remove(0));
            }
            return lend(
                    parts.isEmpty()
                            ? LexicalBatch.of(List.of(), vocabulary, allocator)
                            : LexicalBatch.concat(parts, allocator));
        } finally {
            parts.forEach(LexicalBatch::close);
        }
    }

    /** Remembers a batch in the model's own memory, to be closed with the model at the latest. */
    private LexicalBatch lend(LexicalBatch batch) {
        if (ownsAllocator) {
            synchronized (lent) {
                lent.removeIf(LexicalBatch::isClosed);
                lent.add(batch);
            }
        }
        return batch;
    }

    /** One batch without autograd, whose tensors are freed at its end. */
    private static <T> T inference(Supplier<T> batch) {
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        try {
            return batch.get();
        } finally {
            guard.close();
            scope.close();
        }
    }

    /** Pictures as the visual encoder takes them: [B, 3, H, W] float32 on the model's device. */
    public Tensor pixels(List<BufferedImage> pictures) {
        requireOpen();
        int size = transform.crop();
        Tensor pixels = LibTorch.empty(ScalarType.Float, Device.cpu(), pictures.size(), 3, size, size);
        FloatBuffer buffer = new FloatPointer(pixels.data_ptr_float())
                .capacity(pixels.numel())
                .asBuffer();
        for (BufferedImage picture : pictures) {
            transform.of(picture, buffer);
        }
        return device.isCpu() ? pixels : pixels.to(LibTorch.device(device), ScalarType.Float);
    }

    /** Prompts of captions, padded, on the model's device. */
    public TextBatch prompts(List<String> captions) {
        requireOpen();
        return TextBatch.of(
                captions.stream()
                        .map(caption -> config.prompt().ids(caption, tokenizer))
                        .toList(),
                device);
    }

    /**
     * Tokens of pictures as the head takes them, through visual encoder and adapter; autograd runs through what is
     * trainable.
     *
     * @param pixels [B, 3, H, W]
     * @return [B, 1 + P, d] float32, CLS first; [B, P, d] if CLS takes no part in the maximum
     */
    public Tensor imageTokens(Tensor pixels) {
        requireOpen();
        Tensor tokens = adapter.forward(vision.forward(pixels));
        return config.poolCls() ? tokens : withoutCls(tokens);
    }

    private static Tensor withoutCls(Tensor tokens) {
        return tokens.narrow(1, 1, tokens.size(1) - 1);
    }

    /**
     * The token of each text: the hidden state of its last token after the final norm; autograd runs through what is
     * trainable.
     *
     * @param ids  [B, T] int64
     * @param mask [B, T], nonzero for tokens; null if there is no padding
     * @return [B, 1, d] in the type of the language model
     */
    public Tensor textTokens(Tensor ids, Tensor mask) {
        requireOpen();
        Tensor hidden = text.forward(ids, mask);
        if (mask == null) {
            return hidden.narrow(1, hidden.size(1) - 1, 1);
        }
        // The largest position of a token, whichever side is padded.
        long[] positions =
                IntStream.range(0, Math.toIntExact(ids.size(1))).asLongStream().toArray();
        Tensor numbers = LibTorch.of(positions, 1, positions.length).to(LibTorch.device(device), ScalarType.Long);
        Tensor last = mask.to(ScalarType.Bool).to(ScalarType.Long).mul(numbers).amax(new long[] {1}, false);
        Tensor index = last.view(-1, 1, 1).expand(ids.size(0), 1, hidden.size(2));
        return hidden.gather(1, index);
    }

    /** Activations of pictures, not sparsified: [B, V] float32, no graph. */
    public Tensor imageActivations(Tensor pixels) {
        return activations(imageTokens(pixels), imageCodebook(), null);
    }

    /** Activations of captions, not sparsified: [B, V] float32, no graph. */
    public Tensor textActivations(List<String> captions) {
        TextBatch prompts = prompts(captions);
        return activations(textTokens(prompts.ids(), prompts.mask()), textCodebook(), null);
    }

    /** Activations of every patch by itself, CLS left out: [B, P, V] float32, patches row by row, no graph. */
    public Tensor patchActivations(Tensor pixels) {
        requireOpen();
        return LexicalHead.perToken(
                withoutCls(adapter.forward(vision.forward(pixels))).detach(), imageCodebook());
    }

    /**
     * Activations of a region of each picture: the maximum over its patches, normalised (SPEC §4).
     *
     * @param pixels  [B, 3, H, W]
     * @param patches [B, P] bool or uint8, which patches belong to the region
     * @return [B, V] float32, no graph; zeros for an empty region
     */
    public Tensor regionActivations(Tensor pixels, Tensor patches) {
        requireOpen();
        return activations(withoutCls(adapter.forward(vision.forward(pixels))), imageCodebook(), patches);
    }

    /** Activations of single words without the language model, not sparsified: [B, V] float32. */
    public Tensor wordActivations(List<String> words) {
        requireOpen();
        List<int[]> pieces = new ArrayList<>();
        for (String word : words) {
            int[] ids = vocabulary.lexicalIds(word);
            if (ids.length == 0) {
                throw new IllegalArgumentException("'" + word + "' is not among the " + vocabulary.size()
                        + " words of the vocabulary: encode it as a text");
            }
            pieces.add(ids);
        }
        TextBatch rows = TextBatch.of(pieces, device);
        Tensor tokens = torch.index_select(textCodebook(), 0, rows.ids().view(-1))
                .view(rows.ids().size(0), rows.ids().size(1), textCodebook().size(1));
        return activations(tokens, textCodebook(), rows.mask());
    }

    private static Tensor activations(Tensor tokens, Tensor codebook, Tensor mask) {
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, mask)) {
            // Another handle on the same memory, which does not end with the head.
            return head.activations().detach();
        }
    }

    /** The words. */
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /** The language model's tokenizer. */
    public Tokenizer tokenizer() {
        requireOpen();
        return tokenizer;
    }

    /** What the language model is asked. */
    public Prompt prompt() {
        return config.prompt();
    }

    /** How pictures are made ready. */
    public ImageTransform transform() {
        return transform;
    }

    /** The visual encoder; frozen unless made trainable. */
    public DinoV2 vision() {
        requireOpen();
        return vision;
    }

    /** The adapter; trainable. */
    public Adapter adapter() {
        requireOpen();
        return adapter;
    }

    /** The language model, LoRA attached; frozen unless made trainable. */
    public Llama text() {
        requireOpen();
        return text;
    }

    /** The language model's LoRA; trainable. */
    public Lora lora() {
        requireOpen();
        return lora;
    }

    /** Z_img, [V, d] float32, trainable. */
    public Tensor imageCodebook() {
        return codes.get(ModelDirectory.IMAGE_CODEBOOK);
    }

    /** Z_txt, [V, d] in the type of the language model, frozen. */
    public Tensor textCodebook() {
        return codes.get(TEXT_CODEBOOK);
    }

    /** The logarithm of 1 / τ, a scalar float32, trainable. */
    public Tensor logitScale() {
        return codes.get(ModelDirectory.LOGIT_SCALE);
    }

    /** What is trained by default: adapter, LoRA, image codebook, logit scale, with the names of the files they go to. */
    public Map<String, Tensor> trained() {
        requireOpen();
        Map<String, Tensor> all = new LinkedHashMap<>();
        adapter.parameters().forEach((name, tensor) -> all.put(ModelDirectory.ADAPTER + name, tensor));
        lora.parameters().forEach((name, tensor) -> all.put(ModelDirectory.LORA + "." + name, tensor));
        all.put(ModelDirectory.IMAGE_CODEBOOK, imageCodebook());
        all.put(ModelDirectory.LOGIT_SCALE, logitScale());
        return all;
    }

    /** Where the model computes. */
    public Device device() {
        return device;
    }

    /** Everything else that is to be known of it. */
    public LexVlaConfig config() {
        return config;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("this LexVLA model is closed: load it again, or close it later");
        }
    }

    /** Frees all tensors and natives, and the batches in the model's own memory that are still open. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        synchronized (lent) {
            lent.forEach(LexicalBatch::close);
            lent.clear();
        }
        text.attach(null);
        closeAll(lora, text, adapter, vision, codes, tokenizer, ownsAllocator ? allocator : null);
    }
}
