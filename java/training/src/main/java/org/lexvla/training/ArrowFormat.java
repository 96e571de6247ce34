package org.lexvla.training;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.complex.StructVector;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.ipc.ArrowStreamReader;
import org.apache.arrow.vector.ipc.ReadChannel;
import org.apache.arrow.vector.ipc.message.ArrowBlock;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/** Arrow IPC, as a file or as a stream: a row is a sample. A record batch is held in memory at a time. */
final class ArrowFormat implements ShardFiles.Format {
    private static final byte[] FILE = "ARROW1".getBytes(StandardCharsets.US_ASCII);

    private static boolean isFile(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return Arrays.equals(in.readNBytes(FILE.length), FILE);
        }
    }

    @Override
    public CaptionSource.Reader open(Path file, ColumnNames columns, long from) throws IOException {
        Rows rows = new Rows(file, isFile(file));
        try {
            rows.begin(columns, from);
        } catch (IOException | RuntimeException e) {
            rows.close();
            throw e;
        }
        return rows;
    }

    @Override
    public long count(Path file) throws IOException {
        long count = 0;
        if (isFile(file)) {
            try (BufferAllocator allocator = new RootAllocator();
                    SeekableByteChannel channel = Files.newByteChannel(file);
                    ArrowFileReader reader = new ArrowFileReader(channel, allocator)) {
                for (ArrowBlock block : reader.getRecordBlocks()) {
                    channel.position(block.getOffset());
                    RecordBatch batch = (RecordBatch) MessageSerializer.readMessage(new ReadChannel(channel))
                            .getMessage()
                            .header(new RecordBatch());
                    count += batch.length();
                }
            }
            return count;
        }
        try (BufferAllocator allocator = new RootAllocator();
                ArrowStreamReader reader =
                        new ArrowStreamReader(new BufferedInputStream(Files.newInputStream(file)), allocator)) {
            while (reader.loadNextBatch()) {
                count += reader.getVectorSchemaRoot().getRowCount();
            }
        }
        return count;
    }

    private static final class Rows implements CaptionSource.Reader {
        private final Path file;
        private final BufferAllocator allocator = new RootAllocator();
        private final ArrowReader reader;
        private ColumnNames.Chosen chosen;
        private int batchRows;
        private int inBatch;
        private long row;

        Rows(Path file, boolean isFile) throws IOException {
            this.file = file;
            this.reader = isFile
                    ? new ArrowFileReader(Files.newByteChannel(file), allocator)
                    : new ArrowStreamReader(new BufferedInputStream(Files.newInputStream(file)), allocator);
        }

        void begin(ColumnNames columns, long from) throws IOException {
            Map<String, ColumnNames.Kind> kinds = new LinkedHashMap<>();
            for (Field field : schema().getFields()) {
                kinds.put(field.getName(), kind(field));
            }
            chosen = columns.choose(file, kinds);
            while (row < from && reader.loadNextBatch()) {
                batchRows = reader.getVectorSchemaRoot().getRowCount();
                inBatch = (int) Math.min(batchRows, from - row);
                row += inBatch;
            }
        }

        private Schema schema() throws IOException {
            try {
                return reader.getVectorSchemaRoot().getSchema();
            } catch (IOException | RuntimeException e) {
                throw new IOException(file + " is no Arrow IPC: " + e.getMessage(), e);
            }
        }

        private static ColumnNames.Kind kind(Field field) {
            return switch (field.getType().getTypeID()) {
                case Binary, LargeBinary -> ColumnNames.Kind.BYTES;
                case Utf8, LargeUtf8 -> ColumnNames.Kind.TEXT;
                case Struct ->
                    field.getChildren().stream()
                                    .anyMatch(child -> child.getName().equals(ColumnNames.BYTES)
                                            && kind(child) == ColumnNames.Kind.BYTES)
                            ? ColumnNames.Kind.STRUCTURE
                            : ColumnNames.Kind.OTHER;
                default -> ColumnNames.Kind.OTHER;
            };
        }

        @Override
        public Sample next() throws IOException {
            try {
                while (inBatch == batchRows) {
                    if (!reader.loadNextBatch()) {
                        return null;
                    }
                    batchRows = reader.getVectorSchemaRoot().getRowCount();
                    inBatch = 0;
                }
            } catch (RuntimeException e) {
                throw new IOException("the record batch after row " + (row - 1) + ": " + e.getMessage(), e);
            }
            int at = inBatch++;
            FieldVector image = column(chosen.image());
            byte[] bytes = null;
            String picture = null;
            switch (chosen.kind()) {
                case BYTES -> bytes = (byte[]) image.getObject(at);
                case TEXT -> picture = text(image, at);
                default ->
                    bytes = image.isNull(at)
                            ? null
                            : (byte[]) ((StructVector) image)
                                    .getChild(ColumnNames.BYTES)
                                    .getObject(at);
            }
            String key = chosen.key() == null ? null : text(column(chosen.key()), at);
            return ColumnNames.sample(file, row++, key, bytes, picture, text(column(chosen.caption()), at));
        }

        private FieldVector column(String name) throws IOException {
            return reader.getVectorSchemaRoot().getVector(name);
        }

        private static String text(FieldVector column, int at) {
            Object value = column.getObject(at);
            return value == null ? null : value.toString();
        }

        @Override
        public void close() throws IOException {
            reader.close();
            allocator.close();
        }
    }
}
