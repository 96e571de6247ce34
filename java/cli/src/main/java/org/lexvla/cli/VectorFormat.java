package org.lexvla.cli;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalFileWriter;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.search.BulkFormat;

/** The files that vectors are written to. */
enum VectorFormat {
    /** Arrow IPC: {@code id: utf8}, {@code words: map<int32, float32>}. */
    ARROW(null),
    /** Parquet with the same columns. */
    PARQUET(null),
    OPENSEARCH(BulkFormat.OPENSEARCH),
    ELASTICSEARCH(BulkFormat.ELASTICSEARCH),
    SEISMIC(BulkFormat.SEISMIC);

    /** A file in the making: beside its place until it is whole. */
    interface Output extends AutoCloseable {
        void write(List<String> ids, LexicalBatch batch) throws IOException;

        /** Puts the file in its place. */
        void commit() throws IOException;

        @Override
        void close() throws IOException;
    }

    private final BulkFormat bulk;

    VectorFormat(BulkFormat bulk) {
        this.bulk = bulk;
    }

    /** What a file's name asks for; Arrow unless it says otherwise. */
    static VectorFormat of(Path file) {
        return switch (Inputs.extension(file)) {
            case "parquet" -> PARQUET;
            case "json", "ndjson", "jsonl" ->
                throw new IllegalArgumentException(
                        file + " could be for several engines: say --format opensearch," + " elasticsearch or seismic");
            default -> ARROW;
        };
    }

    /** For files that go to the bulk interface of an engine; null for the others. */
    BulkFormat bulk() {
        return bulk;
    }

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    Output create(Path file, Vocabulary vocabulary, BufferAllocator allocator) throws IOException {
        return switch (this) {
            case ARROW -> new Arrow(LexicalFileWriter.create(file, vocabulary, allocator));
            case PARQUET -> new ParquetOutput(file, vocabulary);
            default -> new Bulk(file, bulk);
        };
    }

    private record Arrow(LexicalFileWriter writer) implements Output {
        @Override
        public void write(List<String> ids, LexicalBatch batch) throws IOException {
            writer.write(ids, batch);
        }

        @Override
        public void commit() throws IOException {
            writer.commit();
        }

        @Override
        public void close() throws IOException {
            writer.close();
        }
    }

    private static final class Bulk implements Output {
        private final Path file;
        private final Path beside;
        private final BulkFormat format;
        private final BufferedWriter writer;

        Bulk(Path file, BulkFormat format) throws IOException {
            this.file = file;
            this.format = format;
            this.beside = NewFile.beside(file);
            this.writer = Files.newBufferedWriter(beside);
        }

        @Override
        public void write(List<String> ids, LexicalBatch batch) throws IOException {
            for (int row = 0; row < ids.size(); row++) {
                format.write(ids.get(row), batch.get(row), writer);
            }
        }

        @Override
        public void commit() throws IOException {
            writer.close();
            Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
        }

        @Override
        public void close() throws IOException {
            writer.close();
            Files.deleteIfExists(beside);
        }
    }
}
