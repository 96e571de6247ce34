package org.lexvla.lexical;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/** Who uses some native memory now: memory that is closed meanwhile is given back when the last of them is done. */
final class Occupancy {
    private final String whenClosed;
    private final Runnable giveBack;
    private final AtomicBoolean closed = new AtomicBoolean();
    /** Calls that use the memory now, plus one until closed. At 0 the memory goes back. */
    private final AtomicInteger users = new AtomicInteger(1);

    /**
     * Of open memory.
     *
     * @param whenClosed message for those who come after it was closed
     * @param giveBack   run once
     */
    Occupancy(String whenClosed, Runnable giveBack) {
        this.whenClosed = whenClosed;
        this.giveBack = giveBack;
    }

    <T> T use(Supplier<T> action) {
        enter();
        try {
            return action.get();
        } finally {
            leave();
        }
    }

    /** Followed by {@link #leave}. Throws {@link IllegalStateException} if the memory is closed. */
    void enter() {
        // Closed memory takes no new users, even while others still hold it.
        if (closed.get() || users.getAndUpdate(n -> n == 0 ? 0 : n + 1) == 0) {
            throw new IllegalStateException(whenClosed);
        }
    }

    void leave() {
        if (users.decrementAndGet() == 0) {
            giveBack.run();
        }
    }

    boolean isClosed() {
        return closed.get();
    }

    /** Closing again does nothing. */
    void close() {
        if (closed.compareAndSet(false, true)) {
            leave();
        }
    }
}
