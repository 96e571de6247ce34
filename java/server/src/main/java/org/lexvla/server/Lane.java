package org.lexvla.server;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Threads for one kind of work, with a queue that has an end: who comes when it is full is sent away, with {@link Refusal#busy}. */
final class Lane implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 60;

    private final ThreadPoolExecutor threads;

    /**
     * @param threads that work at once
     * @param waiting that may wait
     */
    Lane(String name, int threads, int waiting) {
        AtomicInteger number = new AtomicInteger();
        this.threads = new ThreadPoolExecutor(
                threads, threads, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(waiting), task -> {
                    Thread thread = new Thread(task, "lexvla " + name + " " + number.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });
    }

    /** Does the work when its turn comes. */
    <T> CompletableFuture<T> submit(Callable<T> work) {
        CompletableFuture<T> result = new CompletableFuture<>();
        try {
            threads.execute(() -> {
                try {
                    result.complete(work.call());
                } catch (Throwable failure) {
                    // Whatever it is, an OutOfMemoryError for a huge picture among it: the client waits for an answer.
                    result.completeExceptionally(failure);
                }
            });
        } catch (RejectedExecutionException e) {
            result.completeExceptionally(Refusal.busy());
        }
        return result;
    }

    /** Finishes what was begun; what waits is dropped. */
    @Override
    public void close() {
        threads.shutdownNow();
        try {
            threads.awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
