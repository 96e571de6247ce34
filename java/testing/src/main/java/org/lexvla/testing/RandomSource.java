package org.lexvla.testing;

import java.util.Random;

/** The random numbers of one test, from a seed that is printed when the test fails. */
public final class RandomSource extends Random {
    private static final long serialVersionUID = 1L;

    private final long seed;

    RandomSource(long seed) {
        super(seed);
        this.seed = seed;
    }

    /** The seed; {@code -Dlexvla.test.seed=} with this value repeats the test. */
    public long seed() {
        return seed;
    }

    /** Numbers of a standard normal distribution. */
    public float[] gaussians(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) nextGaussian();
        }
        return values;
    }
}
