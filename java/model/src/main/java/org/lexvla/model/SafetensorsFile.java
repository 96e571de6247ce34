package org.lexvla.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/** One safetensors file: its checked header, and its data mapped into memory. */
final class SafetensorsFile implements AutoCloseable {
    /** The limit of the reference implementation. */
    static final long MAX_HEADER = 100_000_000;

    /**
     * A header nests three deep: all of it, a tensor, its shape. Deeper ones are refused before they are built, for a level takes
     * 200 to 300 bytes of memory and one of the file. Strict otherwise as {@link ConfigJson#JSON}.
     */
    private static final JsonMapper HEADER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxNestingDepth(3).build())
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    record Entry(SafetensorsType type, long[] shape, long begin, long end) {
        long bytes() {
            return end - begin;
        }
    }

    private final Path path;
    private final long size;
    private final long dataStart;
    private final Map<String, Entry> entries;
    private final Map<String, String> metadata;
    private Tensor mapping;
    private boolean closed;

    private SafetensorsFile(Path path, long size, long dataStart, Header header) {
        this.path = path;
        this.size = size;
        this.dataStart = dataStart;
        this.entries = header.entries;
        this.metadata = header.metadata;
    }

    private record Header(Map<String, Entry> entries, Map<String, String> metadata) {}

    /** Opens a file and checks its header wholly. */
    static SafetensorsFile open(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < Long.BYTES) {
                throw malformed(path, "has " + size + " bytes, a header length alone takes 8: the file is truncated");
            }
            ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            readFully(channel, length, 0);
            long headerBytes = length.getLong(0);
            if (headerBytes < 0 || headerBytes > MAX_HEADER) {
                throw malformed(
                        path,
                        "announces a header of " + Long.toUnsignedString(headerBytes) + " bytes, the limit is "
                                + MAX_HEADER + ": this is no safetensors file");
            }
            if (headerBytes > size - Long.BYTES) {
                throw malformed(
                        path,
                        "announces a header of " + headerBytes + " bytes, only " + (size - Long.BYTES)
                                + " follow: the file is truncated");
            }
            ByteBuffer text = ByteBuffer.allocate((int) headerBytes);
            readFully(channel, text, Long.BYTES);
            long dataStart = Long.BYTES + headerBytes;
            Header header = parse(path, text.flip(), size - dataStart);
            return new SafetensorsFile(path, size, dataStart, header);
        }
    }

    private static void readFully(FileChannel channel, ByteBuffer into, long position) throws IOException {
        while (into.hasRemaining()) {
            int read = channel.read(into, position + into.position());
            if (read < 0) {
                throw new EOFException("file ended while it was read");
            }
        }
    }

    private static Header parse(Path path, ByteBuffer text, long dataBytes) {
        String json;
        try {
            json = StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(text)
                    .toString();
        } catch (CharacterCodingException e) {
            throw malformed(path, "has a header that is not UTF-8");
        }
        if (!json.startsWith("{")) {
            throw malformed(path, "has a header that does not begin with '{'");
        }
        JsonNode root;
        try {
            root = HEADER.readTree(json);
        } catch (JsonProcessingException e) {
            throw malformed(path, "has a header that is not proper JSON: " + e.getOriginalMessage());
        }
        Map<String, Entry> entries = new LinkedHashMap<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : root.properties()) {
            if (field.getKey().equals("__metadata__")) {
                metadata.putAll(metadata(path, field.getValue()));
            } else {
                entries.put(field.getKey(), entry(path, field.getKey(), field.getValue(), dataBytes));
            }
        }
        requireDense(path, entries, dataBytes);
        return new Header(entries, metadata);
    }

    private static Map<String, String> metadata(Path path, JsonNode node) {
        if (!node.isObject()) {
            throw malformed(path, "has a __metadata__ that is no object");
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : node.properties()) {
            if (!field.getValue().isTextual()) {
                throw malformed(path, "has a __metadata__ entry " + field.getKey() + " that is no string");
            }
            metadata.put(field.getKey(), field.getValue().textValue());
        }
        return metadata;
    }

    private static Entry entry(Path path, String name, JsonNode node, long dataBytes) {
        JsonNode shapeNode = node.path("shape");
        JsonNode offsets = node.path("data_offsets");
        if (!node.path("dtype").isTextual() || !shapeNode.isArray() || !offsets.isArray() || offsets.size() != 2) {
            throw malformed(path, "has no dtype, shape and two data_offsets for tensor " + name);
        }
        SafetensorsType type = SafetensorsType.named(node.get("dtype").textValue());
        if (type == null) {
            throw malformed(
                    path,
                    "gives tensor " + name + " the element type " + node.get("dtype") + "; known are "
                            + Arrays.toString(SafetensorsType.values()));
        }
        long[] shape = new long[shapeNode.size()];
        long bytes = type.bytes();
        try {
            for (int i = 0; i < shape.length; i++) {
                shape[i] = count(path, name, shapeNode.get(i));
                bytes = Math.multiplyExact(bytes, shape[i]);
            }
        } catch (ArithmeticException e) {
            throw malformed(path, "gives tensor " + name + " a shape whose size overflows: " + shapeNode);
        }
        long begin = count(path, name, offsets.get(0));
        long end = count(path, name, offsets.get(1));
        if (begin > end || end > dataBytes) {
            throw malformed(
                    path,
                    "puts tensor " + name + " at bytes " + begin + " to " + end + " of " + dataBytes
                            + (end > dataBytes ? ": the file is truncated" : ""));
        }
        if (end - begin != bytes) {
            throw malformed(
                    path,
                    "gives tensor " + name + " " + (end - begin) + " bytes, its shape " + shapeNode + " of " + type
                            + " takes " + bytes);
        }
        return new Entry(type, shape, begin, end);
    }

    private static long count(Path path, String name, JsonNode node) {
        if (!node.isIntegralNumber() || !node.canConvertToLong() || node.longValue() < 0) {
            throw malformed(path, "has " + node + " where tensor " + name + " needs a count");
        }
        return node.longValue();
    }

    /** The tensors must tile the data: no gap, no overlap, nothing left over. */
    private static void requireDense(Path path, Map<String, Entry> entries, long dataBytes) {
        List<Map.Entry<String, Entry>> ordered = new ArrayList<>(entries.entrySet());
        ordered.sort(Comparator.comparingLong(
                        (Map.Entry<String, Entry> e) -> e.getValue().begin())
                .thenComparingLong(e -> e.getValue().end()));
        long at = 0;
        for (Map.Entry<String, Entry> entry : ordered) {
            long begin = entry.getValue().begin();
            if (begin != at) {
                throw malformed(
                        path,
                        (begin < at
                                        ? "lets tensor " + entry.getKey() + " overlap the one before it"
                                        : "has a hole before tensor " + entry.getKey())
                                + ": it begins at byte " + begin + ", expected " + at);
            }
            at = entry.getValue().end();
        }
        if (at != dataBytes) {
            throw malformed(path, "has " + (dataBytes - at) + " bytes after its last tensor");
        }
    }

    private static IllegalArgumentException malformed(Path path, String what) {
        return new IllegalArgumentException(path + " " + what);
    }

    Path path() {
        return path;
    }

    Map<String, Entry> entries() {
        return entries;
    }

    Map<String, String> metadata() {
        return metadata;
    }

    /** See {@link Safetensors#tensor}. */
    Tensor tensor(String name, Device device) {
        Entry entry = entries.get(name);
        ScalarType type = entry.type().scalar();
        if (entry.bytes() == 0) {
            return LibTorch.empty(type, device, entry.shape());
        }
        long start = dataStart + entry.begin();
        Tensor aligned = start % entry.type().bytes() == 0
                ? mapping().narrow(0, start, entry.bytes())
                : copy(start, entry.bytes());
        // data() cuts the tie between views of one mapping, which otherwise count each other's changes as their own.
        Tensor tensor = aligned.view(type).view(entry.shape()).data();
        return device.isCpu() ? tensor : tensor.to(LibTorch.device(device), type);
    }

    /** Through a mapping of its own, which ends at once: in the common one the pages would stay beside their copy. */
    @SuppressWarnings("try") // the scope ends the mapping
    private Tensor copy(long start, long bytes) {
        requireOpen();
        Tensor copy = LibTorch.empty(ScalarType.Byte, Device.cpu(), bytes);
        try (PointerScope scope = new PointerScope()) {
            copy.copy_(map().narrow(0, start, bytes));
        }
        return copy;
    }

    private synchronized Tensor mapping() {
        requireOpen();
        if (mapping == null) {
            mapping = LibTorch.keep(map());
        }
        return mapping;
    }

    /** The whole file as bytes, copied on write; pages are read when they are touched. */
    private Tensor map() {
        return torch.from_file(
                path.toString(),
                new BoolOptional(false),
                new LongOptional(size),
                LibTorch.options(ScalarType.Byte, Device.cpu()));
    }

    private synchronized void requireOpen() {
        if (closed) {
            throw new IllegalStateException(path + " has been closed: open it again, or close it later");
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        if (mapping != null) {
            mapping.close();
            mapping = null;
        }
    }
}
