package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;

class LexVlaTest {
    private static final List<String> CAPTIONS =
            List.of("a red fox in the snow", "two red boats", "the man is riding a white horse.", "rain");

    @TempDir
    Path directory;

    private Path vision;
    private Path text;
    private Path saved;
    private PointerScope scope;

    @BeforeEach
    void backbones() throws IOException {
        vision = TinyModel.vision(directory.resolve("vision"), 11);
        text = TinyModel.text(directory.resolve("text"), 12);
        saved = directory.resolve("model");
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private LexVla init() throws IOException {
        return LexVla.init(vision, text, InitOptions.standard().withSeed(5));
    }

    private static List<BufferedImage> pictures(int count) {
        List<BufferedImage> pictures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            pictures.add(TinyModel.picture(60 + i, 90 - i, i));
        }
        return pictures;
    }

    private static float[] floats(Tensor tensor) {
        float[] values = new float[(int) tensor.numel()];
        tensor.detach().to(ScalarType.Float).contiguous().data_ptr_float().get(values);
        return values;
    }

    private static List<float[]> dense(LexicalBatch batch) {
        List<float[]> rows = new ArrayList<>();
        for (int row = 0; row < batch.size(); row++) {
            LexicalVector vector = batch.get(row);
            float[] values = new float[batch.vocabulary().size()];
            for (int i = 0; i < vector.ids().length; i++) {
                values[vector.ids()[i]] = vector.weights()[i];
            }
            rows.add(values);
        }
        return rows;
    }

    @Test
    void theFirstStepIsTheBaseModel() throws IOException {
        try (LexVla model = init();
                Llama base = Llama.load(text, Device.cpu(), null)) {
            assertThat(floats(model.imageCodebook())).isEqualTo(floats(model.textCodebook()));
            assertThat(model.imageCodebook().data_ptr().address())
                    .isNotEqualTo(model.textCodebook().data_ptr().address());
            long[] ids =
                    Arrays.stream(model.vocabulary().tokenIds()).asLongStream().toArray();
            assertThat(floats(model.textCodebook()))
                    .isEqualTo(floats(torch.index_select(base.outputMatrix(), 0, LibTorch.of(ids, ids.length))));
            assertThat(model.logitScale().item_float()).isCloseTo((float) Math.log(1 / 0.07), within(1e-6f));
            assertThat(model.logitScale().dim()).isZero();
            // LoRA is attached, and adds nothing.
            TextBatch prompts = model.prompts(CAPTIONS);
            assertThat(floats(model.text().forward(prompts.ids(), prompts.mask())))
                    .isEqualTo(floats(base.forward(prompts.ids(), prompts.mask())));
            assertThat(model.vocabulary().size()).isBetween(100, 300);
            assertThat(model.vocabulary().lexicalIds("horse")).isNotEmpty();
            assertThat(model.config().sparsification())
                    .isEqualTo(Sparsification.standard(model.vocabulary().size()));
            assertThat(model.transform()).isEqualTo(ImageTransform.imageNet(56));
            assertThat(model.trained().values()).allMatch(Tensor::requires_grad);
            assertThat(model.vision().parameters().values()).noneMatch(Tensor::requires_grad);
            assertThat(model.text().parameters().values()).noneMatch(Tensor::requires_grad);
            assertThat(model.textCodebook().requires_grad()).isFalse();
        }
    }

    @Test
    void rowsHaveNormOneBeforeTheyAreMadeSparse() throws IOException {
        try (LexVla model = init()) {
            Tensor pixels = model.pixels(pictures(3));
            assertThat(LibTorch.shape(pixels)).containsExactly(3, 3, 56, 56);
            int words = model.vocabulary().size();
            for (Tensor activations : List.of(
                    model.imageActivations(pixels),
                    model.textActivations(CAPTIONS),
                    model.wordActivations(List.of("horse", "red")),
                    model.patchActivations(pixels).view(-1, words),
                    model.regionActivations(pixels, torch.ones(3, 16)))) {
                assertThat(activations.requires_grad()).isFalse();
                assertThat(activations.size(1)).isEqualTo(words);
                for (float norm : floats(activations.mul(activations).sum(1).sqrt())) {
                    assertThat(norm).isCloseTo(1f, within(1e-5f));
                }
            }
            assertThat(LibTorch.shape(model.patchActivations(pixels))).containsExactly(3, 16, words);
            try (LexicalBatch sparse = model.encodePictures(pictures(3))) {
                float threshold = Sparsification.standard(words).value();
                for (float[] row : dense(sparse)) {
                    for (float weight : row) {
                        assertThat(weight == 0 || weight >= threshold).isTrue();
                    }
                }
                assertThat(sparse.meanActive()).isBetween(1.0, words - 1.0);
            }
        }
    }

