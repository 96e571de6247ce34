package org.lexvla.cli;

/** Numbers with what they count. */
final class Count {
    private Count() {}

    /** "1 picture", "2 pictures". */
    static String of(long number, String one) {
        return of(number, one, one + "s");
    }

    /** "1 class", "2 classes". */
    static String of(long number, String one, String several) {
        return number + " " + (number == 1 ? one : several);
    }
}
