package org.lexvla.benchmarks;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** The methods of the same benchmark that this one has to beat: their time over its own is the ratio that is reported. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Against {
    /** Names of the methods. */
    String[] value();
}
