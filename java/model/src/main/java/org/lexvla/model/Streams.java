package org.lexvla.model;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.function.Consumer;
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
     * Runs tasks and returns what they give, in their order, in a list that may be changed.
     *
     * @throws RuntimeException what a failed task threw; then none runs any more, and the batches of the others are closed
     */
    List<LexicalBatch> run(List<Supplier<LexicalBatch>> tasks) {
        List<LexicalBatch> done = new ArrayList<>();
        try (Sequence<LexicalBatch> all = begin(tasks.iterator(), LexicalBatch::close)) {
            while (all.hasNext()) {
                done.add(all.next());
            }
            return done;
        } catch (RuntimeException | Error e) {
            done.forEach(LexicalBatch::close);
            throw e;
        }
    }

    /**
     * Tasks of any number, to be taken in their order.
     *
     * @param tasks   asked only by whoever takes, for no more than are begun
     * @param discard what becomes of results that nobody has taken at the end
     */
    <R> Sequence<R> begin(Iterator<Supplier<R>> tasks, Consumer<R> discard) {
        return new Sequence<>(tasks, discard);
    }

    /**
     * What tasks give, in their order. As many are at work as there are streams, and as many again are begun, so that no stream waits
     * for the oldest to be taken; a single one, or one after the other, runs in the thread that takes. An interrupt does not end the
     * wait: natives cannot be stopped on their way, and must not outlive the sequence. For one thread, closed by it.
     */
    final class Sequence<R> implements AutoCloseable {
        private final Iterator<Supplier<R>> tasks;
        private final Consumer<R> discard;
        private final Deque<CompletableFuture<R>> begun = new ArrayDeque<>();
        private ProductThreads one;
        private int sideBySide = 1;
        private volatile boolean ended;

        private Sequence(Iterator<Supplier<R>> tasks, Consumer<R> discard) {
            this.tasks = tasks;
            this.discard = discard;
        }

        /** How many tasks are at work at the same time. */
        int sideBySide() {
            return sideBySide;
        }

        boolean hasNext() {
            return !begun.isEmpty() || tasks.hasNext();
        }

        /** @throws RuntimeException what the task threw */
        R next() {
            if (begun.isEmpty()) {
                Supplier<R> first = tasks.next();
                if (count == 1 || sideBySide == 1 && !tasks.hasNext()) {
                    return first.get();
                }
                begin(first);
            }
            while (begun.size() < 2 * count && tasks.hasNext()) {
                begin(tasks.next());
            }
            try {
                return begun.remove().join();
            } catch (CompletionException e) {
                if (e.getCause() instanceof Error error) {
                    throw error;
                }
                throw (RuntimeException) e.getCause();
            }
        }

        private void begin(Supplier<R> task) {
            if (one == null) {
                one = ProductThreads.use(1);
                sideBySide = count;
            }
            begun.add(CompletableFuture.supplyAsync(() -> ended ? null : task.get(), threads()));
        }

        /** Waits for those at work; what is begun and not at work yet is left. */
        @Override
        public void close() {
            ended = true;
            try {
                for (CompletableFuture<R> left : begun) {
                    R result = left.exceptionally(failure -> null).join();
                    if (result != null) {
                        discard.accept(result);
                    }
                }
            } finally {
                begun.clear();
                if (one != null) {
                    one.close();
                    one = null;
                }
            }
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
