package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class CudaStreamTest {
    @Test
    void callsNestAndEndWhereTheyBegan() {
        List<Long> seen = new ArrayList<>();
        CudaStream.on(16, () -> {
            seen.add(CudaStream.current());
            CudaStream.on(32, () -> seen.add(CudaStream.current()));
            seen.add(CudaStream.current());
            seen.add(CompletableFuture.supplyAsync(CudaStream::current).join());
        });
        assertThat(seen).containsExactly(16L, 32L, 16L, 0L);
        assertThat(CudaStream.current()).isZero();
    }

    @Test
    void aFailureEndsItToo() {
        assertThatIllegalStateException()
                .isThrownBy(() -> CudaStream.on(16, () -> {
                    throw new IllegalStateException("no");
                }))
                .withMessage("no");
        assertThat(CudaStream.current()).isZero();
    }
}
