package org.lexvla.training;

import java.util.Arrays;
import java.util.Locale;

/** Bounds of settings. */
final class Range {
    private Range() {}

    static void atLeast(String key, double value, double least) {
        if (!(value >= least)) {
            throw wrong(key, value, "at least " + number(least));
        }
    }

    static void positive(String key, double value) {
        if (!(value > 0)) {
            throw wrong(key, value, "more than 0");
        }
    }

    static void within(String key, double value, double least, double most) {
        if (!(value >= least && value <= most)) {
            throw wrong(key, value, "from " + number(least) + " to " + number(most));
        }
    }

    static void multiple(String key, int value, int of) {
        if (value < of || value % of != 0) {
            throw wrong(key, value, "a positive multiple of " + of);
        }
    }

    /** The constant whose name, in lower case, is the value. */
    static <E extends Enum<E>> E oneOf(String key, String value, Class<E> type) {
        for (E constant : type.getEnumConstants()) {
            if (constant.name().toLowerCase(Locale.ROOT).equals(value)) {
                return constant;
            }
        }
        throw new IllegalArgumentException("setting " + key + " is \"" + value + "\", must be one of "
                + Arrays.toString(type.getEnumConstants()).toLowerCase(Locale.ROOT));
    }

    private static IllegalArgumentException wrong(String key, double value, String expected) {
        return new IllegalArgumentException("setting " + key + " is " + number(value) + ", must be " + expected);
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }
}
