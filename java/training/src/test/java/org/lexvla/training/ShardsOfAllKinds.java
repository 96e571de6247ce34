package org.lexvla.training;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.ipc.ArrowStreamWriter;
import org.apache.arrow.vector.ipc.ArrowWriter;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;

/** Writes the same samples as shards of every kind. */
final class ShardsOfAllKinds {
    /** Null: there is none. */
    record Item(String key, byte[] picture, String caption) {}

    private ShardsOfAllKinds() {}

    /** The pictures of a table. */
    static List<Item> items(CaptionDataset table) throws IOException {
        List<Item> items = new ArrayList<>();
        for (CaptionDataset.Pair pair : table.pairs()) {
            items.add(new Item("k" + items.size(), Files.readAllBytes(pair.file()), pair.caption()));
        }
        return items;
    }

    static Path tar(Path file, List<Item> items) throws IOException {
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(Files.newOutputStream(file))) {
            for (Item item : items) {
                member(tar, item.key() + ".png", item.picture());
                member(tar, item.key() + ".txt", text(item.caption()));
            }
        }
        return file;
    }

    static Path tar(Path file, Map<String, byte[]> members) throws IOException {
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, byte[]> member : members.entrySet()) {
                member(tar, member.getKey(), member.getValue());
            }
        }
        return file;
    }

    private static void member(TarArchiveOutputStream tar, String name, byte[] content) throws IOException {
        if (content != null) {
            TarArchiveEntry entry = new TarArchiveEntry(name);
            entry.setSize(content.length);
            tar.putArchiveEntry(entry);
            tar.write(content);
            tar.closeArchiveEntry();
        }
    }

    private static byte[] text(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    /** Groups of a few rows, so that there are several. */
    static Path parquet(Path file, List<Item> items, CompressionCodecName codec) throws IOException {
        MessageType schema = MessageTypeParser.parseMessageType(
                "message m { optional int32 width; optional binary caption (STRING); optional binary jpg; required binary key (STRING); }");
        try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(new LocalOutputFile(file))
                .withConf(new PlainParquetConfiguration())
                .withType(schema)
                .withCompressionCodec(codec)
                .withRowGroupRowCountLimit(5)
                .build()) {
            for (Item item : items) {
                Group row = new SimpleGroup(schema);
                row.add("key", item.key());
                if (item.picture() != null) {
                    row.add("jpg", Binary.fromConstantByteArray(item.picture()));
                }
                if (item.caption() != null) {
                    row.add("caption", item.caption());
                }
                writer.write(row);
            }
        }
        return file;
    }

    /** As the data sets of Hugging Face have it. */
    static Path structured(Path file, List<Item> items) throws IOException {
        MessageType schema = MessageTypeParser.parseMessageType(
                "message m { optional group image { optional binary bytes; optional binary path (STRING); }"
                        + " optional binary text (STRING); optional binary id (STRING); }");
        try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(new LocalOutputFile(file))
                .withConf(new PlainParquetConfiguration())
                .withType(schema)
                .build()) {
            for (Item item : items) {
                Group row = new SimpleGroup(schema);
                row.addGroup("image").add("bytes", Binary.fromConstantByteArray(item.picture()));
                row.add("text", item.caption());
                row.add("id", item.key());
                writer.write(row);
            }
        }
        return file;
    }

    /** With the files of the pictures in the place of the pictures. */
    static Path files(Path file, CaptionDataset table, List<Item> items) throws IOException {
        MessageType schema = MessageTypeParser.parseMessageType(
                "message m { required binary file (STRING); required binary caption (STRING); required binary id (STRING); }");
        try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(new LocalOutputFile(file))
                .withConf(new PlainParquetConfiguration())
                .withType(schema)
                .build()) {
            for (int i = 0; i < items.size(); i++) {
                Group row = new SimpleGroup(schema);
                row.add(
                        "file",
                        file.getParent().relativize(table.pairs().get(i).file()).toString());
                row.add("caption", items.get(i).caption());
                row.add("id", items.get(i).key());
                writer.write(row);
            }
        }
        return file;
    }

    /** Record batches of five rows. */
    static Path arrow(Path file, List<Item> items, boolean stream) throws IOException {
        try (BufferAllocator allocator = new RootAllocator();
                VarCharVector keys = new VarCharVector("key", allocator);
                VarBinaryVector pictures = new VarBinaryVector("image", allocator);
                VarCharVector captions = new VarCharVector("caption", allocator);
                VectorSchemaRoot root = VectorSchemaRoot.of(keys, pictures, captions);
                OutputStream out = Files.newOutputStream(file);
                ArrowWriter writer = stream
                        ? new ArrowStreamWriter(root, null, out)
                        : new ArrowFileWriter(root, null, Channels.newChannel(out))) {
            writer.start();
            for (int from = 0; from < items.size(); from += 5) {
                int rows = Math.min(5, items.size() - from);
                root.allocateNew();
                for (int i = 0; i < rows; i++) {
                    Item item = items.get(from + i);
                    keys.setSafe(i, text(item.key()));
                    if (item.picture() != null) {
                        pictures.setSafe(i, item.picture());
                    }
                    if (item.caption() != null) {
                        captions.setSafe(i, text(item.caption()));
                    }
                }
                root.setRowCount(rows);
                writer.writeBatch();
            }
            writer.end();
        }
        return file;
    }
}
