package org.lexvla.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/** Checkpoints of any size that take no room on the disk: a header, and zeros that the file system does not store. */
final class SparseCheckpoint {
    private SparseCheckpoint() {}

    /** Data aligned to 64 bytes, tensors in the order of the map. */
    static void write(Path file, SafetensorsType type, Map<String, long[]> shapes) throws IOException {
        write(file, type, shapes, 0);
    }

    /** As {@link #write(Path, SafetensorsType, Map)} with the data {@code offset} bytes behind the alignment. */
    static void write(Path file, SafetensorsType type, Map<String, long[]> shapes, int offset) throws IOException {
        ObjectNode header = ConfigJson.object();
        long at = 0;
        for (Map.Entry<String, long[]> entry : shapes.entrySet()) {
            ObjectNode node = header.putObject(entry.getKey()).put("dtype", type.name());
            var shape = node.putArray("shape");
            for (long size : entry.getValue()) {
                shape.add(size);
            }
            long end = at + Parameters.product(entry.getValue()) * type.bytes();
            node.putArray("data_offsets").add(at).add(end);
            at = end;
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        int begin = (Long.BYTES + json.length + 63) / 64 * 64 + offset;
        ByteBuffer bytes = ByteBuffer.allocate(begin).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(begin - Long.BYTES).put(json);
        while (bytes.hasRemaining()) {
            bytes.put((byte) ' ');
        }
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            channel.write(bytes.flip());
            if (at > 0) {
                channel.write(ByteBuffer.allocate(1), begin + at - 1);
            }
        }
    }
}
