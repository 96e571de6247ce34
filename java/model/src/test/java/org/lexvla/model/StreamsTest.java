package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@Timeout(60)
class StreamsTest {
    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void resultsComeInTheirOrderHoweverLongEachTakes(RandomSource random) {
        List<Integer> millis =
                IntStream.range(0, 50).map(i -> random.nextInt(4)).boxed().toList();
        for (boolean parallel : new boolean[] {false, true}) {
            AtomicInteger next = new AtomicInteger();
            List<Integer> taken = new ArrayList<>();
            try (Streams streams = new Streams(parallel);
                    Streams.Sequence<Integer> all = streams.begin(
                            millis.stream()
                                    .<Supplier<Integer>>map(pause -> {
                                        int number = next.getAndIncrement();
                                        return () -> {
                                            pause(pause);
                                            return number;
                                        };
                                    })
                                    .iterator(),
                            left -> {})) {
                while (all.hasNext()) {
                    taken.add(all.next());
                }
                assertThat(all.sideBySide()).isEqualTo(parallel ? Streams.COUNT : 1);
            }
            assertThat(taken).isEqualTo(IntStream.range(0, 50).boxed().toList());
        }
    }

    /** As many as there are streams are at work at the same time: each waits for the others to arrive. */
    @Test
    void tasksAreAtWorkSideBySideAndNoMoreAreBegunThanThoseAndAsManyAgain() {
        CyclicBarrier together = new CyclicBarrier(Streams.COUNT);
        AtomicInteger asked = new AtomicInteger();
        Stream<Supplier<Integer>> tasks = IntStream.range(0, 10 * Streams.COUNT)
                .peek(i -> asked.incrementAndGet())
                .mapToObj(i -> () -> {
                    try {
                        together.await(30, TimeUnit.SECONDS);
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                    return i;
                });
        try (Streams streams = new Streams(true);
                Streams.Sequence<Integer> all = streams.begin(tasks.iterator(), left -> {})) {
            for (int taken = 0; all.hasNext(); taken++) {
                assertThat(all.next()).isEqualTo(taken);
                // An iterator over a stream looks one further than it is asked.
                assertThat(asked.get()).isLessThanOrEqualTo(taken + 2 * Streams.COUNT + 1);
            }
        }
    }

    @Test
    void oneTaskAloneRunsInTheThreadThatTakesAndMayUseAllCores() {
        Thread here = Thread.currentThread();
        int threads = ProductThreads.count();
        try (Streams streams = new Streams(true);
                Streams.Sequence<Boolean> all = streams.begin(
                        List.<Supplier<Boolean>>of(
                                        () -> Thread.currentThread() == here && ProductThreads.count() == threads)
                                .iterator(),
                        left -> {})) {
            assertThat(all.next()).isTrue();
            assertThat(all.hasNext()).isFalse();
            assertThat(all.sideBySide()).isEqualTo(1);
        }
    }

    @Test
    void whatIsBegunAndNotTakenIsDiscardedAtTheEnd() {
        CountDownLatch first = new CountDownLatch(1);
        ConcurrentLinkedQueue<Integer> made = new ConcurrentLinkedQueue<>();
        List<Integer> discarded = new ArrayList<>();
        Stream<Supplier<Integer>> tasks = IntStream.range(0, 100).mapToObj(i -> () -> {
            made.add(i);
            first.countDown();
            pause(5);
            return i;
        });
        int threads = ProductThreads.count();
        try (Streams streams = new Streams(true)) {
            try (Streams.Sequence<Integer> all = streams.begin(tasks.iterator(), discarded::add)) {
                assertThat(all.next()).isZero();
            }
            assertThat(discarded)
                    .containsExactlyInAnyOrderElementsOf(
                            made.stream().filter(i -> i > 0).toList());
            assertThat(made.size()).isLessThanOrEqualTo(2 * Streams.COUNT);
        }
        assertThat(ProductThreads.count()).isEqualTo(threads);
    }

    @Test
    void aTaskThatFailsIsThrownInItsTurnAndTheOthersAreDiscarded() {
        List<Integer> discarded = new ArrayList<>();
        ConcurrentLinkedQueue<Integer> made = new ConcurrentLinkedQueue<>();
        Stream<Supplier<Integer>> tasks = IntStream.range(0, 100).mapToObj(i -> () -> {
            if (i == 5) {
                throw new IllegalStateException("the sixth fails");
            }
            if (i == 6) {
                throw new OutOfMemoryError("so does the seventh");
            }
            made.add(i);
            return i;
        });
        try (Streams streams = new Streams(true)) {
            try (Streams.Sequence<Integer> all = streams.begin(tasks.iterator(), discarded::add)) {
                for (int i = 0; i < 5; i++) {
                    assertThat(all.next()).isEqualTo(i);
                }
                assertThatIllegalStateException().isThrownBy(all::next).withMessage("the sixth fails");
            }
            assertThat(discarded)
                    .containsExactlyInAnyOrderElementsOf(
                            made.stream().filter(i -> i > 5).toList());
        }
    }
}
