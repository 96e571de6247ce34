package org.lexvla.model;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
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
 * are parts of the model live until it is closed. Several threads may encode at once; closing
 * while another encodes is not safe.
 */
public final class LexVla implements AutoCloseable {
    /** Pictures or texts that go through the towers together on a CPU, where more are slower. */
    private static final int BATCH = 16;
    /** The same on a device of its own. */
    private static final int DEVICE_BATCH = 32;
    /**
     * Pictures or texts that are encoded at the same time: one batch for each of several streams. Who encodes many does best to
     * give a multiple of so many at once; of pictures in files, {@link PictureEncoder} takes any number.
     */
    public static final int TOGETHER = BATCH * Streams.COUNT;

    private final ModelParts parts;
    private final BufferAllocator allocator;
    private final boolean ownsAllocator;
    private final Streams streams;
    private final List<LexicalBatch> lent = new ArrayList<>();
    private volatile boolean closed;

    private LexVla(ModelParts parts, BufferAllocator allocator) {
        this.parts = parts;
        this.ownsAllocator = allocator == null;
        this.allocator = allocator == null ? new RootAllocator() : allocator;
        this.streams = new Streams(parts.device.isCpu());
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
        return open(() -> ModelParts.load(directory, device, type), allocator);
    }

    /**
     * Makes a new model from two backbones in Hugging Face layout: vocabulary from the tokenizer, both codebooks from the
     * output matrix, a random adapter, LoRA with B = 0, logit scale log(1 / 0.07).
     *
     * @throws IOException              if a file or directory is missing or cannot be read
     * @throws IllegalArgumentException if files do not fit together, or no token fits the vocabulary's rule
     */
    public static LexVla init(Path visionDirectory, Path textDirectory, InitOptions options) throws IOException {
        return open(() -> ModelParts.init(visionDirectory, textDirectory, options), null);
    }

    /**
     * Makes a new model as {@link #init} and {@link #save(Path)} would, and does not load the backbones: names and shapes of their
     * tensors are checked, and of their weights only the words' rows of the output matrix are read. Whether the others are finite is
     * looked at when the model is loaded.
     *
     * @param options device and element type are without meaning: the codebook is that of the file
     * @param directory of the model
     * @throws IOException              if a file or directory is missing, cannot be read or cannot be written
     * @throws IllegalArgumentException if files do not fit together, or no token fits the vocabulary's rule
     */
    public static void create(Path visionDirectory, Path textDirectory, InitOptions options, Path directory)
            throws IOException {
        PointerScope scope = new PointerScope();
        try {
            ModelParts.create(visionDirectory, textDirectory, options, directory);
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        } finally {
            scope.close();
        }
    }

    /** Where the parts of a model come from. */
    private interface Source {
        ModelParts parts() throws IOException;
    }

    private static LexVla open(Source source, BufferAllocator allocator) throws IOException {
        PointerScope scope = new PointerScope();
        try {
            return new LexVla(source.parts(), allocator);
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        } finally {
            scope.close();
        }
    }

    /** Writes a model directory that refers to the backbones it was made from; see {@link #save(Path, Path, Path)}. */
    public void save(Path directory) throws IOException {
        save(directory, parts.config.vision(), parts.config.text());
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
        PointerScope scope = new PointerScope();
        try {
            ModelDirectory.save(directory, parts, parts.config.withBackbones(visionDirectory, textDirectory));
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        } finally {
            scope.close();
        }
    }

    /**
     * Encodes picture files, in their order, with the model's own sparsification.
     *
     * @throws IOException naming the first file that cannot be read
     */
    public LexicalBatch encodeImages(List<Path> files) throws IOException {
        return encodeImages(files, parts.config.sparsification());
    }

    /** As {@link #encodeImages(List)} with another sparsification. */
    public LexicalBatch encodeImages(List<Path> files, Sparsification sparsification) throws IOException {
        requireOpen();
        List<LexicalBatch> batches = new ArrayList<>();
        try (PictureEncoder<Path> encoder =
                PictureEncoder.ofFiles(this, files.iterator(), file -> file, sparsification)) {
            while (encoder.hasNext()) {
                PictureEncoder.Encoded<Path> some = encoder.next();
                batches.add(some.vectors());
                for (PictureLoader.Loaded<Path> picture : some.pictures()) {
                    if (picture.failure() != null) {
                        throw picture.failure();
                    }
                }
            }
            return join(batches);
        } finally {
            batches.forEach(LexicalBatch::close);
        }
    }

