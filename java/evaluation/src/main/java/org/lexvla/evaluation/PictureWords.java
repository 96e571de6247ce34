package org.lexvla.evaluation;

import java.awt.image.BufferedImage;
import java.util.List;
import java.util.function.Supplier;
import org.apache.arrow.memory.BufferAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.DenseView;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.ElementType;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.model.LexVla;
import org.lexvla.model.LexicalHead;

/**
 * What a model finds in one picture: the words of all of it, of some of its patches, and how its patches fit a text.
 *
 * <p>The picture goes through the visual encoder once. Kept are its tokens, [1 + P, d], and from the first {@link #heat} on the
 * vectors of its patches, [P, V]: of 256 patches, width 4096 and 17,149 words, 4 and 18 MB. For use by one thread at a time.
 */
public final class PictureWords implements AutoCloseable {
    private final LexVla model;
    private final BufferAllocator allocator;
    private final int columns;
    private final Tensor tokens;
    private Tensor patches;

    /**
     * @param model     not closed before this
     * @param allocator of what is needed in between; nothing of it is kept
     */
    public PictureWords(LexVla model, BufferedImage picture, BufferAllocator allocator) {
        this.model = model;
        this.allocator = allocator;
        this.columns = PatchScores.columns(model);
        this.tokens = inference(
                () -> model.imageTokens(model.pixels(List.of(picture))).detach().retainReference());
    }

    /** The vector of the whole picture, as the model keeps it. */
    public LexicalVector whole() {
        return inference(() -> words(tokens));
    }

    /**
     * The vector of a region: the maximum over its patches, normalised, as the model keeps it (SPEC §4).
     *
     * @param chosen patches numbered row by row from 0, at least one
     * @throws IllegalArgumentException if there is no such patch
     */
    public LexicalVector region(int[] chosen) {
        int count = columns * columns;
        if (chosen.length == 0) {
            throw new IllegalArgumentException("a region of no patches has no words: name at least one");
        }
        long[] rows = new long[chosen.length];
        for (int i = 0; i < rows.length; i++) {
            if (chosen[i] < 0 || chosen[i] >= count) {
                throw new IllegalArgumentException("patch " + chosen[i] + " is outside of the " + columns + "x"
                        + columns + " patches, 0 to " + (count - 1));
            }
            rows[i] = chosen[i];
        }
        return inference(() -> {
            Tensor index = AbstractTensor.create(rows, rows.length).to(tokens.device(), torch.ScalarType.Long);
            return words(torch.index_select(patchTokens(), 1, index));
        });
    }

    /** Similarity of each patch to a text, row by row. */
    public float[] heat(LexicalVector text) {
        float[] column = new float[model.vocabulary().size()];
        int[] ids = text.ids();
        float[] weights = text.weights();
        for (int i = 0; i < ids.length; i++) {
            column[ids[i]] = weights[i];
        }
        return inference(() -> {
            if (patches == null) {
                patches = LexicalHead.perToken(patchTokens(), model.imageCodebook())
                        .cpu()
                        .view(columns * columns, column.length)
                        .retainReference();
            }
            float[] heat = new float[columns * columns];
            patches.matmul(AbstractTensor.create(column, column.length, 1))
                    .contiguous()
                    .data_ptr_float()
                    .get(heat);
            return heat;
        });
    }

    /** The tokens without CLS, where it is among them. */
    private Tensor patchTokens() {
        long count = (long) columns * columns;
        return tokens.narrow(1, tokens.size(1) - count, count);
    }

    private LexicalVector words(Tensor some) {
        try (LexicalHead.Forward head = LexicalHead.forward(some, model.packedImageCodebook(), null)) {
            Tensor dense = head.activations().detach().cpu().contiguous();
            DenseView view = DenseView.of(
                    dense.data_ptr().address(), ElementType.FLOAT32, Device.cpu(), dense.size(0), dense.size(1));
            try (LexicalBatch batch =
                    LexicalBatch.sparsify(view, model.config().sparsification(), model.vocabulary(), allocator)) {
                return batch.get(0);
            }
        }
    }

    /** Without autograd; tensors that are not kept are freed at its end. */
    private static <T> T inference(Supplier<T> work) {
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        try {
            return work.get();
        } finally {
            guard.close();
            scope.close();
        }
    }

    /** Frees the tensors. */
    @Override
    public void close() {
        tokens.close();
        if (patches != null) {
            patches.close();
        }
    }
}