    /** Encoding goes from scores to sparse vectors at once; entries and bits are those of the dense activations. */
    @Test
    void vectorsAreThoseOfTheDenseActivations() throws IOException {
        List<String> names = List.of("horse", "red");
        try (LexVla model = init();
                BufferAllocator allocator = new RootAllocator()) {
            Vocabulary vocabulary = model.vocabulary();
            Tensor pixels = model.pixels(pictures(3));
            for (Sparsification how : List.of(
                    Sparsification.standard(vocabulary.size()),
                    Sparsification.topK(7).withRenormalize(true),
                    Sparsification.dense())) {
                List<LexicalBatch> encoded = List.of(
                        model.encodePictures(pictures(3), how),
                        model.encodeTexts(CAPTIONS, how),
                        model.encodeWords(names, how));
                List<Tensor> activations = List.of(
                        model.imageActivations(pixels), model.textActivations(CAPTIONS), model.wordActivations(names));
                for (int i = 0; i < encoded.size(); i++) {
                    try (LexicalBatch expected =
                            LexicalBatch.sparsify(LexicalHead.view(activations.get(i)), how, vocabulary, allocator)) {
                        assertThat(dense(encoded.get(i)))
                                .usingRecursiveComparison()
                                .isEqualTo(dense(expected));
                        assertThat(encoded.get(i).active())
                                .isEqualTo(expected.active())
                                .isPositive();
                    }
                }
            }
        }
    }

    @Test
    void aReloadedModelEncodesTheSame() throws IOException {
        List<float[]> images;
        List<float[]> texts;
        List<float[]> words;
        Sparsification all = new Sparsification.Dense();
        try (LexVla model = init()) {
            // As after training: nothing is at its initial value.
            model.trained()
                    .values()
                    .forEach(tensor -> tensor.detach()
                            .add_(torch.rand(LibTorch.shape(tensor)).mul(LibTorch.ONE), LibTorch.ONE));
            model.save(saved);
            images = dense(model.encodePictures(pictures(3), all));
            texts = dense(model.encodeTexts(CAPTIONS, all));
            words = dense(model.encodeWords(List.of("horse"), all));
        }
        assertThat(saved).isDirectoryContaining("glob:**/config.json").isDirectoryContaining("glob:**/lora");
        assertThat(directory).isDirectoryNotContaining("glob:**/.model*");
        // Moved together with its backbones, it finds them again.
        Path moved = Files.createDirectory(directory.resolve("moved"));
        for (String name : List.of("vision", "text", "model")) {
            Files.move(directory.resolve(name), moved.resolve(name));
        }
        try (LexVla model = LexVla.load(moved.resolve("model"), Device.cpu())) {
            assertThat(dense(model.encodePictures(pictures(3), all)))
                    .usingRecursiveComparison()
                    .isEqualTo(images);
            assertThat(dense(model.encodeTexts(CAPTIONS, all)))
                    .usingRecursiveComparison()
                    .isEqualTo(texts);
            assertThat(dense(model.encodeWords(List.of("horse"), all)))
                    .usingRecursiveComparison()
                    .isEqualTo(words);
            assertThat(model.config().vision())
                    .isEqualTo(moved.resolve("vision").toAbsolutePath());
            assertThat(model.config().poolCls()).isTrue();
            assertThat(model.trained().values()).allMatch(Tensor::requires_grad);
        }
    }

