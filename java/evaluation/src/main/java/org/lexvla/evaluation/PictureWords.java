package org.lexvla.evaluation;

import java.awt.image.BufferedImage;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.DenseView;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.ElementType;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.model.LexVla;

/** What a model finds in one picture: the words of all of it, of some of its patches, and how its patches fit a text. */
public final class PictureWords {
    private final LexVla model;
    private final BufferedImage picture;
    private final BufferAllocator allocator;

    /**
     * @param allocator of what is needed in between; nothing of it is kept
     */
    public PictureWords(LexVla model, BufferedImage picture, BufferAllocator allocator) {
        this.model = model;
        this.picture = picture;
        this.allocator = allocator;
    }

    /** The vector of the whole picture, as the model keeps it. */
    public LexicalVector whole() {
        try (LexicalBatch batch = model.encodePictures(List.of(picture))) {
            return batch.get(0);
        }
    }

    /**
     * The vector of a region: the maximum over its patches, normalised, as the model keeps it (SPEC §4).
     *
     * @param patches numbered row by row from 0, at least one
     * @throws IllegalArgumentException if there is no such patch
     */
    public LexicalVector region(int[] patches) {
        int columns = PatchScores.columns(model);
        byte[] chosen = new byte[columns * columns];
        for (int patch : patches) {
            if (patch < 0 || patch >= chosen.length) {
                throw new IllegalArgumentException("patch " + patch + " is outside of the " + columns + "x" + columns
                        + " patches, 0 to " + (chosen.length - 1));
            }
            chosen[patch] = 1;
        }
        if (patches.length == 0) {
            throw new IllegalArgumentException("a region of no patches has no words: name at least one");
        }
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        try {
            Tensor mask = torch.from_blob(
                            new BytePointer(chosen),
                            new long[] {1, chosen.length},
                            new TensorOptions().dtype(new ScalarTypeOptional(torch.ScalarType.Byte)))
                    .to(model.imageCodebook().device(), torch.ScalarType.Byte);
            Tensor dense = model.regionActivations(model.pixels(List.of(picture)), mask)
                    .cpu()
                    .contiguous();
            DenseView view = DenseView.of(
                    dense.data_ptr().address(), ElementType.FLOAT32, Device.cpu(), dense.size(0), dense.size(1));
            try (LexicalBatch batch =
                    LexicalBatch.sparsify(view, model.config().sparsification(), model.vocabulary(), allocator)) {
                return batch.get(0);
            }
        } finally {
            guard.close();
            scope.close();
        }
    }

    /** Similarity of each patch to a text, row by row. */
    public float[] heat(LexicalVector text) {
        float[][] row = new float[1][model.vocabulary().size()];
        int[] ids = text.ids();
        float[] weights = text.weights();
        for (int i = 0; i < ids.length; i++) {
            row[0][ids[i]] = weights[i];
        }
        float[][] scores = PatchScores.of(model, List.of(picture), row)[0];
        float[] heat = new float[scores.length];
        for (int p = 0; p < heat.length; p++) {
            heat[p] = scores[p][0];
        }
        return heat;
    }
}
