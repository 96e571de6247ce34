package org.lexvla.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.LexicalBatch;

/**
 * Batches that go through the towers side by side, each in a thread of its own, whose matrix products have one core: so no batch
 * waits for another's. LibTorch's other operations get the cores that are left over. What a batch gives does not depend on the
 * others.
 */
final class Streams implements AutoCloseable {
    /** Batches at once: one per core, as long as the activations of so many are no matter for memory. */
    static final int COUNT = Math.min(8, Runtime.getRuntime().availableProcessors());

    private final int count;
    private ExecutorService threads;

    /** @param parallel false: one batch after the other, for a device that is parallel itself */
    Streams(boolean parallel) {
        count = parallel ? COUNT : 1;
    }

    /**
     * Runs tasks and returns what they give, in their order, in a list that may be changed. A single one runs in the caller's
     * thread. An interrupt does not end the wait: natives cannot be stopped on their way, and must not outlive the call.
     *
     * @throws RuntimeException what a failed task threw; then none runs any more, and the batches of the others are closed
     */
    List<LexicalBatch> run(List<Supplier<LexicalBatch>> tasks) {
        if (count == 1 || tasks.size() == 1) {
            return run(tasks, Runnable::run);
        }
        ProductThreads one = ProductThreads.use(1);
        try {
            return run(tasks, threads());
        } finally {
            one.close();
        }
    }

    private static List<LexicalBatch> run(List<Supplier<LexicalBatch>> tasks, Executor where) {
        AtomicBoolean failed = new AtomicBoolean();
        List<CompletableFuture<LexicalBatch>> pending = tasks.stream()
                .map(task -> CompletableFuture.supplyAsync(() -> unless(failed, task), where))
                .toList();
        List<LexicalBatch> done = new ArrayList<>();
        CompletionException failure = null;
        for (CompletableFuture<LexicalBatch> one : pending) {
            try {
                done.add(one.join());
            } catch (CompletionException e) {
                failure = e;
            }
        }
        if (failure != null) {
            done.stream().filter(Objects::nonNull).forEach(LexicalBatch::close);
            if (failure.getCause() instanceof Error error) {
                throw error;
            }
            throw (RuntimeException) failure.getCause();
        }
        return done;
    }

    private static LexicalBatch unless(AtomicBoolean failed, Supplier<LexicalBatch> task) {
        if (failed.get()) {
            return null;
        }
        try {
            return task.get();
        } catch (RuntimeException | Error e) {
            failed.set(true);
            throw e;
        }
    }

    private synchronized ExecutorService threads() {
        if (threads == null) {
            threads = Executors.newFixedThreadPool(count, task -> {
                Thread thread = new Thread(task, "lexvla-encoder");
                thread.setDaemon(true);
                return thread;
            });
            int all = torch.get_num_threads();
            Phaser begun = new Phaser(count + 1);
            for (int i = 0; i < count; i++) {
                threads.execute(() -> {
                    // A thread takes LibTorch's number of threads when it first asks, and keeps what it sets after
                    // that.
                    torch.get_num_threads();
                    torch.set_num_threads(Math.max(1, all / count));
                    begun.arriveAndAwaitAdvance();
                });
            }
            begun.arriveAndAwaitAdvance();
            // What a thread sets is also that of threads to come.
            torch.set_num_threads(all);
        }
        return threads;
    }

    @Override
    public synchronized void close() {
        if (threads != null) {
            threads.shutdown();
        }
    }
}
