package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
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
    private record Cost(long loaded, long read) {}

    /** The least of several rounds: in each, Java's own heap may grow as it likes. */
    private static Cost cost(Path path) throws IOException {
        Cost least = new Cost(Long.MAX_VALUE, Long.MAX_VALUE);
        for (int round = 0; round < ROUNDS; round++) {
            System.gc();
            long before = Resident.bytes();
            try (PointerScope scope = new PointerScope();
                    Safetensors file = Safetensors.open(path)) {
                List<Tensor> tensors = new ArrayList<>();
                file.names().forEach(name -> tensors.add(file.tensor(name, Device.cpu())));
                long loaded = Resident.bytes() - before;
                for (Tensor tensor : tensors) {
                    assertThat(tensor.sum().item_double()).isZero();
                }
                least = new Cost(Math.min(least.loaded, loaded), Math.min(least.read, Resident.bytes() - before));
            }
        }
        return least;
    }

    @Test
    void alignedTensorsAreReadInPlace() throws IOException {
        Path path = directory.resolve("a.safetensors");
        SparseCheckpoint.write(path, SafetensorsType.BF16, shapes());
        long size = Files.size(path);
        assertThat(size).isGreaterThan(192 * MIB);
        Cost cost = cost(path);
        assertThat(cost.loaded()).as("before use, of %d", size).isLessThan(size / 20);
        assertThat(cost.read()).as("after use, of %d", size).isBetween(size * 9 / 10, size * 11 / 10);
    }

    @Test
    void tensorsThatAreNotAlignedAreCopiedOnce() throws IOException {
        Path path = directory.resolve("a.safetensors");
        SparseCheckpoint.write(path, SafetensorsType.BF16, shapes(), 1);
        long size = Files.size(path);
        Cost cost = cost(path);
        assertThat(cost.loaded()).as("before use, of %d", size).isBetween(size * 9 / 10, size * 11 / 10);
        assertThat(cost.read()).as("after use, of %d", size).isBetween(size * 9 / 10, size * 11 / 10);
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
