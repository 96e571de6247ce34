package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.LongSummaryStatistics;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;

/** Loading a checkpoint of N bytes costs at most 1.1 N of memory, and next to nothing before it is used. */
@SuppressWarnings("try")
class SafetensorsMemoryTest {
    private static final long MIB = 1 << 20;
    private static final int ROUNDS = 4;

    @TempDir
    Path directory;

    private static Map<String, long[]> shapes() {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        for (int i = 0; i < 6; i++) {
            shapes.put("t" + i, new long[] {16, 1 << 20});
        }
        return shapes;
    }

    /** In bytes: after all tensors were made, and after all their elements were read. */
    private record Cost(LongSummaryStatistics loaded, LongSummaryStatistics read) {}

    /**
     * Of several rounds. In each, Java's own heap may grow or shrink as it likes: what must not be more is judged by the least, what
     * must not be less by the most.
     */
    private static Cost cost(Path path) throws IOException {
        Cost cost = new Cost(new LongSummaryStatistics(), new LongSummaryStatistics());
        for (int round = 0; round < ROUNDS; round++) {
            System.gc();
            long before = Resident.bytes();
            try (PointerScope scope = new PointerScope();
                    Safetensors file = Safetensors.open(path)) {
                List<Tensor> tensors = new ArrayList<>();
                file.names().forEach(name -> tensors.add(file.tensor(name, Device.cpu())));
                cost.loaded.accept(Resident.bytes() - before);
                for (Tensor tensor : tensors) {
                    assertThat(tensor.sum().item_double()).isZero();
                }
                cost.read.accept(Resident.bytes() - before);
            }
        }
        return cost;
    }

    private static void assertAboutAll(LongSummaryStatistics bytes, long size, String when) {
        assertThat(bytes.getMin()).as("%s, of %d", when, size).isLessThan(size * 11 / 10);
        assertThat(bytes.getMax()).as("%s, of %d", when, size).isGreaterThan(size * 9 / 10);
    }

    @Test
    void alignedTensorsAreReadInPlace() throws IOException {
        Path path = directory.resolve("a.safetensors");
        SparseCheckpoint.write(path, SafetensorsType.BF16, shapes());
        long size = Files.size(path);
        assertThat(size).isGreaterThan(192 * MIB);
        Cost cost = cost(path);
        assertThat(cost.loaded.getMin()).as("before use, of %d", size).isLessThan(size / 20);
        assertAboutAll(cost.read, size, "after use");
    }

    @Test
    void tensorsThatAreNotAlignedAreCopiedOnce() throws IOException {
        Path path = directory.resolve("a.safetensors");
        SparseCheckpoint.write(path, SafetensorsType.BF16, shapes(), 1);
        long size = Files.size(path);
        Cost cost = cost(path);
        assertAboutAll(cost.loaded, size, "before use");
        assertAboutAll(cost.read, size, "after use");
    }

    /** Its weights are looked through for NaN, which reads them all once. */
    @Test
    void aLanguageModelIsReadInPlace() throws IOException {
        LlamaConfig config = LlamaConfig.of(32_000, 1024, 2816, 3, 16, 256);
        config.save(directory);
        Path path = directory.resolve("model.safetensors");
        SparseCheckpoint.write(path, SafetensorsType.BF16, config.shapes());
        long size = Files.size(path);
        assertThat(size).isGreaterThan(192 * MIB);
        long least = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            System.gc();
            long before = Resident.bytes();
            try (PointerScope scope = new PointerScope();
                    Llama model = Llama.load(directory, Device.cpu(), null)) {
                least = Math.min(least, Resident.bytes() - before);
                assertThat(model.outputMatrix().size(0)).isEqualTo(32_000);
            }
        }
        assertThat(least).as("loaded, of %d", size).isLessThan(size * 11 / 10);
    }
}
