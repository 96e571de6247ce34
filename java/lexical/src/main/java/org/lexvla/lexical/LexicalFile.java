package org.lexvla.lexical;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.MessageHeader;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.OutOfMemoryException;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorLoader;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.arrow.vector.ipc.ReadChannel;
import org.apache.arrow.vector.ipc.message.ArrowBlock;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.arrow.vector.util.TransferPair;

/**
 * Files of lexical vectors: Arrow IPC with the columns {@code id: utf8} and {@code words: map<int32, float32>}. The schema's
 * metadata has {@code lexvla.format} and {@code lexvla.vocabulary}, the fingerprint. Any number of record batches is read.
 */
final class LexicalFile {
    static final String FORMAT_KEY = "lexvla.format";
    static final String FORMAT = "1";
    static final String ID = "id";

    private LexicalFile() {}

    static LexicalBatch.Stored read(Path file, Vocabulary vocabulary, BufferAllocator allocator) throws IOException {
        List<LexicalBatch> parts = new ArrayList<>();
        List<String> ids = new ArrayList<>();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
                ArrowFileReader reader = new ArrowFileReader(channel, allocator)) {
            try {
                requireColumns(file, reader.getVectorSchemaRoot().getSchema(), vocabulary);
                requireBlocks(reader.getRecordBlocks(), channel.size());
                VectorSchemaRoot root = reader.getVectorSchemaRoot();
                for (ArrowBlock block : reader.getRecordBlocks()) {
                    try (ArrowRecordBatch batch = batch(channel, block, allocator)) {
                        new VectorLoader(root).load(batch);
                    }
                    parts.add(part(root, vocabulary, allocator, ids));
                }
            } catch (WrongVocabularyException e) {
                throw new IllegalArgumentException(e.getMessage(), e);
            } catch (OutOfMemoryException e) {
                throw new IOException(
                        file + " does not fit the allocator, or its sizes are wrong: " + e.getMessage(), e);
            } catch (IOException | RuntimeException e) {
                // Arrow reports damage by many kinds of exception, out-of-bounds ones included.
                throw new IOException(
                        file + " is no intact file of lexical vectors, perhaps cut short (" + Files.size(file)
                                + " bytes): " + e.getMessage(),
                        e);
            }
            LexicalBatch batch = parts.size() == 1
                    ? parts.remove(0)
                    : parts.isEmpty()
                            ? LexicalBatch.of(List.of(), vocabulary, allocator)
                            : LexicalBatch.concat(parts, allocator);
            return new LexicalBatch.Stored(List.copyOf(ids), batch);
        } catch (NoSuchFileException e) {
            throw new IOException("no lexical vectors at " + file, e);
        } finally {
            parts.forEach(LexicalBatch::close);
        }
    }

    private static void requireColumns(Path file, Schema schema, Vocabulary vocabulary) throws IOException {
        Map<String, String> metadata = schema.getCustomMetadata();
        String format = metadata == null ? null : metadata.get(FORMAT_KEY);
        if (!FORMAT.equals(format)) {
            throw new IOException("its metadata " + FORMAT_KEY + " is " + format + ", expected " + FORMAT);
        }
        String fingerprint = metadata.get(WordColumn.VOCABULARY_KEY);
        if (!vocabulary.fingerprint().equals(fingerprint)) {
            throw new WrongVocabularyException(file + " was written with the vocabulary " + fingerprint + ", not with "
                    + vocabulary.fingerprint() + " (" + vocabulary.size() + " words): take the model that wrote it");
        }
        List<Field> fields = schema.getFields();
        if (fields.size() != 2
                || !fields.get(0).getName().equals(ID)
                || !fields.get(0).getType().equals(ArrowType.Utf8.INSTANCE)
                || !fields.get(1).getName().equals(WordColumn.NAME)) {
            throw new IOException("its columns are " + fields + ", expected id and words");
        }
        WordColumn.requireType(fields.get(1));
    }

    /** Before Arrow allocates what a damaged footer asks for. */
    private static void requireBlocks(List<ArrowBlock> blocks, long size) throws IOException {
        for (ArrowBlock block : blocks) {
            long left = size - block.getOffset();
            if (block.getOffset() < 0
                    || block.getMetadataLength() < 0
                    || block.getBodyLength() < 0
                    || block.getMetadataLength() > left
                    || block.getBodyLength() > left - block.getMetadataLength()) {
                throw new IOException("a record batch of " + block.getBodyLength() + " bytes at " + block.getOffset()
                        + " does not fit the file");
            }
        }
    }

    /** As Arrow's reader does it, but that one does not give the memory back when the contents are damaged. */
    private static ArrowRecordBatch batch(FileChannel channel, ArrowBlock block, BufferAllocator allocator)
            throws IOException {
        int head = block.getMetadataLength();
        ArrowBuf buffer = allocator.buffer(head + block.getBodyLength());
        try {
            long length = head + block.getBodyLength();
            ReadChannel in = new ReadChannel(channel.position(block.getOffset()));
            if (in.readFully(buffer, length) != length) {
                throw new IOException("a record batch ends early");
            }
            int prefix =
                    buffer.getInt(0) == MessageSerializer.IPC_CONTINUATION_TOKEN ? 2 * Integer.BYTES : Integer.BYTES;
            Message message = Message.getRootAsMessage(
                    buffer.slice(prefix, head - prefix).nioBuffer().asReadOnlyBuffer());
            if (message.headerType() != MessageHeader.RecordBatch) {
                throw new IOException(
                        "a message of type " + message.headerType() + " stands where a record batch should");
            }
            RecordBatch header = (RecordBatch) message.header(new RecordBatch());
            return MessageSerializer.deserializeRecordBatch(header, buffer.slice(head, length - head));
        } catch (IOException | RuntimeException | Error e) {
            buffer.close();
            throw e;
        }
    }

    private static LexicalBatch part(
            VectorSchemaRoot root, Vocabulary vocabulary, BufferAllocator allocator, List<String> ids) {
        VarCharVector names = (VarCharVector) root.getVector(0);
        FieldVector words = root.getVector(1);
        int rows = root.getRowCount();
        if (names.getValueCount() != rows || words.getValueCount() != rows) {
            throw new IllegalArgumentException("it has " + names.getValueCount() + " ids and " + words.getValueCount()
                    + " vectors in a record batch of " + rows + " rows");
        }
        WordColumn.requireValid((MapVector) words, vocabulary);
        for (int row = 0; row < rows; row++) {
            if (names.isNull(row)) {
                throw new IllegalArgumentException("the id of row " + row + " is null");
            }
            int begin = names.getStartOffset(row);
            int end = names.getEndOffset(row);
            if (begin < 0 || end < begin || end > names.getDataBuffer().capacity()) {
                throw new IllegalArgumentException("the id of row " + row + " lies at " + begin + " to " + end);
            }
            ids.add(new String(names.get(row), StandardCharsets.UTF_8));
        }
        // Moves the buffers out of the reader, which reuses its vectors for the next record batch.
        TransferPair pair = words.getTransferPair(WordColumn.field(vocabulary), allocator);
        pair.transfer();
        return new LexicalBatch((MapVector) pair.getTo(), vocabulary);
    }

    /** Tells a foreign file from a damaged one. */
    private static final class WrongVocabularyException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        WrongVocabularyException(String message) {
            super(message);
        }
    }
}
