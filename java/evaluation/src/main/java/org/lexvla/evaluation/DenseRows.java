package org.lexvla.evaluation;

import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;

/** Lexical vectors as plain rows over the whole vocabulary, as the measures here take them. */
public final class DenseRows {
    private DenseRows() {}

    /** [rows][V], 0 where a vector has no entry. */
    public static float[][] of(LexicalBatch batch) {
        float[][] rows = new float[batch.size()][batch.vocabulary().size()];
        for (int row = 0; row < rows.length; row++) {
            LexicalVector vector = batch.get(row);
            int[] ids = vector.ids();
            float[] weights = vector.weights();
            for (int i = 0; i < ids.length; i++) {
                rows[row][ids[i]] = weights[i];
            }
        }
        return rows;
    }
}
