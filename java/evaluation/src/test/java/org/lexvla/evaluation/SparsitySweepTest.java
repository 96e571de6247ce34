package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

class SparsitySweepTest {
    private static final Vocabulary WORDS = Vocabulary.select(
            List.of(new Token(0, "a", true), new Token(1, "b", true), new Token(2, "c", true)),
            Vocabulary.Rule.standard(),
            null);

    @Test
    void cuttingDropsWordsAndTiesWithTheThresholdStay() {
        try (BufferAllocator allocator = new RootAllocator();
                LexicalBatch images = batch(allocator, new float[][] {{0.5f, 0.25f, 0}, {0, 0.25f, 0.5f}});
                LexicalBatch texts = batch(allocator, new float[][] {{0.5f, 0.125f, 0}, {0, 0.5f, 0.25f}})) {
            List<SparsitySweep.Point> points = SparsitySweep.of(
                    images, texts, new int[] {0, 1}, new double[] {0, 0.25, 0.3, 0.9}, Retrieval.Ties.WORST);
            assertThat(points.get(0)).isEqualTo(point(0, 2, 2, 1));
            assertThat(points.get(1)).isEqualTo(point(0.25, 2, 1.5, 1));
            // {.5,0,0} {0,0,.5} against {.5,0,0} {0,.5,0}: the second caption shares no word with its image.
            assertThat(points.get(2)).isEqualTo(point(0.3, 1, 1, 0.5));
            assertThat(points.get(3)).isEqualTo(point(0.9, 0, 0, 0));
            assertThat(SparsitySweep.chart(points).toSvg(400, 300))
                    .contains("text → image", "active words of an image");
        }
    }

    @Test
    void manyRowsKeepTheirOrder() {
        int rows = 2500;
        float[][] weights = new float[rows][];
        for (int row = 0; row < rows; row++) {
            // The last row alone has the third word, so that it finds itself.
            weights[row] = new float[] {0.5f, 0.1f, row == rows - 1 ? 0.9f : 0};
        }
        try (BufferAllocator allocator = new RootAllocator();
                LexicalBatch images = batch(allocator, weights);
                LexicalBatch texts = batch(allocator, new float[][] {{0, 0, 1}})) {
            SparsitySweep.Point point = SparsitySweep.of(
                            images, texts, new int[] {rows - 1}, new double[] {0.2}, Retrieval.Ties.WORST)
                    .get(0);
            assertThat(point.textToImage().r1()).isEqualTo(1);
            assertThat(point.activeImage()).isEqualTo((rows + 1) / (double) rows);
        }
    }

    /** The same both ways; of two candidates each is among the first five. */
    private static SparsitySweep.Point point(double threshold, double image, double text, double r1) {
        Retrieval.Recalls recalls = new Retrieval.Recalls(r1, 1, 1);
        return new SparsitySweep.Point(threshold, image, text, recalls, recalls);
    }

    private static LexicalBatch batch(BufferAllocator allocator, float[][] rows) {
        List<LexicalVector> vectors = new ArrayList<>();
        for (float[] row : rows) {
            vectors.add(LexicalVector.of(WORDS, new int[] {0, 1, 2}, row));
        }
        return LexicalBatch.of(vectors, WORDS, allocator);
    }
}