    /**
     * Encodes pictures that are ready, as {@link PictureLoader} makes them.
     *
     * @param pixels [B, 3, H, W] from position to limit, which stay
     * @throws IllegalArgumentException if that is no whole number of pictures
     */
    public LexicalBatch encodePixels(FloatBuffer pixels, Sparsification sparsification) {
        requireOpen();
        List<LexicalBatch> batches = batches(pixels, sparsification);
        try {
            return join(batches);
        } finally {
            batches.forEach(LexicalBatch::close);
        }
    }

    private List<LexicalBatch> batches(FloatBuffer pixels, Sparsification sparsification) {
        int together = Math.multiplyExact(batch(), parts.transform.elements());
        List<FloatBuffer> groups = new ArrayList<>();
        for (int from = pixels.position(); from < pixels.limit(); from += together) {
            groups.add(pixels.slice(from, Math.min(together, pixels.limit() - from)));
        }
        return batches(groups, some -> sparse(imageScores(pixels(some)), sparsification));
    }

    /**
     * One batch, in this thread.
     *
     * @param most pictures that there is room for
     * @param fill writes whole pictures, as many as it has, from the position on
     */
    LexicalBatch encode(int most, Consumer<FloatBuffer> fill, Sparsification sparsification) {
        return inference(() -> {
            Tensor pixels = pixels(most, fill);
            return pixels.size(0) == 0
                    ? LexicalBatch.of(List.of(), parts.vocabulary, allocator)
                    : sparse(imageScores(pixels), sparsification);
        });
    }

    /** Pictures or texts that go through the towers together. */
    int batch() {
        return parts.device.isCpu() ? BATCH : DEVICE_BATCH;
    }

    /** What runs batches side by side. */
    Streams streams() {
        return streams;
    }

    /** Encodes pictures, in their order, with the model's own sparsification. */
    public LexicalBatch encodePictures(List<BufferedImage> pictures) {
        return encodePictures(pictures, parts.config.sparsification());
    }

    /** As {@link #encodePictures(List)} with another sparsification. */
    public LexicalBatch encodePictures(List<BufferedImage> pictures, Sparsification sparsification) {
        return encode(pictures, some -> sparse(imageScores(pixels(some)), sparsification));
    }

    /**
     * Encodes texts through the language model, or as {@link TextSide#BAG_OF_WORDS} where the model is made so, in their order,
     * with the model's own sparsification.
     *
     * @throws IllegalArgumentException if a text is empty
     */
    public LexicalBatch encodeTexts(List<String> texts) {
        return encodeTexts(texts, parts.config.sparsification());
    }

    /** As {@link #encodeTexts(List)} with another sparsification. */
    public LexicalBatch encodeTexts(List<String> texts, Sparsification sparsification) {
        return encode(texts, some -> {
            if (parts.bag != null) {
                return LexicalBatch.sparsify(
                        LexicalHead.view(bagActivations(some).cpu()), sparsification, parts.vocabulary, allocator);
            }
            return sparse(textScores(some), sparsification);
        });
    }

    /**
     * Encodes single words without the language model: Normalize(elu1p(Z_txt[w] · Z_txtᵀ)), the maximum over the pieces that
     * are shown as the word (SPEC §3).
     *
     * @throws IllegalArgumentException if a word is not in the vocabulary
     */
    public LexicalBatch encodeWords(List<String> words) {
        return encodeWords(words, parts.config.sparsification());
    }

    /** As {@link #encodeWords(List)} with another sparsification. */
    public LexicalBatch encodeWords(List<String> words, Sparsification sparsification) {
        return encode(words, some -> sparse(wordScores(some), sparsification));
    }

    private <T> LexicalBatch encode(List<T> items, Function<List<T>, LexicalBatch> encoder) {
        requireOpen();
        List<List<T>> groups = new ArrayList<>();
        for (int from = 0; from < items.size(); from += batch()) {
            groups.add(items.subList(from, Math.min(items.size(), from + batch())));
        }
        List<LexicalBatch> batches = batches(groups, encoder);
        try {
            return join(batches);
        } finally {
            batches.forEach(LexicalBatch::close);
        }
    }

    /** Encodes each group as one batch; modifiable, and the caller's to close. */
    private <G> List<LexicalBatch> batches(List<G> groups, Function<G, LexicalBatch> encoder) {
        List<Supplier<LexicalBatch>> tasks = new ArrayList<>();
        groups.forEach(group -> tasks.add(() -> inference(() -> encoder.apply(group))));
        return streams.run(tasks);
    }

    /** All rows in one batch, which is lent; batches that have been taken are no longer in the list. */
    private LexicalBatch join(List<LexicalBatch> batches) {
        if (batches.size() == 1) {
            return lend(batches.remove(0));
        }
        return lend(
                batches.isEmpty()
                        ? LexicalBatch.of(List.of(), parts.vocabulary, allocator)
                        : LexicalBatch.concat(batches, allocator));
    }

