package org.lexvla.training;

import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/** Writes initial values into parameters, outside any graph. */
final class InitialWeights {
    /** Longest wavelength of the position embeddings over shortest, as in language models. */
    private static final double WAVELENGTHS = 10_000;

    private final SplittableRandom random;

    InitialWeights(SplittableRandom random) {
        this.random = random;
    }

    void normal(Tensor parameter, double deviation) {
        float[] values = new float[Math.toIntExact(parameter.numel())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        write(parameter, values);
    }

    void identity(Tensor matrix) {
        int rows = (int) matrix.size(0);
        int columns = (int) matrix.size(1);
        float[] values = new float[rows * columns];
        for (int i = 0; i < Math.min(rows, columns); i++) {
            values[i * columns + i] = 1;
        }
        write(matrix, values);
    }

    /** [1, 1 + grid², d]: zeros for CLS, then for each patch sines and cosines of its row and of its column. */
    void positions(Tensor parameter, int grid) {
        int d = (int) parameter.size(2);
        float[] values = new float[(1 + grid * grid) * d];
        int quarter = d / 4;
        for (int patch = 0; patch < grid * grid; patch++) {
            int at = (1 + patch) * d;
            for (int i = 0; i < quarter; i++) {
                double frequency = Math.pow(WAVELENGTHS, -i / (double) quarter);
                values[at + i] = (float) Math.sin(patch / grid * frequency);
                values[at + quarter + i] = (float) Math.cos(patch / grid * frequency);
                values[at + 2 * quarter + i] = (float) Math.sin(patch % grid * frequency);
                values[at + 3 * quarter + i] = (float) Math.cos(patch % grid * frequency);
            }
        }
        write(parameter, values);
    }

    @SuppressWarnings("try")
    void copy(Tensor to, Tensor from) {
        try (NoGradGuard noGraph = new NoGradGuard()) {
            to.copy_(from);
        }
    }

    @SuppressWarnings("try")
    private void write(Tensor parameter, float[] values) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            long[] shape = new long[(int) parameter.dim()];
            for (int i = 0; i < shape.length; i++) {
                shape[i] = parameter.size(i);
            }
            parameter.copy_(HostTensor.of(values, shape));
        }
    }
}
