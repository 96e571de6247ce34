package org.lexvla.evaluation;

import java.awt.image.BufferedImage;
import java.nio.FloatBuffer;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;

/** How similar every patch of a picture is to texts, words or classes: what heat maps and PatchDis are made of. */
public final class PatchScores {
    /** Vectors of patches that are held at once: of 256 patches over 17,149 words each, those of 15 pictures. */
    private static final long BYTES = 256L << 20;

    private PatchScores() {}

    /**
     * Dot products of the normalised vectors of all patches with those given.
     *
     * @param pictures any number
     * @param texts    [T][V], at least one
     * @return [pictures][P][T], patches row by row, without CLS
     */
    public static float[][][] of(LexVla model, List<BufferedImage> pictures, float[][] texts) {
        ImageTransform transform = model.transform();
        FloatBuffer pixels = FloatBuffer.allocate(Math.multiplyExact(pictures.size(), transform.elements()));
        pictures.forEach(picture -> transform.of(picture, pixels));
        return of(model, pixels.flip(), texts);
    }

    /**
     * As {@link #of(LexVla, List, float[][])}, of pictures that are ready, as {@code PictureLoader} makes them.
     *
     * @param pixels [pictures, 3, H, W] from position to limit; they go through the model in groups that fit into memory
     */
    public static float[][][] of(LexVla model, FloatBuffer pixels, float[][] texts) {
        int vocabulary = model.vocabulary().size();
        float[] flat = new float[Math.multiplyExact(texts.length, vocabulary)];
        for (int t = 0; t < texts.length; t++) {
            if (texts[t].length != vocabulary) {
                throw new IllegalArgumentException("text " + t + " has " + texts[t].length + " words, the patches have "
                        + vocabulary + ": both must be over one vocabulary");
            }
            System.arraycopy(texts[t], 0, flat, t * vocabulary, vocabulary);
        }
        int elements = model.transform().elements();
        float[][][] scores = new float[pixels.remaining() / elements][][];
        int columns = columns(model);
        long bytesEach = (long) columns * columns * vocabulary * Float.BYTES;
        int together = (int) Math.max(1, Math.min(scores.length, BYTES / bytesEach));
        for (int from = 0; from < scores.length; from += together) {
            int count = Math.min(together, scores.length - from);
            FloatBuffer some = pixels.slice(pixels.position() + from * elements, count * elements);
            add(model, some, flat, texts.length, scores, from);
        }
        return scores;
    }

    private static void add(LexVla model, FloatBuffer pixels, float[] flat, int texts, float[][][] scores, int from) {
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        try {
            Tensor patches = model.patchActivations(model.pixels(pixels)).cpu();
            Tensor columns = AbstractTensor.create(flat, texts, patches.size(2));
            Tensor products = patches.matmul(columns.t()).contiguous();
            int each = Math.toIntExact(products.size(1));
            float[] values = new float[Math.toIntExact(products.numel())];
            products.data_ptr_float().get(values);
            for (int i = 0; i < products.size(0); i++) {
                scores[from + i] = new float[each][texts];
                for (int p = 0; p < each; p++) {
                    System.arraycopy(values, (i * each + p) * texts, scores[from + i][p], 0, texts);
                }
            }
        } finally {
            guard.close();
            scope.close();
        }
    }

    /** Patches per row, and per column, of a picture as the model sees it. */
    public static int columns(LexVla model) {
        return model.transform().crop() / model.vision().config().patchSize();
    }
}
