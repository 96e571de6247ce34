package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ProductThreadsTest {
    @Test
    void theNumberHoldsUntilItIsClosed() {
        int before = ProductThreads.count();
        ProductThreads two = ProductThreads.use(2);
        assertThat(ProductThreads.count()).isEqualTo(2);
        ProductThreads one = ProductThreads.use(1);
        assertThat(ProductThreads.count()).isEqualTo(1);
        one.close();
        assertThat(ProductThreads.count()).isEqualTo(2);
        two.close();
        assertThat(ProductThreads.count()).isEqualTo(before);
        assertThatThrownBy(() -> ProductThreads.use(0)).hasMessage("0 threads for matrix products: at least 1");
    }
}
