package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Comparing tensors in tests. */
final class Numbers {
    private Numbers() {}

    static float[] floats(Tensor tensor) {
        Tensor plain = tensor.detach().cpu().to(ScalarType.Float).contiguous();
        float[] values = new float[Math.toIntExact(plain.numel())];
        if (values.length > 0) {
            plain.data_ptr_float().get(values);
        }
        return values;
    }

    /** Same shape, and no element further from the expected one than the bound. */
    static void assertClose(String what, Tensor actual, Tensor expected, double bound) {
        assertThat(LibTorch.shape(actual)).as("shape of %s", what).isEqualTo(LibTorch.shape(expected));
        assertThat(distance(actual, expected)).as("largest error of %s", what).isLessThanOrEqualTo(bound);
    }

    /** The largest absolute difference; NaN if there is one. */
    static double distance(Tensor actual, Tensor expected) {
        float[] a = floats(actual);
        float[] e = floats(expected);
        double worst = 0;
        for (int i = 0; i < a.length; i++) {
            double error = Math.abs((double) a[i] - e[i]);
            // Written so that NaN stays.
            if (!(error <= worst)) {
                worst = error;
            }
        }
        return worst;
    }
}
