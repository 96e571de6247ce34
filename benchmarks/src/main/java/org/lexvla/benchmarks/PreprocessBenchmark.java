package org.lexvla.benchmarks;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.InterpolateFuncOptions;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.kBicubic;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.PictureLoader;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * From JPEG files to what the visual encoder takes, and the part of it that is ours, from decoded pixels on, against LibTorch's own
 * antialiased bicubic. Every method makes {@code pictures} pictures; those without "two" in their name with one thread.
 */
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class PreprocessBenchmark extends TimedBenchmark {
    /**
     * Two passes, each rounded to a grey level, the first of them then weighed with numbers whose absolute values add up to 1.25 at
     * most; and the fixed point of the weights.
     */
    private static final double GREY_LEVELS = 0.5 * 1.25 + 0.5 + 0.01;

    private static final double[] MEAN = {0.485, 0.456, 0.406};
    private static final double[] STD = {0.229, 0.224, 0.225};

    /** Pictures of one call. */
    @Param("32")
    public int pictures;

    /** Width of a picture. */
    @Param("640")
    public int width;

    /** Height of a picture. */
    @Param("480")
    public int height;

    /** Shorter side after resizing, and side of the crop. */
    @Param("224")
    public int size;

    private Path directory;
    private final List<Path> files = new ArrayList<>();
    private final List<BufferedImage> decoded = new ArrayList<>();
    private final List<Tensor> bytes = new ArrayList<>();
    private ImageTransform transform;
    private FloatBuffer out;
    private Tensor batch;
    private Tensor mean;
    private Tensor std;
    private String proof;

    /** Draws pictures, writes them as JPEG, and proves the transform on what is read again. */
    @Setup(Level.Trial)
    public void setUp() throws IOException {
        directory = Files.createTempDirectory("lexvla-pictures");
        transform = ImageTransform.imageNet(size);
        out = FloatBuffer.allocate(pictures * transform.elements());
        batch = torch.empty(pictures, 3, size, size).retainReference();
        mean = AbstractTensor.create(MEAN).to(ScalarType.Float).view(1, 3, 1, 1).retainReference();
        std = AbstractTensor.create(STD).to(ScalarType.Float).view(1, 3, 1, 1).retainReference();
        Random random = new Random(1);
        double worst = 0;
        for (int i = 0; i < pictures; i++) {
            Path file = directory.resolve(i + ".jpg");
            ImageIO.write(drawn(random, width, height), "jpeg", file.toFile());
            files.add(file);
            BufferedImage read = ImageTransform.read(file);
            decoded.add(read);
            bytes.add(tensor(read).retainReference());
            worst = Math.max(worst, worst(i));
        }
        if (worst > GREY_LEVELS) {
            throw new IllegalStateException(
                    "a sample is off by " + worst + " grey levels, rounding twice explains " + GREY_LEVELS);
        }
        transform();
        transformLibTorch();
        double floats = distance();
        transformLibTorchBytes();
        double bytes = distance();
        if (floats > GREY_LEVELS + 0.5 || bytes > GREY_LEVELS + 0.5) {
            throw new IllegalStateException("LibTorch's answer differs from ours by " + Math.max(floats, bytes)
                    + " grey levels: not the same is compared");
        }
        proof = String.format(
                Locale.ROOT,
                "matches: every sample within %.2f grey levels of float64; LibTorch's in float32 within %.0f of ours, in"
                        + " bytes within %.0f",
                worst,
                floats,
                bytes);
    }

    /** Noise of many scales, in the middle of the range, as photographs have it. */
    static BufferedImage drawn(Random random, int width, int height) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        float[] sum = new float[3 * width * height];
        for (int cell = 128; cell >= 2; cell /= 2) {
            int columns = width / cell + 2;
            float[] grid = new float[3 * columns * (height / cell + 2)];
            for (int i = 0; i < grid.length; i++) {
                grid[i] = (random.nextFloat() - 0.5f) * (float) Math.pow(cell, 0.8);
            }
            for (int i = 0; i < sum.length; i++) {
                int x = i / 3 % width;
                int y = i / 3 / width;
                int at = 3 * (y / cell * columns + x / cell) + i % 3;
                float right = x % cell / (float) cell;
                float below = y % cell / (float) cell;
                float upper = grid[at] * (1 - right) + grid[at + 3] * right;
                float lower = grid[at + 3 * columns] * (1 - right) + grid[at + 3 * columns + 3] * right;
                sum[i] += upper * (1 - below) + lower * below;
            }
        }
        for (int i = 0; i < width * height; i++) {
            int rgb = 0;
            for (int band = 0; band < 3; band++) {
                rgb = rgb << 8 | Math.max(40, Math.min(215, 128 + Math.round(1.5f * sum[3 * i + band])));
            }
            image.setRGB(i % width, i / width, rgb);
        }
        return image;
    }

    /** [1, 3, height, width] of bytes, a pixel's three beside each other, as decoders give them. */
    private Tensor tensor(BufferedImage image) {
        byte[] rgb = new byte[3 * width * height];
        int[] row = image.getRGB(0, 0, width, height, null, 0, width);
        for (int i = 0; i < row.length; i++) {
            rgb[3 * i] = (byte) (row[i] >> 16);
            rgb[3 * i + 1] = (byte) (row[i] >> 8);
            rgb[3 * i + 2] = (byte) row[i];
        }
        try (BytePointer pointer = new BytePointer(rgb)) {
            TensorOptions options = new TensorOptions().dtype(new ScalarTypeOptional(ScalarType.Byte));
            return torch.from_blob(pointer, new long[] {1, height, width, 3}, options)
                    .clone()
                    .permute(0, 3, 1, 2);
        }
    }

    /** The largest error of our transform of a picture, in grey levels. */
    private double worst(int picture) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            Tensor truth = resized(bytes.get(picture).to(ScalarType.Double)).contiguous();
            double[] expected = new double[transform.elements()];
            truth.data_ptr_double().get(expected);
            float[] ours = transform.of(decoded.get(picture));
            double worst = 0;
            for (int i = 0; i < ours.length; i++) {
                int band = i / (size * size);
                double grey = Math.max(0, Math.min(255, expected[i]));
                worst = Math.max(worst, Math.abs((ours[i] * STD[band] + MEAN[band]) * 255 - grey));
            }
            return worst;
        }
    }

    /** The largest difference of LibTorch's batch from ours, in grey levels. */
    private double distance() {
        float[] theirs = new float[pictures * transform.elements()];
        batch.data_ptr_float().get(theirs);
        double worst = 0;
        for (int i = 0; i < theirs.length; i++) {
            worst = Math.max(worst, Math.abs(theirs[i] - out.get(i)) * 255 * STD[i / (size * size) % 3]);
        }
        return worst;
    }

    /** Shorter side and centre crop, as {@link ImageTransform} does them. */
    private Tensor resized(Tensor picture) {
        int shorter = Math.min(width, height);
        long w = (long) size * width / shorter;
        long h = (long) size * height / shorter;
        InterpolateFuncOptions options = new InterpolateFuncOptions();
        options.size().put(new LongVector(h, w));
        options.mode().put(new kBicubic());
        options.align_corners().put(false);
        options.antialias().put(true);
        return torch.interpolate(picture, options)
                .narrow(2, (h - size) / 2, size)
                .narrow(3, (w - size) / 2, size);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() throws IOException {
        bytes.forEach(Tensor::close);
        batch.close();
        mean.close();
        std.close();
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    @Override
    public String proof() {
        return proof;
    }

    @Override
    public Work work(String method) {
        return null;
    }

    @Override
    public Map<String, Object> facts() {
        long all = files.stream().mapToLong(file -> file.toFile().length()).sum();
        return Map.of("bytesPerFile", all / files.size());
    }

    /** Decoded, resized, cropped and normalised by two threads. */
    @Benchmark
    @Against("load")
    public long loadTwoThreads() {
        return load(2, transform::read);
    }

    /** The same by one thread. */
    @Benchmark
    @Against("decode")
    public long load() {
        return load(1, transform::read);
    }

    /** Decoding alone, which is ImageIO's. */
    @Benchmark
    public long decode() {
        long pixels = 0;
        try {
            for (Path file : files) {
                pixels += ImageTransform.read(file).getWidth();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return pixels;
    }

    private long load(int threads, PictureLoader.Source<Path> source) {
        try (PictureLoader<Path> loader =
                new PictureLoader<>(files.iterator(), source, transform.elements(), threads, 2 * pictures)) {
            out.clear();
            while (loader.hasNext()) {
                if (loader.next(out).failure() != null) {
                    throw new IllegalStateException("a picture that was just written cannot be read");
                }
            }
            return out.position();
        }
    }

    /** Decoded pictures resized, cropped and normalised. */
    @Benchmark
    @Against({"transformLibTorch", "transformLibTorchBytes"})
    public long transform() {
        out.clear();
        decoded.forEach(picture -> transform.of(picture, out));
        return out.position();
    }

    /** LibTorch's operations in float32, the usual way. */
    @Benchmark
    public long transformLibTorch() {
        return libTorch(picture -> resized(picture.to(ScalarType.Float))
                .round()
                .clamp(new ScalarOptional(new Scalar(0)), new ScalarOptional(new Scalar(255))));
    }

    /** LibTorch's operations, resizing in bytes. */
    @Benchmark
    public long transformLibTorchBytes() {
        return libTorch(picture -> resized(picture).to(ScalarType.Float));
    }

    private long libTorch(UnaryOperator<Tensor> resized) {
        int threads = torch.get_num_threads();
        torch.set_num_threads(1);
        try {
            for (int i = 0; i < pictures; i++) {
                try (PointerScope scope = new PointerScope();
                        NoGradGuard guard = new NoGradGuard()) {
                    Tensor normal = resized.apply(bytes.get(i))
                            .mul(new Scalar(1 / 255.0))
                            .sub(mean)
                            .div(std);
                    batch.narrow(0, i, 1).copy_(normal);
                }
            }
            return batch.numel();
        } finally {
            torch.set_num_threads(threads);
        }
    }
}
