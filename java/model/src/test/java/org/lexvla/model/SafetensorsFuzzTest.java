package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/**
 * Whatever the bytes are, a file is either read or refused with a message that names it, and nothing is allocated that is
 * out of proportion to it. {@code -Dlexvla.fuzz.files=100000} makes a long run.
 */
@Seeded
@SuppressWarnings("try")
class SafetensorsFuzzTest {
    private static final int FILES = Integer.getInteger("lexvla.fuzz.files", 2000);
    /**
     * Of Java's heap: buffers and messages, 93 KB at most in 100,000 files, but for one file of 200 KB whose message was the first
     * of its kind in the process. Brackets are refused where they are too deep.
     */
    private static final long LIMIT = 256 << 10;

    private static final String[] NUMBERS = {
        "-1",
        "0",
        "1",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "1e3",
        "1.5",
        "1e999",
        "18446744073709551616",
        "null",
        "\"3\"",
        "[]",
        "{}",
        "00"
    };

    @TempDir
    Path directory;

    private static byte[] good(Path path, RandomSource random) throws IOException {
        try (PointerScope scope = new PointerScope()) {
            Safetensors.write(
                    path,
                    Map.of(
                            "a", LibTorch.of(random.gaussians(6), 2, 3),
                            "b", LibTorch.of(new long[] {1, 2, 3}, 3),
                            "c", LibTorch.of(random.gaussians(1)).to(org.bytedeco.pytorch.global.torch.ScalarType.Half),
                            "ü", LibTorch.of(new float[0], 0, 4)),
                    Map.of("format", "pt"));
        }
        return Files.readAllBytes(path);
    }

    private static byte[] mutated(byte[] good, RandomSource random) {
        byte[] bad = random.nextInt(3) == 0 ? header(good, random) : good.clone();
        for (int change = random.nextInt(4); change > 0; change--) {
            int at = random.nextInt(random.nextInt(4) == 0 ? 12 : bad.length);
            bad[at] = random.nextBoolean()
                    ? (byte) random.nextInt()
                    : (byte) "0123456789[]{},:\"-".charAt(random.nextInt(18));
        }
        if (random.nextInt(4) == 0) {
            bad = Arrays.copyOf(bad, random.nextInt(bad.length + 20));
        }
        return bad;
    }

    /** Another header of the right length: a number replaced, or a piece of it taken out or repeated. */
    private static byte[] header(byte[] good, RandomSource random) {
        int length = (int) ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong();
        String json = new String(good, Long.BYTES, length, StandardCharsets.UTF_8);
        int from = random.nextInt(json.length());
        int to = Math.min(json.length(), from + random.nextInt(40));
        String changed;
        switch (random.nextInt(4)) {
            case 0 -> changed = json.substring(0, from) + json.substring(to);
            case 1 -> changed = json.substring(0, to) + json.substring(from);
            case 2 -> changed = json.substring(0, from) + "[".repeat(random.nextInt(5000)) + json.substring(to);
            default -> {
                while (from < json.length() && !Character.isDigit(json.charAt(from))) {
                    from++;
                }
                to = from;
                while (to < json.length() && Character.isDigit(json.charAt(to))) {
                    to++;
                }
                changed = json.substring(0, from) + NUMBERS[random.nextInt(NUMBERS.length)] + json.substring(to);
            }
        }
        byte[] text = changed.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(Long.BYTES + text.length + good.length - Long.BYTES - length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(text.length)
                .put(text)
                .put(good, Long.BYTES + length, good.length - Long.BYTES - length)
                .array();
    }

    @Test
    void mutatedFilesAreReadOrRefused(RandomSource random) throws IOException {
        Path path = directory.resolve("a");
        byte[] good = good(path, random);
        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int refused = 0;
        long most = 0;
        long started = System.nanoTime();
        for (int round = 0; round < FILES; round++) {
            byte[] bad = mutated(good, random);
            Files.write(path, bad);
            long before = thread.getThreadAllocatedBytes(Thread.currentThread().getId());
            try (PointerScope scope = new PointerScope();
                    Safetensors file = Safetensors.open(path)) {
                long bytes = 0;
                for (String name : file.names()) {
                    Tensor tensor = file.tensor(name, Device.cpu());
                    bytes += tensor.nbytes();
                    // Reads every element, wherever the header says it lies.
                    tensor.clone();
                }
                assertThat(bytes).isLessThanOrEqualTo(bad.length);
            } catch (IllegalArgumentException e) {
                assertThat(e).hasMessageStartingWith(path.toString());
                refused++;
            }
            long allocated =
                    thread.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
            // The first rounds load classes.
            most = Math.max(most, round < 200 ? 0 : allocated - 16L * bad.length);
        }
        System.out.printf(
                Locale.ROOT,
                "%,d mutated files in %.1f s, %,d refused; at most %,d bytes allocated besides 16 a byte of the file%n",
                FILES,
                (System.nanoTime() - started) / 1e9,
                refused,
                most);
        assertThat(refused).as("refused").isBetween(FILES / 3, FILES - 1);
        assertThat(most).as("bytes allocated").isLessThan(LIMIT);
    }
}
