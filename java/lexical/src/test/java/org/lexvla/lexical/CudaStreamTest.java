package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.lexvla.kernels.global.kernels;

class CudaStreamTest {
    @Test
    void callsNestAndEndWhereTheyBegan() {
        List<Long> seen = new ArrayList<>();
        CudaStream.on(16, () -> {
            seen.add(CudaStream.current().handle());
            CudaStream.on(32, () -> seen.add(CudaStream.current().handle()));
            seen.add(CudaStream.current().handle());
            seen.add(CompletableFuture.supplyAsync(() -> CudaStream.current().handle())
                    .join());
        });
        assertThat(seen).containsExactly(16L, 32L, 16L, 0L);
        assertThat(CudaStream.current().handle()).isZero();
    }

    /** Without a GPU: what the native call is given, step by step. */
    @Test
    void theWorkspaceIsAskedForAndPassed() {
        List<String> steps = new ArrayList<>();
        NativeCall kernel = exec -> {
            if (exec.workspace_needed() != null) {
                steps.add("asked on " + exec.stream().address() + " of device " + exec.device());
                exec.workspace_needed().put(1000);
            } else {
                long at = exec.workspace() == null ? 0 : exec.workspace().address();
                steps.add("run with " + exec.workspace_bytes() + " bytes at " + at);
            }
            return kernels.LEXVLA_OK;
        };
        CudaStream.on(
                16,
                bytes -> {
                    steps.add("took " + bytes);
                    return 4096;
                },
                () -> NativeCall.run(Device.cuda(1), 0, kernel));
        CudaStream.on(16, () -> NativeCall.run(Device.cuda(1), 0, kernel));
        NativeCall.run(Device.cpu(), 0, kernel);
        assertThat(steps)
                .containsExactly(
                        "asked on 16 of device 1",
                        "took 1000",
                        "run with 1000 bytes at 4096",
                        "run with 0 bytes at 0",
                        "run with 0 bytes at 0");
    }

    @Test
    void noWorkspaceIsTakenWhereNoneIsNeeded() {
        CudaStream.on(
                0,
                bytes -> {
                    throw new AssertionError(bytes + " bytes asked for");
                },
                () -> NativeCall.run(Device.cuda(0), 0, exec -> kernels.LEXVLA_OK));
    }

    @Test
    void aFailureEndsItToo() {
        assertThatIllegalStateException()
                .isThrownBy(() -> CudaStream.on(16, () -> {
                    throw new IllegalStateException("no");
                }))
                .withMessage("no");
        assertThat(CudaStream.current().handle()).isZero();
    }
}
