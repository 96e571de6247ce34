package org.lexvla.lexical;

/**
 * Which entries of a dense lexical vector are kept (SPEC §5). Used at inference only, on normalised vectors of both
 * sides. By default the kept entries keep their values; {@code renormalize} divides them by their l2-norm.
 */
public sealed interface Sparsification {
    /** Whether each row is divided by its l2-norm after entries were dropped. Empty rows stay empty. */
    boolean renormalize();

    /** The same choice of entries, with or without renormalisation. */
    Sparsification withRenormalize(boolean renormalize);

    /**
     * Keeps the entries at or above {@code value}; zeros are never kept, NaN always is, so that it is seen.
     *
     * @param value 0 or more, finite
     */
    record Threshold(float value, boolean renormalize) implements Sparsification {
        public Threshold {
            if (!(value >= 0) || value == Float.POSITIVE_INFINITY) {
                throw new IllegalArgumentException("the threshold is " + value + ", must be finite and at least 0");
            }
        }

        /** Without renormalisation. */
        public Threshold(float value) {
            this(value, false);
        }

        @Override
        public Threshold withRenormalize(boolean renormalize) {
            return new Threshold(value, renormalize);
        }
    }

    /**
     * Keeps the {@code k} largest entries; of equal ones those with the lowest ids. Zeros and negative entries are
     * never kept, so a row may have fewer.
     *
     * @param k 1 or more
     */
    record TopK(int k, boolean renormalize) implements Sparsification {
        public TopK {
            if (k < 1) {
                throw new IllegalArgumentException("k is " + k + ", must be at least 1");
            }
        }

        /** Without renormalisation. */
        public TopK(int k) {
            this(k, false);
        }

        @Override
        public TopK withRenormalize(boolean renormalize) {
            return new TopK(k, renormalize);
        }
    }

    /** Keeps every entry that is not zero. */
    record Dense(boolean renormalize) implements Sparsification {
        /** Without renormalisation. */
        public Dense() {
            this(false);
        }

        @Override
        public Dense withRenormalize(boolean renormalize) {
            return new Dense(renormalize);
        }
    }

    /** Keeps the entries at or above {@code value}, see {@link Threshold}. */
    static Threshold threshold(float value) {
        return new Threshold(value);
    }

    /** Keeps the {@code k} largest entries, see {@link TopK}. */
    static TopK topK(int k) {
        return new TopK(k);
    }

    /** Keeps every entry that is not zero. */
    static Dense dense() {
        return new Dense();
    }

    /**
     * The paper's threshold, 1/√V: the value that every entry has where all are equal.
     *
     * <p>SPEC §5 keeps ties, so the threshold is the smaller of the two float32 that the formula gives (the quotient
     * rounded once, or the root rounded before it): a row of equal entries is kept whole, whichever way its norm was
     * rounded. The two differ by at most one unit in the last place.
     *
     * @param vocabulary V, 1 or more
     */
    static Threshold standard(int vocabulary) {
        if (vocabulary < 1) {
            throw new IllegalArgumentException("the vocabulary has " + vocabulary + " words, must have at least 1");
        }
        double root = Math.sqrt(vocabulary);
        return new Threshold(Math.min((float) (1 / root), 1 / (float) root));
    }
}
