package org.lexvla.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Gives the test methods of a class a {@link RandomSource} parameter. Every run takes new random numbers; a failure
 * prints the seed, and {@code -Dlexvla.test.seed=SEED} repeats it.
 *
 * <pre>{@code
 * @Seeded
 * class DotTest {
 *     @Test
 *     void agreesWithTheReference(RandomSource random) { … }
 * }
 * }</pre>
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@ExtendWith(SeedExtension.class)
public @interface Seeded {}
