package org.lexvla.lexical;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.VectorUnloader;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Writes a file of lexical vectors batch by batch, each becoming a record batch: memory holds no more than one, however many
 * come. {@link LexicalBatch#read} reads the file.
 *
 * <pre>{@code
 * try (LexicalFileWriter file = LexicalFileWriter.create(path, vocabulary, allocator)) {
 *     file.write(ids, batch);   // any number of times
 *     file.commit();
 * }
 * }</pre>
 *
 * <p>Written beside the file, which {@link #commit} puts in its place; closed without it, nothing is left. Not for use by several
 * threads at once.
 */
public final class LexicalFileWriter implements AutoCloseable {
    private final ReplacedFile target;
    private final FileChannel channel;
    private final Vocabulary vocabulary;
    private final BufferAllocator allocator;
    private final Field idField = new Field(LexicalFile.ID, FieldType.notNullable(ArrowType.Utf8.INSTANCE), null);
    private final Schema schema;
    /** Never filled: it tells the writer the schema. */
    private final VectorSchemaRoot empty;

    private final RecordBatches writer;

    private LexicalFileWriter(
            ReplacedFile target, FileChannel channel, Vocabulary vocabulary, BufferAllocator allocator) {
        this.target = target;
        this.channel = channel;
        this.vocabulary = vocabulary;
        this.allocator = allocator;
        this.schema = new Schema(
                List.of(idField, WordColumn.field(vocabulary)),
                Map.of(
                        LexicalFile.FORMAT_KEY,
                        LexicalFile.FORMAT,
                        WordColumn.VOCABULARY_KEY,
                        vocabulary.fingerprint()));
        this.empty = VectorSchemaRoot.create(schema, allocator);
        this.writer = new RecordBatches(empty, channel);
    }

    /** Arrow's writer writes one set of vectors over and over; batches come with vectors, and allocators, of their own. */
    private static final class RecordBatches extends ArrowFileWriter {
        RecordBatches(VectorSchemaRoot schema, FileChannel channel) {
            super(schema, null, channel);
        }

        void write(VectorSchemaRoot rows) throws IOException {
            try (ArrowRecordBatch batch = new VectorUnloader(rows).getRecordBatch()) {
                writeRecordBatch(batch);
            }
        }
    }

    /**
     * Begins a file.
     *
     * @param allocator of the names of a batch, closed by the caller after this
     * @throws IOException if nothing can be written there
     */
    public static LexicalFileWriter create(Path file, Vocabulary vocabulary, BufferAllocator allocator)
            throws IOException {
        ReplacedFile target = ReplacedFile.of(file);
        FileChannel channel =
                FileChannel.open(target.temporary(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        LexicalFileWriter writer = new LexicalFileWriter(target, channel, vocabulary, allocator);
        try {
            writer.writer.start();
            return writer;
        } catch (IOException e) {
            writer.close();
            throw e;
        }
    }

    /**
     * Adds a batch, which stays the caller's.
     *
     * @param ids one per row
     * @throws IllegalArgumentException if there are more or fewer, one is null, or the batch has another vocabulary
     * @throws IOException              if it cannot be written
     */
    public void write(List<String> ids, LexicalBatch batch) throws IOException {
        vocabulary.requireSame(batch.vocabulary(), "the batch");
        if (ids.size() != batch.size()) {
            throw new IllegalArgumentException(
                    "there are " + ids.size() + " ids for " + batch.size() + " rows: give one per row");
        }
        try (VarCharVector names = new VarCharVector(idField, allocator);
                // Shares the buffers, and keeps them while they are written.
                LexicalBatch shared = batch.slice(0, batch.size())) {
            names.allocateNew(ids.size());
            for (int row = 0; row < ids.size(); row++) {
                if (ids.get(row) == null) {
                    throw new IllegalArgumentException("the id of row " + row + " is null: name every row");
                }
                names.setSafe(row, ids.get(row).getBytes(StandardCharsets.UTF_8));
            }
            names.setValueCount(ids.size());
            writer.write(new VectorSchemaRoot(schema, List.of(names, shared.vector()), ids.size()));
        }
    }

    /** Ends the file and puts it in its place. */
    public void commit() throws IOException {
        writer.end();
        channel.force(true);
        target.commit();
    }

    @Override
    public void close() throws IOException {
        try {
            writer.close();
            empty.close();
        } finally {
            channel.close();
            target.close();
        }
    }
}