    @Test
    void everyOptionReachesTheModel() throws IOException {
        InitOptions options = InitOptions.standard()
                .withSeed(9)
                .withPoolCls(false)
                .withPrompt(new Prompt("[TEXT]:", 5))
                .withAdapter(4, 20)
                .withLora(new LoraConfig(2, 4, 0, List.of("q_proj")))
                .withSparsification(new Sparsification.TopK(7, true))
                .withTransform(new ImageTransform(60, 28, new float[3], new float[] {1, 1, 1}))
                .withVocabulary(new Vocabulary.Rule(true, true, 0), null)
                .withBackbones(new BackboneOptions(DinoV2Config.Interpolation.ANTIALIAS, UnknownTensors.LEAVE_OUT));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (Safetensors weights = Safetensors.open(text)) {
            weights.names().forEach(name -> tensors.put(name, weights.tensor(name, Device.cpu())));
        }
        tensors.put("score.weight", LibTorch.of(new float[1], 1));
        Safetensors.write(text.resolve("model.safetensors"), tensors, Map.of());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LexVla.init(vision, text, InitOptions.standard()))
                .withMessageContaining("score.weight");
        try (LexVla model = LexVla.init(vision, text, options)) {
            model.save(saved);
        }
        try (LexVla model = LexVla.load(saved, Device.cpu())) {
            assertThat(model.config().adapter())
                    .isEqualTo(new AdapterConfig(TinyModel.WIDTH, 4, 20, TinyModel.TEXT_WIDTH));
            assertThat(model.prompt()).isEqualTo(new Prompt("[TEXT]:", 5));
            assertThat(model.vision().config().interpolation()).isEqualTo(DinoV2Config.Interpolation.ANTIALIAS);
            assertThat(model.lora().parameters()).hasSize(4);
            assertThat(model.vocabulary().lexicalIds("7")).isNotEmpty();
            assertThat(LibTorch.shape(model.imageTokens(model.pixels(pictures(2)))))
                    .containsExactly(2, 4, TinyModel.TEXT_WIDTH);
            try (LexicalBatch batch = model.encodePictures(pictures(2))) {
                assertThat(batch.get(0).active()).isLessThanOrEqualTo(7);
                assertThat((double) batch.get(0).dot(batch.get(0))).isCloseTo(1, within(1e-5));
            }
        }
    }

    @Test
    void batchesAreCutAndPaddedWithoutEffect() throws IOException {
        try (LexVla model = init()) {
            List<BufferedImage> many = pictures(35);
            List<String> captions = new ArrayList<>();
            for (int i = 0; i < 35; i++) {
                captions.add(String.join(" ", Collections.nCopies(1 + i % 4, CAPTIONS.get(i % 4))));
            }
            Sparsification all = new Sparsification.Dense();
            List<float[]> images = dense(model.encodePictures(many, all));
            List<float[]> texts = dense(model.encodeTexts(captions, all));
            assertThat(images).hasSize(35);
            for (int i : new int[] {0, 1, 31, 32, 34}) {
                assertThat(dense(model.encodePictures(many.subList(i, i + 1), all))
                                .get(0))
                        .containsExactly(images.get(i), within(1e-5f));
                assertThat(dense(model.encodeTexts(captions.subList(i, i + 1), all))
                                .get(0))
                        .containsExactly(texts.get(i), within(1e-5f));
            }
            assertThat(model.encodeTexts(List.of()).size()).isZero();
            // The other side padded: the last token is still the last.
            TextBatch prompts = model.prompts(captions.subList(0, 4));
            float[] right = floats(model.textTokens(prompts.ids(), prompts.mask()));
            assertThat(LibTorch.shape(model.textTokens(prompts.ids(), prompts.mask())))
                    .containsExactly(4, 1, TinyModel.TEXT_WIDTH);
            int width = (int) prompts.ids().size(1);
            long[] ids = LibTorch.longs(prompts.ids());
            long[] mask = LibTorch.longs(prompts.mask());
            for (int row = 0; row < 4; row++) {
                int length = (int)
                        Arrays.stream(mask, row * width, (row + 1) * width).sum();
                for (long[] values : List.of(ids, mask)) {
                    long[] shifted = new long[width];
                    System.arraycopy(values, row * width, shifted, width - length, length);
                    System.arraycopy(shifted, 0, values, row * width, width);
                }
            }
            float[] left = floats(model.textTokens(LibTorch.of(ids, 4, width), LibTorch.of(mask, 4, width)));
            assertThat(left).containsExactly(right, within(2e-4f));
        }
    }

    /** The beginning of the prompts is computed once; a pass over whole prompts says the same. */
    @Test
    void textsAreEncodedAsByAWholePass() throws IOException {
        try (LexVla model = init()) {
            for (int round = 0; round < 2; round++) {
                TextBatch prompts = model.prompts(CAPTIONS);
                Tensor whole = model.textTokens(prompts.ids(), prompts.mask());
                float[] expected;
                try (LexicalHead.Forward head = LexicalHead.forward(whole, model.textCodebook(), null)) {
                    expected = floats(head.activations());
                }
                assertThat(floats(model.textActivations(CAPTIONS))).containsExactly(expected, within(2e-6f));
                // As after a step of training.
                model.lora()
                        .parameters()
                        .values()
                        .forEach(tensor -> tensor.detach().add_(LibTorch.of(new float[] {0.05f})));
            }
        }
    }

    @Test
    void regionsAreMaximaOverTheirPatches() throws IOException {
        try (LexVla model = LexVla.init(vision, text, InitOptions.standard().withPoolCls(false))) {
            Tensor pixels = model.pixels(pictures(2));
            float[] whole = floats(model.imageActivations(pixels));
            assertThat(floats(model.regionActivations(pixels, torch.ones(2, 16))))
                    .containsExactly(whole, within(1e-6f));
            long[] one = new long[32];
            one[3] = 1;
            float[] patch =
                    floats(model.patchActivations(pixels).narrow(0, 0, 1).narrow(1, 3, 1));
            float[] region = floats(model.regionActivations(pixels, LibTorch.of(one, 2, 16)));
            assertThat(Arrays.copyOf(region, patch.length)).containsExactly(patch, within(1e-6f));
            assertThat(Arrays.copyOfRange(region, patch.length, region.length))
                    .as("empty region")
                    .containsOnly(0f);
        }
    }

    @Test
    void aWordIsTheMaximumOverItsPieces() throws IOException {
        try (LexVla model = init()) {
            Vocabulary vocabulary = model.vocabulary();
            String twice = vocabulary.word(IntStream.range(0, vocabulary.size())
                    .filter(id -> vocabulary.lexicalIds(vocabulary.word(id)).length == 2)
                    .findFirst()
                    .orElseThrow());
            int[] ids = vocabulary.lexicalIds(twice);
            float[][] codes = new float[vocabulary.size()][];
            for (int id = 0; id < codes.length; id++) {
                codes[id] = floats(model.textCodebook().narrow(0, id, 1));
            }
            double[] expected = new double[codes.length];
            double square = 0;
            for (int v = 0; v < codes.length; v++) {
                double best = Double.NEGATIVE_INFINITY;
                for (int id : ids) {
                    double dot = 0;
                    for (int i = 0; i < codes[v].length; i++) {
                        dot += codes[id][i] * codes[v][i];
                    }
                    best = Math.max(best, dot);
                }
                expected[v] = best >= 0 ? best + 1 : Math.exp(best);
                square += expected[v] * expected[v];
            }
            float[] got = floats(model.wordActivations(List.of(twice)));
            for (int v = 0; v < got.length; v++) {
                assertThat((double) got[v]).isCloseTo(expected[v] / Math.sqrt(square), within(1e-6));
            }
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.encodeWords(List.of("quux")))
                    .withMessageContaining("'quux' is not among the");
        }
    }

    @Test
    void gradientsReachAllThatIsTrainedAndNothingElse() throws IOException {
        try (LexVla model = init()) {
            // Encoding turns autograd off, and on again.
            model.encodeTexts(CAPTIONS);
            Tensor image = model.imageTokens(model.pixels(pictures(2)));
            TextBatch prompts = model.prompts(CAPTIONS.subList(0, 2));
            Tensor token = model.textTokens(prompts.ids(), prompts.mask());
            try (LexicalHead.Forward a = LexicalHead.forward(image, model.imageCodebook(), null);
                    LexicalHead.Forward b = LexicalHead.forward(token, model.textCodebook(), null)) {
                Tensor weight = torch.rand(LibTorch.shape(a.activations()));
                LexicalHead.Gradients toImage = a.backward(weight, true, true);
                LexicalHead.Gradients toText = b.backward(weight, true, false);
                image.backward(toImage.tokens(), new BoolOptional(false), false, new TensorArrayRefOptional());
                token.backward(toText.tokens(), new BoolOptional(false), false, new TensorArrayRefOptional());
                assertThat(LibTorch.shape(toImage.codebook())).isEqualTo(LibTorch.shape(model.imageCodebook()));
            }
            model.trained().forEach((name, tensor) -> {
                // Behind B = 0 nothing reaches A; a bias of all keys leaves the softmax as it is.
                boolean still = name.contains("lora_A") || name.endsWith("key.bias");
                if (name.startsWith("adapter.") || name.startsWith("lora.")) {
                    float sum = tensor.grad().abs().sum().item_float();
                    assertThat(sum > 1e-6).as(name + " " + sum).isEqualTo(!still);
                }
            });
            assertThat(model.vision().parameters().values())
                    .noneMatch(tensor -> tensor.grad().defined());
            assertThat(model.text().parameters().values())
                    .noneMatch(tensor -> tensor.grad().defined());
        }
    }

    @Test
    void filesAreEncodedAsPictures() throws IOException {
        Path one = directory.resolve("one.png");
        ImageIO.write(TinyModel.picture(70, 80, 1), "png", one.toFile());
        Path broken = Files.writeString(directory.resolve("broken.png"), "no picture");
        try (LexVla model = init()) {
            assertThat(dense(model.encodeImages(List.of(one))))
                    .usingRecursiveComparison()
                    .isEqualTo(dense(model.encodePictures(List.of(TinyModel.picture(70, 80, 1)))));
            assertThatIOException()
                    .isThrownBy(() -> model.encodeImages(List.of(one, broken)))
                    .withMessageContaining("broken.png");
            List<Path> many = Collections.nCopies(40, one);
            assertThat(model.encodeImages(many).size()).isEqualTo(40);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.encodeTexts(List.of("fox", " ")))
                    .withMessageContaining("caption is empty");
        }
    }

    @Test
    void picturesThatAreReadyAreEncodedAsPictures() throws IOException {
        try (LexVla model = init()) {
            int each = model.transform().elements();
            FloatBuffer ready = FloatBuffer.allocate(1 + 40 * each).position(1);
            pictures(40).forEach(picture -> model.transform().of(picture, ready));
            ready.flip().position(1);
            assertThat(dense(model.encodePixels(ready, model.config().sparsification())))
                    .usingRecursiveComparison()
                    .isEqualTo(dense(model.encodePictures(pictures(40))));
            assertThat(ready.remaining()).isEqualTo(40 * each);
            assertThat(model.encodePixels(
                                    FloatBuffer.allocate(0), model.config().sparsification())
                            .size())
                    .isZero();
            ready.limit(each);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.encodePixels(ready, model.config().sparsification()))
                    .withMessageContaining("no whole pictures");
        }
    }

    @Test
    void aClosedModelSaysSo() throws IOException {
        LexVla model = init();
        LexicalBatch open = model.encodeTexts(CAPTIONS);
        model.close();
        model.close();
        assertThat(open.isClosed()).as("a batch in the model's own memory").isTrue();
        assertThatIllegalStateException().isThrownBy(() -> open.get(0));
        for (ThrowingCallable use : List.<ThrowingCallable>of(
                () -> model.encodeTexts(CAPTIONS),
                () -> model.encodePictures(pictures(1)),
                () -> model.encodePixels(FloatBuffer.allocate(3 * 56 * 56), Sparsification.dense()),
                () -> model.encodeImages(List.of()),
                () -> model.encodeWords(List.of("horse")),
                () -> model.pixels(pictures(1)),
                () -> model.prompts(CAPTIONS),
                () -> model.imageTokens(torch.ones(1, 3, 56, 56)),
                () -> model.patchActivations(torch.ones(1, 3, 56, 56)),
                () -> model.save(saved),
                model::vision,
                model::adapter,
                model::text,
                model::lora,
                model::tokenizer,
                model::imageCodebook,
                model::textCodebook,
                model::logitScale,
                model::trained)) {
            assertThatIllegalStateException().isThrownBy(use).withMessageContaining("closed");
        }
    }

    @Test
    void batchesInAnotherAllocatorOutliveTheModel() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
        }
        try (BufferAllocator allocator = new RootAllocator()) {
            LexicalBatch batch;
            try (LexVla model = LexVla.load(saved, Device.cpu(), null, allocator)) {
                batch = model.encodePictures(pictures(40));
            }
            assertThat(batch.size()).isEqualTo(40);
            assertThat(allocator.getAllocatedMemory()).isPositive();
            batch.close();
            assertThat(allocator.getAllocatedMemory()).isZero();
        }
    }

    @Test
    void nativesAreBackWhereTheyBegan() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
        }
        for (int round = 0; round < 3; round++) {
            useOnce();
        }
        long count = Pointer.totalCount();
        long bytes = Pointer.totalBytes();
        for (int round = 0; round < 5; round++) {
            useOnce();
        }
        assertThat(Pointer.totalBytes() - bytes)
                .as("bytes that JavaCPP knows of")
                .isLessThanOrEqualTo(0);
        assertThat(Pointer.totalCount() - count).as("native objects").isLessThanOrEqualTo(0);
    }

    private void useOnce() throws IOException {
        try (LexVla model = LexVla.load(saved, Device.cpu())) {
            model.encodePictures(pictures(2));
            model.encodeTexts(CAPTIONS);
            model.encodeWords(List.of("horse"));
        }
    }

    /** Many batches run side by side; what they give is in order, and one that fails leaves nothing behind. */
    @Test
    void batchesSideBySideGiveWhatEachGivesAlone() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
        }
        int count = 3 * LexVla.TOGETHER + 5;
        List<String> captions =
                IntStream.range(0, count).mapToObj(i -> CAPTIONS.get(i % 4)).toList();
        int threads = torch.get_num_threads();
        try (BufferAllocator allocator = new RootAllocator();
                LexVla model = LexVla.load(saved, Device.cpu(), null, allocator)) {
            try (LexicalBatch all = model.encodeTexts(captions);
                    LexicalBatch last = model.encodeTexts(captions.subList(count - 5, count))) {
                assertThat(all.size()).isEqualTo(count);
                assertThat(dense(all).subList(count - 5, count))
                        .usingRecursiveComparison()
                        .isEqualTo(dense(last));
            }
            List<String> oneEmpty = new ArrayList<>(captions);
            oneEmpty.set(count / 2, " ");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.encodeTexts(oneEmpty))
                    .withMessageContaining("caption is empty");
            assertThat(allocator.getAllocatedMemory()).isZero();
            // An interrupt waits until the batches have ended, and is passed on.
            Thread.currentThread().interrupt();
            try (LexicalBatch all = model.encodeTexts(captions)) {
                assertThat(all.size()).isEqualTo(count);
            }
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(torch.get_num_threads()).isEqualTo(threads);
    }

    @Test
    void severalThreadsMayEncode() throws Exception {
        try (LexVla model = init()) {
            List<float[]> images = dense(model.encodePictures(pictures(4)));
            List<float[]> texts = dense(model.encodeTexts(CAPTIONS));
            ExecutorService threads = Executors.newFixedThreadPool(4);
            try {
                List<Future<?>> results = new ArrayList<>();
                for (int i = 0; i < 12; i++) {
                    results.add(threads.submit(() -> {
                        assertThat(dense(model.encodePictures(pictures(4))))
                                .usingRecursiveComparison()
                                .isEqualTo(images);
                        assertThat(dense(model.encodeTexts(CAPTIONS)))
                                .usingRecursiveComparison()
                                .isEqualTo(texts);
                    }));
                }
                for (Future<?> result : results) {
                    result.get();
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    @Test
    void inBfloat16ItIsNearlyTheSame() throws IOException {
        try (LexVla model = init()) {
            model.save(saved);
            try (LexVla half = LexVla.load(saved, Device.cpu(), ScalarType.BFloat16, null)) {
                assertThat(half.textCodebook().scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
                assertThat(half.imageCodebook().scalar_type().intern()).isEqualTo(ScalarType.Float);
                float[] exact = floats(model.textActivations(CAPTIONS));
                float[] rough = floats(half.textActivations(CAPTIONS));
                assertThat(rough).containsExactly(exact, within(0.05f));
                assertThat(rough).isNotEqualTo(exact);
                assertThat(floats(half.imageActivations(half.pixels(pictures(2)))))
                        .containsExactly(floats(model.imageActivations(model.pixels(pictures(2)))), within(0.05f));
            }
        }
    }
}
