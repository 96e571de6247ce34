package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.convert.GroupRecordConverter;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.LocalInputFile;
import org.apache.parquet.io.MessageColumnIO;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;

/** Parquet: a row is a sample. A group of rows is held in memory at a time, of its columns those that are needed. */
final class ParquetFormat implements ShardFiles.Format {
    private static ParquetFileReader reader(Path file) throws IOException {
        try {
            return ParquetFileReader.open(
                    new LocalInputFile(file),
                    ParquetReadOptions.builder(new PlainParquetConfiguration()).build());
        } catch (RuntimeException e) {
            throw new IOException(file + " is no Parquet file: " + e.getMessage(), e);
        }
    }

    @Override
    public CaptionSource.Reader open(Path file, ColumnNames columns, long from) throws IOException {
        ParquetFileReader parquet = reader(file);
        try {
            return new Rows(file, parquet, columns, from);
        } catch (IOException | RuntimeException e) {
            parquet.close();
            throw e;
        }
    }

    @Override
    public long count(Path file) throws IOException {
        try (ParquetFileReader parquet = reader(file)) {
            return parquet.getRecordCount();
        }
    }

    private static final class Rows implements CaptionSource.Reader {
        private final Path file;
        private final ParquetFileReader parquet;
        private final ColumnNames.Chosen chosen;
        private final MessageType wanted;
        private RecordReader<Group> group;
        /** Rows of the group that are left. */
        private long left;

        private long row;

        Rows(Path file, ParquetFileReader parquet, ColumnNames columns, long from) throws IOException {
            this.file = file;
            this.parquet = parquet;
            MessageType schema = parquet.getFooter().getFileMetaData().getSchema();
            Map<String, ColumnNames.Kind> kinds = new LinkedHashMap<>();
            schema.getFields().forEach(field -> kinds.put(field.getName(), kind(field)));
            this.chosen = columns.choose(file, kinds);
            Map<String, Type> needed = new LinkedHashMap<>();
            needed.put(chosen.image(), schema.getType(chosen.image()));
            needed.put(chosen.caption(), schema.getType(chosen.caption()));
            if (chosen.key() != null) {
                needed.put(chosen.key(), schema.getType(chosen.key()));
            }
            this.wanted = new MessageType(schema.getName(), needed.values().toArray(new Type[0]));
            parquet.setRequestedSchema(wanted);
            int skipped = 0;
            while (skipped < parquet.getRowGroups().size()
                    && row + parquet.getRowGroups().get(skipped).getRowCount() <= from) {
                row += parquet.getRowGroups().get(skipped++).getRowCount();
                parquet.skipNextRowGroup();
            }
            while (row < from && nextGroup()) {
                group.read();
                left--;
                row++;
            }
        }

        private static ColumnNames.Kind kind(Type type) {
            if (type.isRepetition(Type.Repetition.REPEATED)) {
                return ColumnNames.Kind.OTHER;
            }
            if (!type.isPrimitive()) {
                GroupType structure = type.asGroupType();
                return structure.containsField(ColumnNames.BYTES)
                                && kind(structure.getType(ColumnNames.BYTES)) == ColumnNames.Kind.BYTES
                        ? ColumnNames.Kind.STRUCTURE
                        : ColumnNames.Kind.OTHER;
            }
            if (type.asPrimitiveType().getPrimitiveTypeName() != PrimitiveTypeName.BINARY) {
                return ColumnNames.Kind.OTHER;
            }
            return LogicalTypeAnnotation.stringType().equals(type.getLogicalTypeAnnotation())
                    ? ColumnNames.Kind.TEXT
                    : ColumnNames.Kind.BYTES;
        }

        private boolean nextGroup() throws IOException {
            while (left == 0) {
                PageReadStore pages = parquet.readNextRowGroup();
                if (pages == null) {
                    return false;
                }
                left = pages.getRowCount();
                MessageColumnIO columns = new ColumnIOFactory().getColumnIO(wanted);
                group = columns.getRecordReader(pages, new GroupRecordConverter(wanted));
            }
            return true;
        }

        @Override
        public Sample next() throws IOException {
            Group record;
            try {
                if (!nextGroup()) {
                    return null;
                }
                record = group.read();
            } catch (RuntimeException e) {
                throw new IOException("row " + row + " cannot be decoded: " + e.getMessage(), e);
            }
            left--;
            byte[] bytes = null;
            String picture = null;
            if (record.getFieldRepetitionCount(chosen.image()) > 0) {
                switch (chosen.kind()) {
                    case BYTES -> bytes = record.getBinary(chosen.image(), 0).getBytes();
                    case TEXT -> picture = record.getString(chosen.image(), 0);
                    default -> {
                        Group structure = record.getGroup(chosen.image(), 0);
                        bytes = structure.getFieldRepetitionCount(ColumnNames.BYTES) == 0
                                ? null
                                : structure.getBinary(ColumnNames.BYTES, 0).getBytes();
                    }
                }
            }
            return ColumnNames.sample(
                    file, row++, text(record, chosen.key()), bytes, picture, text(record, chosen.caption()));
        }

        private static String text(Group record, String column) {
            return column == null || record.getFieldRepetitionCount(column) == 0 ? null : record.getString(column, 0);
        }

        @Override
        public void close() throws IOException {
            parquet.close();
        }
    }
}
