package org.lexvla.model;

import static org.assertj.core.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch_cuda;
import org.lexvla.lexical.Kernels;

/**
 * What the tests tagged cuda need of the machine. Without it they are skipped and say why, on standard output too, where Maven shows
 * it; {@code -Dlexvla.cuda.required=true} makes them fail instead.
 */
final class CudaDevices {
    private static final Set<String> SAID = ConcurrentHashMap.newKeySet();

    private CudaDevices() {}

    /** Goes on only with CUDA kernels in this build and as many devices in this machine. */
    static void require(int count) {
        boolean required = Boolean.getBoolean("lexvla.cuda.required");
        if (!Kernels.hasCuda()) {
            without("this build has no CUDA kernels: build with -Pcuda", required);
        }
        int found = torch.cuda_is_available() ? torch_cuda.device_count() : 0;
        if (found < count) {
            // One is what the property requires.
            without(
                    "LibTorch finds " + found + " CUDA devices in this machine, the test needs " + count,
                    required && found == 0);
        }
    }

    private static void without(String reason, boolean fails) {
        if (fails) {
            fail(reason + ", and lexvla.cuda.required is true");
        }
        if (SAID.add(reason)) {
            System.out.println("Tests tagged cuda are skipped: " + reason);
        }
        abort("skipped: " + reason);
    }
}
