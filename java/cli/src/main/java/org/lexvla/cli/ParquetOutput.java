package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.conf.ParquetConfiguration;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Types;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;

/**
 * Lexical vectors as a Parquet file with the columns {@code id: string} and {@code words: map<int32, float>}, the vocabulary's
 * fingerprint in its metadata.
 */
final class ParquetOutput implements VectorFormat.Output {
    private static final MessageType SCHEMA = Types.buildMessage()
            .required(PrimitiveTypeName.BINARY)
            .as(LogicalTypeAnnotation.stringType())
            .named("id")
            .requiredMap()
            .key(PrimitiveTypeName.INT32)
            .requiredValue(PrimitiveTypeName.FLOAT)
            .named("words")
            .named("lexical_vectors");

    private final Path file;
    private final Path beside;
    private final ParquetWriter<Row> writer;

    /** A line of the file. */
    private record Row(String id, LexicalVector vector) {}

    ParquetOutput(Path file, Vocabulary vocabulary) throws IOException {
        this.file = file;
        this.beside = NewFile.beside(file);
        this.writer = new Builder(new LocalOutputFile(beside), vocabulary).build();
    }

    @Override
    public void write(List<String> ids, LexicalBatch batch) throws IOException {
        for (int row = 0; row < ids.size(); row++) {
            writer.write(new Row(ids.get(row), batch.get(row)));
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

    private static final class Builder extends ParquetWriter.Builder<Row, Builder> {
        private final Vocabulary vocabulary;

        Builder(OutputFile file, Vocabulary vocabulary) {
            super(file);
            this.vocabulary = vocabulary;
            withConf(new PlainParquetConfiguration());
        }

        @Override
        protected Builder self() {
            return this;
        }

        // Abstract still, though the other one is called.
        @Override
        @SuppressWarnings("deprecation")
        protected WriteSupport<Row> getWriteSupport(Configuration configuration) {
            return new Rows(vocabulary);
        }

        @Override
        protected WriteSupport<Row> getWriteSupport(ParquetConfiguration configuration) {
            return new Rows(vocabulary);
        }
    }

    private static final class Rows extends WriteSupport<Row> {
        private final Vocabulary vocabulary;
        private RecordConsumer record;

        Rows(Vocabulary vocabulary) {
            this.vocabulary = vocabulary;
        }

        @Override
        @SuppressWarnings("deprecation")
        public WriteContext init(Configuration configuration) {
            return context();
        }

        @Override
        public WriteContext init(ParquetConfiguration configuration) {
            return context();
        }

        private WriteContext context() {
            return new WriteContext(
                    SCHEMA, Map.of("lexvla.format", "1", "lexvla.vocabulary", vocabulary.fingerprint()));
        }

        @Override
        public void prepareForWrite(RecordConsumer consumer) {
            record = consumer;
        }

        @Override
        public void write(Row row) {
            int[] words = row.vector.ids();
            float[] weights = row.vector.weights();
            record.startMessage();
            record.startField("id", 0);
            record.addBinary(Binary.fromString(row.id));
            record.endField("id", 0);
            record.startField("words", 1);
            record.startGroup();
            if (words.length > 0) {
                record.startField("key_value", 0);
                for (int i = 0; i < words.length; i++) {
                    record.startGroup();
                    record.startField("key", 0);
                    record.addInteger(words[i]);
                    record.endField("key", 0);
                    record.startField("value", 1);
                    record.addFloat(weights[i]);
                    record.endField("value", 1);
                    record.endGroup();
                }
                record.endField("key_value", 0);
            }
            record.endGroup();
            record.endField("words", 1);
            record.endMessage();
        }
    }
}
