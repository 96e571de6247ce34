package org.lexvla.benchmarks;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.lexvla.model.DeviceCopies;
import org.lexvla.model.PinnedMemory;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Arrow memory to a GPU: a batch alone, from pinned and from ordinary memory, with its share of what PCI Express can carry; and
 * several batches that are computed on, each copied while the one before is computed on, or one step after the other. On the CPU
 * nothing is copied, so there it measures nothing.
 */
@Warmup(iterations = 1, time = 2)
@Measurement(iterations = 5, time = 2)
@SuppressWarnings("try") // scopes and guards are there to be closed, not used
public class CopyBenchmark extends TimedBenchmark {
    private static final int BATCHES = 8;

    /** Where to copy to: cuda, or cpu to try the benchmark. */
    @Param({"cuda", "cpu"})
    public String device;

    /** Rows of a batch of float32. */
    @Param("16384")
    public int rows;

    /** Columns of a batch; the computation is a product with a square matrix of as many. */
    @Param("4096")
    public int width;

    private org.bytedeco.pytorch.Device where;
    private BufferAllocator allocator;
    private DeviceCopies copies;
    private ArrowBuf[] buffers;
    private Tensor[] pinned;
    private Tensor ordinary;
    private Tensor square;
    private String proof;

    /** Makes the batches, and proves that they arrive. */
    @Setup(Level.Trial)
    public void setUp() {
        torch.manual_seed(1);
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            where = BenchmarkDevice.of(device).retainReference();
            copies = DeviceCopies.to(Device.parse(device));
            allocator = PinnedMemory.allocator(4L * bytes());
            buffers = new ArrowBuf[] {allocator.buffer(bytes()), allocator.buffer(bytes())};
            pinned = new Tensor[] {on(buffers[0]), on(buffers[1])};
            ordinary = torch.randint(-100, 100, new long[] {rows, width})
                    .to(ScalarType.Float)
                    .retainReference();
            square = torch.randn(width, width)
                    .mul(new Scalar(1 / Math.sqrt(width)))
                    .to(where, ScalarType.Float)
                    .retainReference();
            for (Tensor batch : pinned) {
                batch.copy_(ordinary);
                try (DeviceCopies.Copy copy = copies.start(batch)) {
                    if (!copy.tensor().cpu().equal(ordinary)) {
                        throw new IllegalStateException("a batch did not arrive as it was");
                    }
                }
            }
            proof = "matches: both batches arrive, "
                    + (PinnedMemory.isPinned() ? "from pinned memory" : "nothing is pinned on this machine");
        }
    }

    private long bytes() {
        return (long) rows * width * Float.BYTES;
    }

    /** A batch in a buffer's memory. */
    private Tensor on(ArrowBuf buffer) {
        Pointer memory = new Pointer() {
            {
                address = buffer.memoryAddress();
            }
        };
        return torch.from_blob(memory, rows, width).retainReference();
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        for (int i = 0; i < buffers.length; i++) {
            pinned[i].close();
            buffers[i].close();
        }
        ordinary.close();
        square.close();
        where.close();
        copies.close();
        allocator.close();
    }

    @Override
    public String proof() {
        return proof;
    }

    /** The bytes of a batch, of the methods that only copy. */
    @Override
    public Work work(String method) {
        return method.startsWith("copy") ? new Work(Gpu.PCIE, bytes()) : null;
    }

    /** Ours: a batch from pinned memory. */
    @Benchmark
    @Against("copyOrdinary")
    public float copyPinned() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard();
                DeviceCopies.Copy copy = copies.start(pinned[0])) {
            return last(copy.tensor());
        }
    }

    /** LibTorch's copy of a batch from ordinary memory. */
    @Benchmark
    public float copyOrdinary() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            return last(ordinary.to(where, ScalarType.Float));
        }
    }

    /** Ours: batches from pinned memory, the next on its way while one is computed on. */
    @Benchmark
    @Against({"batchesOneAfterTheOther", "batchesWithoutCopies"})
    public float batchesBeside() {
        float sum = 0;
        try (NoGradGuard guard = new NoGradGuard()) {
            DeviceCopies.Copy next = copies.start(pinned[0]);
            for (int i = 0; i < BATCHES; i++) {
                try (PointerScope scope = new PointerScope();
                        DeviceCopies.Copy here = next) {
                    next = i + 1 < BATCHES ? copies.start(pinned[(i + 1) % 2]) : null;
                    sum += last(here.tensor().matmul(square));
                }
            }
        }
        return sum;
    }

    /** The same, with LibTorch's copies from ordinary memory before each computation. */
    @Benchmark
    public float batchesOneAfterTheOther() {
        float sum = 0;
        for (int i = 0; i < BATCHES; i++) {
            try (PointerScope scope = new PointerScope();
                    NoGradGuard guard = new NoGradGuard()) {
                sum += last(ordinary.to(where, ScalarType.Float).matmul(square));
            }
        }
        return sum;
    }

    /** The computation alone: what copies beside it could at best take no time of. */
    @Benchmark
    public float batchesWithoutCopies() {
        float sum = 0;
        try (PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
            Tensor there = torch.ones_like(square)
                    .repeat((rows + width - 1) / width, 1)
                    .narrow(0, 0, rows);
            for (int i = 0; i < BATCHES; i++) {
                sum += last(there.matmul(square));
            }
        }
        return sum;
    }

    /** The last element on the host: waits for the device. */
    private static float last(Tensor tensor) {
        return tensor.flatten().narrow(0, tensor.numel() - 1, 1).item_float();
    }
}
