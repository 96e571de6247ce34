package org.lexvla.benchmarks;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** The method of the same benchmark that this one has to beat: its time over ours is the ratio that is reported. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Against {
    /** Name of the method. */
    String value();
}
