package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;

class ProductThreadsTest {
    @Test
    void theNumberHoldsUntilItIsClosed() {
        ProductThreads before = ProductThreads.use(3);
        ProductThreads two = ProductThreads.use(2);
        assertThat(ProductThreads.count()).isEqualTo(2);
        ProductThreads one = ProductThreads.use(1);
        assertThat(ProductThreads.count()).isEqualTo(1);
        one.close();
        assertThat(ProductThreads.count()).isEqualTo(2);
        two.close();
        assertThat(ProductThreads.count()).isEqualTo(3);
        before.close();
        assertThat(ProductThreads.count())
                .isEqualTo(ProductThreads.atFirst(
                        System.getenv(), Runtime.getRuntime().availableProcessors()));
        assertThatThrownBy(() -> ProductThreads.use(0)).hasMessage("0 threads for matrix products: at least 1");
    }

    /** As of two encoders at the same time. */
    @Test
    void severalMayBeClosedInAnyOrder() {
        ProductThreads all = ProductThreads.use(4);
        ProductThreads one = ProductThreads.use(1);
        ProductThreads other = ProductThreads.use(1);
        one.close();
        one.close();
        assertThat(ProductThreads.count()).isEqualTo(1);
        other.close();
        assertThat(ProductThreads.count()).isEqualTo(4);
        all.close();
    }

    @Test
    void theNumberAtFirstIsThatOfTheEnvironment() {
        assertThat(ProductThreads.atFirst(Map.of(), 6)).isEqualTo(6);
        assertThat(ProductThreads.atFirst(Map.of("OMP_NUM_THREADS", "4,2"), 6)).isEqualTo(4);
        assertThat(ProductThreads.atFirst(Map.of("OMP_NUM_THREADS", "4", "OPENBLAS_NUM_THREADS", " 1 "), 6))
                .isEqualTo(1);
        assertThat(ProductThreads.atFirst(Map.of("OPENBLAS_NUM_THREADS", "64"), 6))
                .isEqualTo(6);
        assertThat(ProductThreads.atFirst(Map.of("OPENBLAS_NUM_THREADS", "0", "GOTO_NUM_THREADS", "many"), 6))
                .isEqualTo(6);
    }
}
