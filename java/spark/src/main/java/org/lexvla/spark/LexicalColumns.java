package org.lexvla.spark;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Objects;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

/**
 * Adds lexical vectors to a DataFrame, as a column {@code map<int,float>} from lexical id to weight.
 *
 * <pre>{@code
 * Dataset<Row> pictures = spark.read().format("binaryFile").load("hdfs:///pictures");
 * LexicalColumns.of("/models/lexvla").images(pictures, "content", "words").write().parquet("hdfs:///vectors");
 * }</pre>
 *
 * <p>Nothing is shuffled: partitions are encoded where they are, a batch at a time, and rows keep their order and their other columns.
 * Each executor loads the model once and all its tasks share it, so the model directory, with the backbones it refers to, has to
 * lie at the same path on every node. Of a partition no more than two batches are in memory.
 *
 * <p>A row whose picture or text is null or cannot be used has a null vector, and the reason in the column named by {@link #errors}.
 */
public final class LexicalColumns implements Serializable {
    private static final long serialVersionUID = 1;

    private static final int BATCH = 32;

    private final String model;
    private final String device;
    private final int batch;
    private final String errors;

    private LexicalColumns(String model, String device, int batch, String errors) {
        this.model = model;
        this.device = device;
        this.batch = batch;
        this.errors = errors;
    }

    /**
     * With a model on the CPU, 32 rows at a time, without a column for errors.
     *
     * @param model directory, the same on every node
     */
    public static LexicalColumns of(String model) {
        return new LexicalColumns(Objects.requireNonNull(model, "model"), "cpu", BATCH, null);
    }

    /** @param name {@code cpu}, {@code cuda} or {@code cuda:N} */
    public LexicalColumns device(String name) {
        Device.parse(name);
        return new LexicalColumns(model, name, batch, errors);
    }

    /** @param rows that are encoded at a time, 1 or more */
    public LexicalColumns batch(int rows) {
        if (rows < 1) {
            throw new IllegalArgumentException("batch is " + rows + " rows, must be at least 1");
        }
        return new LexicalColumns(model, device, rows, errors);
    }

    /** @param column to add, string: why a row has no vector, null where it has */
    public LexicalColumns errors(String column) {
        return new LexicalColumns(model, device, batch, column);
    }

    /**
     * Encodes pictures.
     *
     * @param column binary: the picture's file; or string: where it lies, a local path or a URI of Hadoop's file systems
     * @param output name of the column to add
     * @throws IllegalArgumentException if there is no such column, it has another type, or a column to add is there already
     */
    public Dataset<Row> images(Dataset<Row> rows, String column, String output) {
        DataType type = typeOf(rows, column);
        if (type.equals(DataTypes.BinaryType)) {
            return encode(rows, column, output, new PictureBytes());
        }
        if (type.equals(DataTypes.StringType)) {
            return encode(rows, column, output, new PictureFiles());
        }
        throw new IllegalArgumentException("column " + column + " is " + type.simpleString()
                + ", pictures must be binary (the file) or string (where it lies)");
    }

    /**
     * Encodes texts.
     *
     * @param column string
     * @param output name of the column to add
     * @throws IllegalArgumentException as {@link #images}
     */
    public Dataset<Row> texts(Dataset<Row> rows, String column, String output) {
        DataType type = typeOf(rows, column);
        if (!type.equals(DataTypes.StringType)) {
            throw new IllegalArgumentException(
                    "column " + column + " is " + type.simpleString() + ", texts must be string");
        }
        return encode(rows, column, output, new Texts());
    }

    private static DataType typeOf(Dataset<Row> rows, String column) {
        StructType schema = rows.schema();
        if (!Arrays.asList(schema.fieldNames()).contains(column)) {
            throw new IllegalArgumentException(
                    "no column " + column + ", there are " + String.join(", ", schema.fieldNames()));
        }
        return schema.apply(column).dataType();
    }

    private Dataset<Row> encode(Dataset<Row> rows, String column, String output, BatchEncoder encoder) {
        StructType schema =
                with(rows.schema(), output, DataTypes.createMapType(DataTypes.IntegerType, DataTypes.FloatType, false));
        boolean withErrors = errors != null;
        if (withErrors) {
            schema = with(schema, errors, DataTypes.StringType);
        }
        int at = rows.schema().fieldIndex(column);
        return rows.mapPartitions(new Partition(model, device, batch, at, withErrors, encoder), Encoders.row(schema));
    }

    private static StructType with(StructType schema, String name, DataType type) {
        if (Arrays.asList(schema.fieldNames()).contains(name)) {
            throw new IllegalArgumentException("column " + name + " is there already: give the output another name");
        }
        return schema.add(name, type, true);
    }

    /** What runs on the executors. */
    private record Partition(String model, String device, int batch, int column, boolean errors, BatchEncoder encoder)
            implements MapPartitionsFunction<Row, Row> {
        @Override
        public Iterator<Row> call(Iterator<Row> rows) throws Exception {
            LexVla shared = ExecutorModel.get(model, device);
            return new EncodedRows(rows, shared, batch, column, errors, encoder);
        }
    }
}
