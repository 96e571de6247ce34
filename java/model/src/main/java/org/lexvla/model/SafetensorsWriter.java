package org.lexvla.model;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** See {@link Safetensors#write}. */
final class SafetensorsWriter {
    /** The data begin at a multiple of this, so that a mapped file is aligned like LibTorch's own memory. */
    private static final int ALIGNMENT = 64;

    /** Bytes that are written at once; a buffer reaches no further than 2^31. */
    static final long CHUNK = 1L << 26;

    private SafetensorsWriter() {}

    private record Item(String name, Tensor tensor, SafetensorsType type) {}

    static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) throws IOException {
        List<Item> items = new ArrayList<>();
        for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
            SafetensorsType type = SafetensorsType.of(entry.getValue().scalar_type());
            if (type == null) {
                throw new IllegalArgumentException("tensor " + entry.getKey() + " for " + file + " has element type "
                        + entry.getValue().scalar_type() + ", which the format lacks: convert it first");
            }
            items.add(new Item(entry.getKey(), entry.getValue(), type));
        }
        // Large elements first keeps every tensor aligned to its own element.
        items.sort(Comparator.comparingInt((Item item) -> -item.type().bytes()).thenComparing(Item::name));

        Files.createDirectories(file.toAbsolutePath().getParent());
        Path beside = PartFile.beside(file);
        try {
            try (FileChannel channel =
                    FileChannel.open(beside, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                writeFully(channel, header(items, metadata));
                for (Item item : items) {
                    writeData(channel, item.tensor());
                }
                channel.force(true);
            }
            Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(beside);
        }
    }

    private static ByteBuffer header(List<Item> items, Map<String, String> metadata) throws IOException {
        ObjectNode root = ConfigJson.JSON.createObjectNode();
        if (!metadata.isEmpty()) {
            ObjectNode node = root.putObject("__metadata__");
            new TreeMap<>(metadata).forEach(node::put);
        }
        long at = 0;
        for (Item item : items) {
            ObjectNode node = root.putObject(item.name());
            node.put("dtype", item.type().name());
            ArrayNode shape = node.putArray("shape");
            for (long size : LibTorch.shape(item.tensor())) {
                shape.add(size);
            }
            long end = at + item.tensor().numel() * item.type().bytes();
            node.putArray("data_offsets").add(at).add(end);
            at = end;
        }
        byte[] json = ConfigJson.JSON.writeValueAsString(root).getBytes(StandardCharsets.UTF_8);
        int padded = (Long.BYTES + json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        ByteBuffer header = ByteBuffer.allocate(padded).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(padded - Long.BYTES).put(json);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        return header.flip();
    }

    private static void writeData(FileChannel channel, Tensor tensor) throws IOException {
        try (PointerScope scope = new PointerScope()) {
            Tensor plain = tensor.detach().cpu().contiguous();
            long bytes = plain.nbytes();
            BytePointer data = new BytePointer(plain.data_ptr());
            for (long done = 0; done < bytes; done += CHUNK) {
                long part = Math.min(CHUNK, bytes - done);
                writeFully(channel, data.getPointer(done).capacity(part).asByteBuffer());
            }
            scope.detach(data);
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }
}
