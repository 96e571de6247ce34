package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@SuppressWarnings("try")
class SafetensorsTest {
    private static final ScalarType[] TYPES = {
        ScalarType.Float, ScalarType.Double, ScalarType.Half, ScalarType.BFloat16, ScalarType.Long, ScalarType.Byte
    };

    @TempDir
    Path directory;

    private static Map<String, Tensor> tensors(RandomSource random) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < 8; i++) {
            long[] shape = random.ints(random.nextInt(4), 0, 6).asLongStream().toArray();
            float[] values = random.gaussians((int) Parameters.product(shape));
            tensors.put(
                    "t" + random.nextInt(1000) + "/ü" + i,
                    LibTorch.of(values, shape).to(TYPES[i % TYPES.length]));
        }
        return tensors;
    }

    private static byte[] raw(Tensor tensor) {
        byte[] bytes = new byte[(int) tensor.nbytes()];
        if (bytes.length > 0) {
            new org.bytedeco.javacpp.BytePointer(tensor.contiguous().data_ptr()).get(bytes);
        }
        return bytes;
    }

    @Test
    void readsWhatItWrote(RandomSource random) throws IOException {
        Path path = directory.resolve("sub/a.safetensors");
        try (PointerScope scope = new PointerScope()) {
            Map<String, Tensor> tensors = tensors(random);
            Safetensors.write(path, tensors, Map.of("format", "pt"));
            try (Safetensors file = Safetensors.open(path)) {
                assertThat(file.metadata()).isEqualTo(Map.of("format", "pt"));
                assertThat(file.names()).containsExactlyInAnyOrderElementsOf(tensors.keySet());
                tensors.forEach((name, tensor) -> {
                    Tensor read = file.tensor(name, Device.cpu());
                    assertThat(LibTorch.shape(read)).isEqualTo(LibTorch.shape(tensor));
                    assertThat(read.scalar_type().intern())
                            .isEqualTo(tensor.scalar_type().intern());
                    assertThat(raw(read)).as(name).isEqualTo(raw(tensor));
                });
            }
        }
        byte[] bytes = Files.readAllBytes(path);
        long header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        assertThat((header + 8) % 64).as("alignment of the data").isZero();
        try (Stream<Path> left = Files.list(path.getParent())) {
            assertThat(left).as("no temporary file is left").containsExactly(path);
        }
    }

    @Test
    void sameTensorsGiveTheSameBytesInWhateverOrder(RandomSource random) throws IOException {
        try (PointerScope scope = new PointerScope()) {
            Map<String, Tensor> tensors = tensors(random);
            Map<String, Tensor> reversed = new LinkedHashMap<>();
            java.util.List<String> names = new java.util.ArrayList<>(tensors.keySet());
            java.util.Collections.reverse(names);
            names.forEach(name -> reversed.put(name, tensors.get(name)));
            Safetensors.write(directory.resolve("a"), tensors, Map.of("x", "1", "y", "2"));
            Safetensors.write(directory.resolve("b"), reversed, Map.of("y", "2", "x", "1"));
        }
        assertThat(Files.mismatch(directory.resolve("a"), directory.resolve("b")))
                .isEqualTo(-1);
    }

    @Test
    void writesTransposedTensorsInRowMajorOrder() {
        Path path = directory.resolve("a");
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor = LibTorch.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).t();
            Safetensors.write(path, Map.of("a", tensor), Map.of());
            try (Safetensors file = Safetensors.open(path)) {
                assertThat(Numbers.floats(file.tensor("a", Device.cpu()))).containsExactly(1, 4, 2, 5, 3, 6);
            }
        }
    }

    @Test
    void tensorsOutliveTheReaderAndTheFile() throws IOException {
        Path path = write("a", 1, 2, 3);
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor;
            try (Safetensors file = Safetensors.open(path)) {
                tensor = file.tensor("a", Device.cpu());
            }
            Files.delete(path);
            assertThat(Numbers.floats(tensor)).containsExactly(1, 2, 3);
        }
    }

    /** What outlives the scopes of a step: a view of a view, whose mapping nobody else holds any more. */
    @Test
    void theMappingLivesAsLongAsTheLastViewOfIt() {
        Path path = write("a", 1, 2, 3, 4);
        Tensor row;
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor;
            try (Safetensors file = Safetensors.open(path)) {
                tensor = file.tensor("a", Device.cpu());
            }
            row = LibTorch.keep(tensor.view(2, 2).narrow(0, 1, 1));
        }
        System.gc();
        try (PointerScope scope = new PointerScope();
                Safetensors other = Safetensors.open(path)) {
            // Were it unmapped, this mapping might take its place.
            other.tensor("a", Device.cpu()).zero_();
            assertThat(Numbers.floats(row)).containsExactly(3, 4);
        } finally {
            row.close();
        }
    }

    @Test
    void whoeverMayReadOtherFilesMayReadTheWrittenOne() throws IOException {
        Path path = write("a", 1, 2, 3);
        Path plain = Files.writeString(directory.resolve("plain"), "");
        assertThat(Files.getPosixFilePermissions(path)).isEqualTo(Files.getPosixFilePermissions(plain));
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactlyInAnyOrder(path, plain);
        }
    }

    @Test
    void writesInSeveralChunks() throws IOException {
        Path path = directory.resolve("a");
        long count = (SafetensorsWriter.CHUNK / Integer.BYTES) * 5 / 4;
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor = torch.arange(new Scalar(count), LibTorch.options(ScalarType.Int, Device.cpu()));
            Safetensors.write(path, Map.of("a", tensor), Map.of());
            try (Safetensors file = Safetensors.open(path)) {
                assertThat(file.tensor("a", Device.cpu()).equal(tensor)).isTrue();
            }
        }
    }

    /** No 32-bit number may stand between a header and its data. */
    @Test
    void readsATensorOfMoreThanTwoGigabytes() throws IOException {
        long elements = (1L << 31) + 8;
        Path path = directory.resolve("a");
        SparseCheckpoint.write(path, SafetensorsType.U8, Map.of("a", new long[] {elements}));
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {42}), channel.size() - 1);
        }
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(path)) {
            Tensor tensor = file.tensor("a", Device.cpu());
            assertThat(tensor.numel()).isEqualTo(elements);
            assertThat(LibTorch.longs(tensor.narrow(0, elements - 2, 2))).containsExactly(0, 42);
        }
    }

    @Test
    void changingATensorChangesNeitherTheFileNorItsOtherReaders() {
        Path path = write("a", 1, 2, 3);
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(path)) {
            Tensor tensor = file.tensor("a", Device.cpu());
            tensor.zero_();
            assertThat(Numbers.floats(tensor)).containsExactly(0, 0, 0);
            try (Safetensors again = Safetensors.open(path)) {
                assertThat(Numbers.floats(again.tensor("a", Device.cpu()))).containsExactly(1, 2, 3);
            }
        }
    }

    @Test
    void readsDataThatAreNotAligned() throws IOException {
        byte[] header =
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}".getBytes(StandardCharsets.UTF_8);
        assertThat((header.length + 8) % 4).as("or this tests nothing").isNotZero();
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length + 8).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length).put(header).putFloat(1.5f).putFloat(-2);
        Path path = Files.write(directory.resolve("a"), bytes.array());
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(path)) {
            assertThat(Numbers.floats(file.tensor("a", Device.cpu()))).containsExactly(1.5f, -2);
        }
    }

    private Path write(String name, float... values) {
        Path path = directory.resolve(name + ".safetensors");
        try (PointerScope scope = new PointerScope()) {
            Safetensors.write(path, Map.of(name, LibTorch.of(values, values.length)), Map.of());
        }
        return path;
    }

    private void index(String json) throws IOException {
        Files.writeString(directory.resolve(Safetensors.INDEX), json);
    }

    @Test
    void joinsShards() throws IOException {
        write("a", 1);
        write("b", 2);
        index("{\"metadata\":{},\"weight_map\":{\"a\":\"a.safetensors\",\"b\":\"b.safetensors\"}}");
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(directory)) {
            assertThat(file.names()).containsExactlyInAnyOrder("a", "b");
            assertThat(Numbers.floats(file.tensor("a", Device.cpu()))).containsExactly(1);
            assertThat(Numbers.floats(file.tensor("b", Device.cpu()))).containsExactly(2);
        }
    }

    @Test
    void missingShardIsNamed() throws IOException {
        write("a", 1);
        index("{\"weight_map\":{\"a\":\"a.safetensors\",\"b\":\"b.safetensors\"}}");
        assertThatThrownBy(() -> Safetensors.open(directory).close())
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("b.safetensors is missing");
    }

    @Test
    void shardWithoutItsTensorIsNamed() throws IOException {
        write("a", 1);
        index("{\"weight_map\":{\"a\":\"a.safetensors\",\"b\":\"a.safetensors\"}}");
        assertThatThrownBy(() -> Safetensors.open(directory).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tensor b is not in");
    }

    @Test
    void shardsLieBesideTheirIndex() throws IOException {
        index("{\"weight_map\":{\"a\":\"../a.safetensors\"}}");
        assertThatThrownBy(() -> Safetensors.open(directory).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a file beside it");
    }

    @Test
    void missingWeightsAreNamedWithARemedy() {
        assertThatThrownBy(() -> Safetensors.open(directory).close())
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining(directory.resolve("model.safetensors").toString())
                .hasMessageContaining("converted");
    }

    @Test
    void unknownNameIsRefused() {
        Path path = write("a", 1);
        try (Safetensors file = Safetensors.open(path)) {
            assertThatThrownBy(() -> file.shape("b"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("no tensor b");
        }
    }

    @Test
    void nameTwiceIsRefused() throws IOException {
        String entry = "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
        byte[] header = ("{" + entry + "," + entry + "}").getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length).order(ByteOrder.LITTLE_ENDIAN);
        Path path = Files.write(
                directory.resolve("a"), bytes.putLong(header.length).put(header).array());
        assertThatThrownBy(() -> Safetensors.open(path).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Duplicate field 'a'");
    }

    @Test
    void closedReaderSaysSo() {
        Path path = write("a", 1);
        Safetensors file = Safetensors.open(path);
        file.close();
        assertThatThrownBy(() -> file.tensor("a", Device.cpu()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("has been closed");
    }
}
