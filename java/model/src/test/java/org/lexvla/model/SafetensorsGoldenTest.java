package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.lexvla.lexical.Device;
import org.lexvla.testing.Golden;

/** {@code golden/safetensors}: what the reference implementation writes, accepts and refuses. */
@SuppressWarnings("try")
class SafetensorsGoldenTest {
    private static JsonNode json(String name) {
        try {
            return ConfigJson.JSON.readTree(
                    Golden.directory().resolve("safetensors").resolve(name).toFile());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void everyElementTypeIsReadExactly() {
        JsonNode expected = json("all_dtypes.json");
        Path path = Golden.directory().resolve("safetensors/all_dtypes.safetensors");
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(path)) {
            Map<String, String> metadata = new java.util.HashMap<>();
            expected.get("metadata")
                    .properties()
                    .forEach(e -> metadata.put(e.getKey(), e.getValue().textValue()));
            assertThat(file.metadata()).isEqualTo(metadata);
            assertThat(file.names())
                    .containsExactlyInAnyOrderElementsOf(expected.get("tensors").properties().stream()
                            .map(Map.Entry::getKey)
                            .toList());
            for (Map.Entry<String, JsonNode> entry : expected.get("tensors").properties()) {
                String name = entry.getKey();
                long[] shape = StreamSupport.stream(
                                entry.getValue().get("shape").spliterator(), false)
                        .mapToLong(JsonNode::asLong)
                        .toArray();
                assertThat(file.shape(name)).as(name).isEqualTo(shape);
                Tensor tensor = file.tensor(name, Device.cpu());
                assertThat(LibTorch.shape(tensor)).as(name).isEqualTo(shape);
                assertThat(tensor.scalar_type().intern()).as(name).isEqualTo(scalar(entry.getValue()));
                compare(name, tensor, entry.getValue().get("values"));
            }
        }
    }

    private static ScalarType scalar(JsonNode entry) {
        return switch (entry.get("dtype").textValue()) {
            case "float16" -> ScalarType.Half;
            case "bfloat16" -> ScalarType.BFloat16;
            case "float32" -> ScalarType.Float;
            case "float64" -> ScalarType.Double;
            case "int8" -> ScalarType.Char;
            case "uint8" -> ScalarType.Byte;
            case "int16" -> ScalarType.Short;
            case "int32" -> ScalarType.Int;
            case "int64" -> ScalarType.Long;
            case "bool" -> ScalarType.Bool;
            default -> throw new IllegalArgumentException(entry.get("dtype").textValue());
        };
    }

    private static void compare(String name, Tensor tensor, JsonNode values) {
        assertThat(tensor.numel()).as(name).isEqualTo(values.size());
        boolean whole = !tensor.is_floating_point();
        long[] longs = whole ? LibTorch.longs(tensor) : null;
        Tensor doubles = whole ? null : tensor.to(ScalarType.Double).contiguous();
        for (int i = 0; i < values.size(); i++) {
            if (whole) {
                long expected = values.get(i).isBoolean()
                        ? (values.get(i).booleanValue() ? 1 : 0)
                        : Long.parseLong(values.get(i).textValue());
                assertThat(longs[i]).as(name + " " + i).isEqualTo(expected);
            } else {
                double expected = Double.parseDouble(values.get(i).textValue());
                // By bits, so that -0.0 is not 0.0; NaN is NaN.
                assertThat(Double.doubleToLongBits(doubles.data_ptr_double().get(i)))
                        .as(name + " " + i)
                        .isEqualTo(Double.doubleToLongBits(expected));
            }
        }
    }

    static Stream<Path> unusual() {
        return Golden.files("safetensors/unusual", ".safetensors").stream();
    }

    @ParameterizedTest
    @MethodSource("unusual")
    void unusualFilesAreAccepted(Path path) throws IOException {
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(path)) {
            long bytes = 0;
            for (String name : file.names()) {
                bytes += file.tensor(name, Device.cpu()).nbytes();
            }
            long header = java.nio.ByteBuffer.wrap(Files.readAllBytes(path))
                    .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                    .getLong();
            assertThat(bytes).isEqualTo(Files.size(path) - 8 - header);
        }
    }

    static Stream<Path> malformed() {
        return Golden.files("safetensors/malformed", ".safetensors").stream();
    }

    @ParameterizedTest
    @MethodSource("malformed")
    void malformedFilesAreRefusedForWhatIsWrongWithThem(Path path) {
        String kind = json("expected_rejections.json")
                .get("files")
                .path(path.getFileName().toString())
                .asText();
        assertThatThrownBy(() -> Safetensors.open(path).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(path + " ")
                .message()
                .containsPattern(ours(kind));
    }

    /** What our message says where the reference reports this kind of error. */
    private static String ours(String kind) {
        if (kind.startsWith("InvalidOffset(")) {
            return "tensor " + kind.replaceAll(".*\"(.*)\".*", "$1") + "\\b.*byte";
        }
        return switch (kind) {
            case "HeaderTooSmall", "InvalidHeaderLength" -> "bytes.*truncated";
            case "HeaderTooLarge" -> "header of \\d+ bytes, the limit is";
            case "InvalidHeader" -> "not UTF-8";
            case "InvalidHeaderDeserialization" -> "JSON|begin with|data_offsets|element type|needs a count|no string";
            case "MetadataIncompleteBuffer" -> "truncated|bytes after its last tensor";
            case "ValidationOverflow" -> "size overflows";
            case "TensorInvalidInfo" -> "its shape .* takes";
            default -> "";
        };
    }

    @Test
    void everyListedRejectionIsTested() {
        assertThat(malformed().map(path -> path.getFileName().toString()))
                .containsExactlyInAnyOrderElementsOf(json("expected_rejections.json").get("files").properties().stream()
                        .map(Map.Entry::getKey)
                        .toList());
    }
}
