package org.lexvla.search;

import org.lexvla.lexical.LexicalVector;

/**
 * Weights as Lucene's {@code FeatureField} keeps them: as a term frequency made of the upper 16 bits of a positive float32 (sign
 * left out), which are 8 bits of exponent and 8 of significand, with the hidden one 9 significant bits.
 *
 * <p>Lucene cuts the other bits off: a weight loses up to 2⁻⁸ = 0.39 %, and 0.14 % on average, always downwards. Rounded to nearest
 * beforehand it is off by at most 2⁻⁹ = 0.20 %, and by nothing on average. A weighted sum of such weights is off by no more, in
 * proportion, than its worst term.
 */
final class FeatureWeight {
    /** Bits of a float32 that are cut off. */
    static final int CUT = 15;

    /** The largest weight of a linear feature query. */
    private static final float LARGEST_QUERY = 64;

    private static final int LARGEST = Float.floatToIntBits(Float.MAX_VALUE) >>> CUT << CUT;

    private FeatureWeight() {}

    /**
     * The nearest weight that is kept as it is; of two equally near ones that with the even last bit.
     *
     * @param weight finite, at least {@link Float#MIN_NORMAL}; above the largest that can be kept, it becomes that one
     */
    static float round(float weight) {
        int bits = Float.floatToIntBits(weight);
        int last = bits >>> CUT & 1;
        int rounded = bits + (1 << CUT - 1) - 1 + last & -1 << CUT;
        return Float.intBitsToFloat(Math.min(rounded, LARGEST));
    }

    /**
     * What to multiply the weights of a query with so that Lucene takes them, which is up to {@value #LARGEST_QUERY}: a power of two,
     * so that no digit of them or of the scores changes.
     *
     * @return at most 1; the scores are to be divided by it
     * @throws IllegalArgumentException if a weight is negative or not finite
     */
    static float scale(LexicalVector query) {
        float largest = 0;
        int[] words = query.ids();
        float[] weights = query.weights();
        for (int i = 0; i < words.length; i++) {
            if (!(weights[i] >= 0) || weights[i] == Float.POSITIVE_INFINITY) {
                throw new IllegalArgumentException("the query has the weight " + weights[i] + " for \""
                        + query.vocabulary().word(words[i]) + "\": Lucene takes finite weights from 0 on");
            }
            largest = Math.max(largest, weights[i]);
        }
        float scale = 1;
        while (largest * scale > LARGEST_QUERY) {
            scale /= 2;
        }
        return scale;
    }

    /** What a term frequency stands for. */
    static float decode(int frequency) {
        return Float.intBitsToFloat(frequency << CUT);
    }
}
