package org.lexvla.training;

import java.nio.FloatBuffer;
import java.util.random.RandomGenerator;

/** Pictures without anything else, for {@link StandIns#selfSupervisedVision}. */
@FunctionalInterface
public interface PictureSource {
    /**
     * Draws pictures.
     *
     * @param count  of pictures
     * @param pixels to be filled: [count, 3, size, size], normalised
     */
    void next(int count, RandomGenerator random, FloatBuffer pixels);
}
