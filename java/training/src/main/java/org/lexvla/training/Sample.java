package org.lexvla.training;

import java.awt.image.BufferedImage;
import java.io.IOException;

/**
 * A captioned picture that is not decoded yet.
 *
 * @param index   its place in the shard, from 0, counting broken ones; ascending, though some may be missing
 * @param key     what it is a picture of: no batch holds two samples of one key
 * @param caption not blank; null where {@code flaw} is set
 * @param picture null where {@code flaw} is set
 * @param flaw    why it cannot be used, such as {@code no caption}; null if nothing is known against it
 */
public record Sample(long index, String key, String caption, Picture picture, String flaw) {
    /** An encoded picture. */
    @FunctionalInterface
    public interface Picture {
        /**
         * Decodes it.
         *
         * @throws IOException with the reason, if it cannot be
         */
        BufferedImage read() throws IOException;
    }

    /** A sample that cannot be used. */
    static Sample flawed(long index, String key, String flaw) {
        return new Sample(index, key, null, null, flaw);
    }
}
