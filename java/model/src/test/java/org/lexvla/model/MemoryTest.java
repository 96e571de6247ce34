package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;

/** Native memory: steps in a scope leave nothing behind, closed models leave nothing behind. */
@SuppressWarnings("try")
class MemoryTest {
    private static final long MIB = 1 << 20;
    /** Of a thousand steps. The smallest activation [160, 32] has 20 KiB: leaking two of them a step would show. */
    private static final long LIMIT = 40;

    /** What the process holds besides the heap and the classes of Java, which grow as they like. */
    private static long resident() {
        System.gc();
        var java = ManagementFactory.getMemoryMXBean();
        return Pointer.physicalBytes()
                - java.getHeapMemoryUsage().getCommitted()
                - java.getNonHeapMemoryUsage().getCommitted();
    }

    private int threads;

    /** Tiny steps are mostly waiting for each other's threads, the more so on a busy machine. */
    @BeforeEach
    void oneThread() {
        threads = torch.get_num_threads();
        torch.set_num_threads(1);
    }

    @AfterEach
    void threadsAsBefore() {
        torch.set_num_threads(threads);
    }

    @Test
    void scopedStepsLeaveNothingBehind() {
        LlamaConfig textConfig = LlamaConfig.of(64, 32, 48, 2, 2, 32);
        DinoV2Config visionConfig = DinoV2Config.of(32, 2, 2, 8, 32);
        try (Llama text = Llama.random(textConfig, 1, Device.cpu());
                Lora lora = Lora.create(LoraConfig.standard(), textConfig, 1, Device.cpu());
                DinoV2 vision = DinoV2.random(visionConfig, 1, Device.cpu())) {
            text.attach(lora);
            vision.setTrainable(true);
            for (int step = 0; step < 200; step++) {
                step(text, vision);
            }
            long pointers = Pointer.totalCount();
            // A leak shows in every thousand steps; that Java touches more of the heap it has committed, only in some.
            long least = Long.MAX_VALUE;
            for (int thousand = 0; thousand < 4 && least >= LIMIT; thousand++) {
                long before = resident();
                for (int step = 0; step < 1000; step++) {
                    step(text, vision);
                }
                least = Math.min(least, (resident() - before) / MIB);
            }
            assertThat(Pointer.totalCount() - pointers)
                    .as("pointers left behind")
                    .isLessThan(50);
            assertThat(least).as("least MiB that a thousand steps left behind").isLessThan(LIMIT);
        }
    }

    private static void step(Llama text, DinoV2 vision) {
        try (PointerScope scope = new PointerScope()) {
            Tensor ids = LibTorch.of(new long[8 * 20], 8, 20);
            long[] mask = new long[8 * 20];
            java.util.Arrays.fill(mask, 1);
            mask[0] = 0;
            text.forward(ids, LibTorch.of(mask, 8, 20)).sum().backward();
            vision.forward(LibTorch.of(new float[8 * 3 * 32 * 48], 8, 3, 32, 48))
                    .sum()
                    .backward();
        }
    }

    @Test
    void closedModelsLeaveNothingBehind(@TempDir Path directory) throws IOException {
        LlamaConfig config = LlamaConfig.of(16384, 128, 64, 1, 2, 32);
        try (Llama model = Llama.random(config, 1, Device.cpu())) {
            model.save(directory);
        }
        long bytes = Files.size(directory.resolve("model.safetensors"));
        assertThat(bytes).isGreaterThan(16 * MIB);
        touch(directory);
        long before = resident();
        long pointers = Pointer.totalCount();
        for (int round = 0; round < 20; round++) {
            touch(directory);
        }
        assertThat(Pointer.totalCount()).as("pointers left behind").isLessThanOrEqualTo(pointers + 5);
        assertThat(resident() - before).as("bytes after 20 times %s", bytes).isLessThan(2 * bytes);
    }

    private static void touch(Path directory) {
        try (PointerScope scope = new PointerScope();
                Llama model = Llama.load(directory, Device.cpu(), null)) {
            for (Tensor tensor : model.parameters().values()) {
                tensor.sum();
            }
        }
    }
}
