package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

class LaneTest {
    @Test
    void whoComesWhenTheQueueIsFullIsSentAway() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        try (Lane lane = new Lane("test", 1, 2)) {
            CompletableFuture<String> first = lane.submit(() -> {
                begun.countDown();
                go.await();
                return "first";
            });
            begun.await();
            CompletableFuture<String> second = lane.submit(() -> "second");
            CompletableFuture<String> third = lane.submit(() -> "third");
            CompletableFuture<String> fourth = lane.submit(() -> "fourth");
            assertThatExceptionOfType(CompletionException.class)
                    .isThrownBy(fourth::join)
                    .satisfies(
                            e -> assertThat(((Refusal) e.getCause()).status()).isEqualTo(503));
            go.countDown();
            assertThat(first.join() + second.join() + third.join()).isEqualTo("firstsecondthird");
        }
    }

    @Test
    void whateverFailsIsAnAnswer() {
        try (Lane lane = new Lane("test", 1, 1)) {
            CompletableFuture<String> failed = lane.submit(() -> {
                throw new OutOfMemoryError("of a picture");
            });
            assertThatExceptionOfType(CompletionException.class)
                    .isThrownBy(failed::join)
                    .withCauseInstanceOf(OutOfMemoryError.class);
            assertThat(lane.submit(() -> "goes on").join()).isEqualTo("goes on");
        }
    }
}