    /** Vectors of scores [B, V], without the activations in between. */
    private LexicalBatch sparse(Tensor scores, Sparsification sparsification) {
        return LexicalBatch.sparsifyScores(LexicalHead.view(scores.cpu()), sparsification, parts.vocabulary, allocator);
    }

    /** Remembers a batch in the model's own memory, to be closed with the model at the latest. */
    LexicalBatch lend(LexicalBatch batch) {
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
        return pixels(pictures.size(), buffer -> pictures.forEach(picture -> parts.transform.of(picture, buffer)));
    }

    /**
     * A copy of pictures that are ready, as {@link PictureLoader} makes them: [B, 3, H, W] float32 on the model's device.
     *
     * @param numbers of B pictures from position to limit, which stay
     * @throws IllegalArgumentException if that is no whole number of pictures
     */
    public Tensor pixels(FloatBuffer numbers) {
        requireOpen();
        int each = parts.transform.elements();
        if (numbers.remaining() % each != 0) {
            throw new IllegalArgumentException(
                    numbers.remaining() + " numbers are no whole pictures: each has " + each);
        }
        return pixels(numbers.remaining() / each, buffer -> buffer.put(numbers.duplicate()));
    }

    /** @param most pictures that there is room for; what is written of them is returned */
    private Tensor pixels(int most, Consumer<FloatBuffer> fill) {
        int size = parts.transform.crop();
        Tensor pixels = LibTorch.empty(ScalarType.Float, Device.cpu(), most, 3, size, size);
        FloatBuffer numbers = most == 0
                ? FloatBuffer.allocate(0)
                : new FloatPointer(pixels.data_ptr_float())
                        .capacity(pixels.numel())
                        .asBuffer();
        fill.accept(numbers);
        Tensor written = pixels.narrow(0, 0, numbers.position() / parts.transform.elements());
        return parts.device.isCpu() ? written : written.to(LibTorch.device(parts.device), ScalarType.Float);
    }

    /** Prompts of captions, padded, on the model's device. */
    public TextBatch prompts(List<String> captions) {
        requireOpen();
        return TextBatch.of(promptIds(captions), parts.device);
    }

    private List<int[]> promptIds(List<String> captions) {
        return captions.stream()
                .map(caption -> parts.config.prompt().ids(caption, parts.tokenizer))
                .toList();
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
        Tensor tokens = parts.adapter.forward(parts.vision.forward(pixels));
        return parts.config.poolCls() ? tokens : withoutCls(tokens);
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
        Tensor hidden = parts.text.forward(ids, mask);
        if (mask == null) {
            return hidden.narrow(1, hidden.size(1) - 1, 1);
        }
        return TextBatch.last(hidden, mask);
    }

    private Tensor imageScores(Tensor pixels) {
        return LexicalHead.scores(imageTokens(pixels), parts.packedImageCodebook(), null);
    }

    private Tensor textScores(List<String> captions) {
        return LexicalHead.scores(captionTokens(captions), parts.packedTextCodebook(), null);
    }

    private Tensor wordScores(List<String> words) {
        Pieces pieces = pieces(words);
        return LexicalHead.scores(pieces.tokens, parts.packedTextCodebook(), pieces.mask);
    }

    /** The last token of each prompt: [B, 1, d], no graph. */
    private Tensor captionTokens(List<String> captions) {
        return parts.prompts.lastHidden(promptIds(captions));
    }

    /** Activations of pictures, not sparsified: [B, V] float32, no graph. */
    public Tensor imageActivations(Tensor pixels) {
        return activations(imageTokens(pixels), parts.packedImageCodebook(), null);
    }

    /** Activations of captions, not sparsified: [B, V] float32, no graph. */
    public Tensor textActivations(List<String> captions) {
        requireOpen();
        if (parts.bag != null) {
            return bagActivations(captions);
        }
        return activations(captionTokens(captions), parts.packedTextCodebook(), null);
    }

    private Tensor bagActivations(List<String> captions) {
        int words = parts.vocabulary.size();
        float[] rows = new float[Math.multiplyExact(captions.size(), words)];
        for (int i = 0; i < captions.size(); i++) {
            System.arraycopy(parts.bag.activations(captions.get(i)), 0, rows, i * words, words);
        }
        return LibTorch.of(rows, captions.size(), words).to(LibTorch.device(parts.device), ScalarType.Float);
    }

