package org.lexvla.cli.demo;

import java.awt.image.BufferedImage;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.model.LexVla;

/** Vectors of the patches of pictures, out of the model and into plain arrays. */
public final class PatchVectors {
    private PatchVectors() {}

    /**
     * Dense normalised vectors, [pictures][patches][V]; patches row by row, without CLS.
     *
     * @param pictures one batch, as many as fit into memory at once
     */
    public static float[][][] of(LexVla model, List<BufferedImage> pictures) {
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        try {
            Tensor activations =
                    model.patchActivations(model.pixels(pictures)).cpu().contiguous();
            int patches = Math.toIntExact(activations.size(1));
            int vocabulary = Math.toIntExact(activations.size(2));
            float[] flat = new float[Math.toIntExact(activations.numel())];
            activations.data_ptr_float().get(flat);
            float[][][] vectors = new float[pictures.size()][patches][vocabulary];
            for (int i = 0; i < vectors.length; i++) {
                for (int p = 0; p < patches; p++) {
                    System.arraycopy(flat, (i * patches + p) * vocabulary, vectors[i][p], 0, vocabulary);
                }
            }
            return vectors;
        } finally {
            guard.close();
            scope.close();
        }
    }
}
