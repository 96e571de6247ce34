package org.lexvla.training;

import java.util.concurrent.CountDownLatch;

/**
 * Asks a run to end after the step it is in. When the JVM is told to end (SIGTERM, SIGINT) it waits until the run has written its
 * checkpoint and closed this.
 */
final class StopSignal implements AutoCloseable {
    private final CountDownLatch over = new CountDownLatch(1);
    private final Thread hook = new Thread(this::requestAndWait, "lexvla-stop");
    private volatile boolean requested;

    /** A signal that the end of the JVM gives. */
    static StopSignal ofTheJvm() {
        StopSignal signal = new StopSignal();
        Runtime.getRuntime().addShutdownHook(signal.hook);
        return signal;
    }

    boolean requested() {
        return requested;
    }

    void request() {
        requested = true;
    }

    private void requestAndWait() {
        request();
        try {
            over.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
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