    /** Activations of every patch by itself, CLS left out: [B, P, V] float32, patches row by row, no graph. */
    public Tensor patchActivations(Tensor pixels) {
        requireOpen();
        return LexicalHead.perToken(
                withoutCls(parts.adapter.forward(parts.vision.forward(pixels))).detach(), imageCodebook());
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
        return activations(
                withoutCls(parts.adapter.forward(parts.vision.forward(pixels))), parts.packedImageCodebook(), patches);
    }

    /** Activations of single words without the language model, not sparsified: [B, V] float32. */
    public Tensor wordActivations(List<String> words) {
        requireOpen();
        Pieces pieces = pieces(words);
        return activations(pieces.tokens, parts.packedTextCodebook(), pieces.mask);
    }

    /** The codes of the pieces that are shown as a word: [B, P, d], and which of the P each word has. */
    private record Pieces(Tensor tokens, Tensor mask) {}

    private Pieces pieces(List<String> words) {
        List<int[]> pieces = new ArrayList<>();
        for (String word : words) {
            int[] ids = parts.vocabulary.lexicalIds(word);
            if (ids.length == 0) {
                throw new IllegalArgumentException("'" + word + "' is not among the " + parts.vocabulary.size()
                        + " words of the vocabulary: encode it as a text");
            }
            pieces.add(ids);
        }
        TextBatch rows = TextBatch.of(pieces, parts.device);
        Tensor tokens = torch.index_select(textCodebook(), 0, rows.ids().view(-1))
                .view(rows.ids().size(0), rows.ids().size(1), textCodebook().size(1));
        return new Pieces(tokens, rows.mask());
    }

    private static Tensor activations(Tensor tokens, PackedCodebook codebook, Tensor mask) {
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, mask)) {
            // Another handle on the same memory, which does not end with the head.
            return head.activations().detach();
        }
    }

    /** The words. */
    public Vocabulary vocabulary() {
        return parts.vocabulary;
    }

    /** The language model's tokenizer. */
    public Tokenizer tokenizer() {
        requireOpen();
        return parts.tokenizer;
    }

    /** What the language model is asked. */
    public Prompt prompt() {
        return parts.config.prompt();
    }

    /** How pictures are made ready. */
    public ImageTransform transform() {
        return parts.transform;
    }

    /** The visual encoder; frozen unless made trainable. */
    public DinoV2 vision() {
        requireOpen();
        return parts.vision;
    }

    /** The adapter; trainable. */
    public Adapter adapter() {
        requireOpen();
        return parts.adapter;
    }

    /** The language model, LoRA attached; frozen unless made trainable. */
    public Llama text() {
        requireOpen();
        return parts.text;
    }

    /** The language model's LoRA; trainable. */
    public Lora lora() {
        requireOpen();
        return parts.lora;
    }

    /** Z_img, [V, d] float32, trainable. */
    public Tensor imageCodebook() {
        return parts.imageCodebook();
    }

    /** Z_txt, [V, d] in the type of the language model, frozen. */
    public Tensor textCodebook() {
        return parts.textCodebook();
    }

    /** Z_img as the head takes it best, packed anew when training has changed it; lives until the model is closed. */
    public PackedCodebook packedImageCodebook() {
        requireOpen();
        return parts.packedImageCodebook();
    }

    /** Z_txt as the head takes it best where it is used again and again; lives until the model is closed. */
    public PackedCodebook packedTextCodebook() {
        requireOpen();
        return parts.packedTextCodebook();
    }

    /** The logarithm of 1 / τ, a scalar float32, trainable. */
    public Tensor logitScale() {
        return parts.logitScale();
    }

    /** What is trained by default: adapter, LoRA (of a language model that is used), image codebook, logit scale, with the names of the files they go to. */
    public Map<String, Tensor> trained() {
        requireOpen();
        Map<String, Tensor> all = new LinkedHashMap<>();
        parts.adapter.parameters().forEach((name, tensor) -> all.put(ModelDirectory.ADAPTER + name, tensor));
        if (parts.bag == null) {
            parts.lora.parameters().forEach((name, tensor) -> all.put(ModelDirectory.LORA + "." + name, tensor));
        }
        all.put(ModelDirectory.IMAGE_CODEBOOK, imageCodebook());
        all.put(ModelDirectory.LOGIT_SCALE, logitScale());
        return all;
    }

    /** Where the model computes. */
    public Device device() {
        return parts.device;
    }

    /** Everything else that is to be known of it. */
    public LexVlaConfig config() {
        return parts.config;
    }

    void requireOpen() {
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
        streams.close();
        parts.close();
        if (ownsAllocator) {
            allocator.close();
        }
    }
}
