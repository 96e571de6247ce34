package org.lexvla.training;

/**
 * Which of the processes of a run this is.
 *
 * @param rank from 0
 * @param of   how many there are
 */
record Part(int rank, int of) {
    /** A run of one process. */
    static final Part WHOLE = new Part(0, 1);

    Part {
        if (rank < 0 || rank >= of) {
            throw new IllegalArgumentException("process " + rank + " of " + of + ": count from 0 to " + (of - 1));
        }
    }
}
