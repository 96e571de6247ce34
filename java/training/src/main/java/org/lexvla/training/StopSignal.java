package org.lexvla.training;

import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * The end of the JVM (SIGTERM, SIGINT, {@code System.exit} elsewhere), as something that work can ask for and that waits for it: while
 * one of these is open, a JVM that is told to end stays until it is closed.
 *
 * <p>It does not stay for ever: not where the thread that opened this calls {@code System.exit}, which would never return, and not
 * longer than an hour, twice as long as a run waits for another process of it.
 */
public final class StopSignal implements AutoCloseable {
    private static final long LONGEST_SECONDS = 3600;
    private static final long LOOK_MILLIS = 100;

    private final Thread owner = Thread.currentThread();
    private final CountDownLatch over = new CountDownLatch(1);
    private final Thread hook;
    private volatile boolean requested;

    private StopSignal(Runnable onRequest) {
        this.hook = new Thread(() -> requestAndWait(onRequest), "lexvla-stop");
    }

    /** A signal that the end of the JVM gives; given already where that has begun, which then waits for nothing. */
    public static StopSignal ofTheJvm() {
        return ofTheJvm(() -> {});
    }

    /**
     * As {@link #ofTheJvm()}.
     *
     * @param onRequest what is done first when the JVM is told to end, on a thread of its own: a line to whoever told it, say
     */
    public static StopSignal ofTheJvm(Runnable onRequest) {
        StopSignal signal = new StopSignal(onRequest);
        try {
            Runtime.getRuntime().addShutdownHook(signal.hook);
        } catch (IllegalStateException e) {
            signal.requested = true;
        }
        return signal;
    }

    /** Whether the JVM was told to end. */
    public boolean requested() {
        return requested;
    }

    private void requestAndWait(Runnable onRequest) {
        requested = true;
        onRequest.run();
        long begun = System.nanoTime();
        try {
            while (!over.await(LOOK_MILLIS, TimeUnit.MILLISECONDS)
                    && !ownerExits()
                    && System.nanoTime() - begun < TimeUnit.SECONDS.toNanos(LONGEST_SECONDS)) {
                // Not yet.
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether the owner stands in a call that waits for this hook to return. */
    private boolean ownerExits() {
        return Arrays.stream(owner.getStackTrace())
                .anyMatch(frame -> frame.getClassName().equals(Runtime.class.getName())
                        && frame.getMethodName().equals("exit"));
    }

    @Override
    public void close() {
        over.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is ending, and was waiting for this.
        }
    }
}
