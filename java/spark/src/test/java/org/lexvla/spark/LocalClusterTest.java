package org.lexvla.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.model.LexVla;

/** Columns in a cluster of two executors, each a process of its own; what they hold is what the model gives in this process. */
class LocalClusterTest {
    private static final int PICTURES = 11;
    private static final StructType SCHEMA = new StructType()
            .add("id", DataTypes.IntegerType)
            .add("path", DataTypes.StringType)
            .add("caption", DataTypes.StringType);

    @TempDir
    static Path directory;

    private static SparkSession spark;
    private static String model;
    private static final List<Path> FILES = new ArrayList<>();
    private static final List<String> CAPTIONS = new ArrayList<>();

    @BeforeAll
    static void start() throws IOException {
        makeModel();
        spark = LocalCluster.start(directory, Map.of());
    }

    @AfterAll
    static void stop() {
        if (spark != null) {
            spark.stop();
        }
    }

    private static void makeModel() throws IOException {
        FILES.addAll(TinyModel.draw(directory, PICTURES, CAPTIONS));
        model = TinyModel.make(directory).toString();
    }

    /** Rows in four partitions: the pictures, a file that is no picture, one that is missing, and null. */
    private static Dataset<Row> rows() throws IOException {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < PICTURES; i++) {
            String path = FILES.get(i).toString();
            rows.add(RowFactory.create(i, i % 2 == 0 ? path : "file:" + path, CAPTIONS.get(i)));
        }
        Path broken = Files.writeString(directory.resolve("broken.png"), "this is no picture");
        rows.add(RowFactory.create(PICTURES, broken.toString(), " "));
        rows.add(
                RowFactory.create(PICTURES + 1, directory.resolve("missing.png").toString(), null));
        rows.add(RowFactory.create(PICTURES + 2, null, "a red box"));
        return spark.createDataFrame(rows, SCHEMA).repartition(4);
    }

    @Test
    void picturesByPathAndByBytesAreThoseOfTheModel() throws IOException {
        LexicalColumns columns = LexicalColumns.of(model).batch(3).errors("error");
        List<Row> found = columns.images(rows(), "path", "words").orderBy("id").collectAsList();
        List<Map<Integer, Float>> expected;
        try (LexVla here = LexVla.load(Path.of(model), Device.cpu());
                LexicalBatch batch = here.encodeImages(FILES)) {
            expected = maps(batch);
        }
        assertThat(expected.get(0)).isNotEmpty().isNotEqualTo(expected.get(1));
        for (int i = 0; i < PICTURES; i++) {
            assertSame(found.get(i), expected.get(i));
            assertThat(found.get(i).<String>getAs("caption")).isEqualTo(CAPTIONS.get(i));
            assertThat(found.get(i).<String>getAs("error")).isNull();
        }
        assertThat(found).hasSize(PICTURES + 3);
        for (Row none : found.subList(PICTURES, PICTURES + 3)) {
            assertThat(none.<Object>getAs("words")).isNull();
        }
        assertThat(found.get(PICTURES).<String>getAs("error")).contains("broken.png");
        assertThat(found.get(PICTURES + 1).<String>getAs("error")).contains("no picture at", "missing.png");
        assertThat(found.get(PICTURES + 2).<String>getAs("error")).isEqualTo("null");

        // As Spark reads files, through a file of Parquet; both executors are there.
        Path parquet = directory.resolve("vectors.parquet");
        Dataset<Row> written = spark.read()
                .format("binaryFile")
                .load(directory.resolve("[0-9]*.png").toString());
        LexicalColumns.of(model).images(written, "content", "words").write().parquet(parquet.toString());
        List<Row> stored = spark.read().parquet(parquet.toString()).collectAsList();
        assertThat(stored).hasSize(PICTURES);
        for (Row row : stored) {
            String path = row.getAs("path");
            int i = Integer.parseInt(path.replaceAll(".*/(\\d+)\\.png", "$1"));
            assertSame(row, expected.get(i));
        }
        assertThat(spark.sparkContext().statusTracker().getExecutorInfos()).hasSize(3);
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.filter(file -> file.getFileName().toString().startsWith("natives-")))
                    .as("executors that loaded the natives")
                    .hasSize(2);
        }
    }

    @Test
    void textsAreThoseOfTheModelAndCanBeAskedInSql() throws IOException {
        Dataset<Row> found = LexicalColumns.of(model).errors("error").texts(rows(), "caption", "words");
        List<Map<Integer, Float>> expected;
        try (LexVla here = LexVla.load(Path.of(model), Device.cpu());
                LexicalBatch batch = here.encodeTexts(CAPTIONS)) {
            expected = maps(batch);
        }
        List<Row> ordered = found.orderBy("id").collectAsList();
        for (int i = 0; i < PICTURES; i++) {
            assertSame(ordered.get(i), expected.get(i));
        }
        assertThat(ordered.get(PICTURES).<String>getAs("error")).isEqualTo("a text without a word");
        assertThat(ordered.get(PICTURES + 1).<String>getAs("error")).isEqualTo("null");
        assertThat(words(ordered.get(PICTURES + 2), "words")).isNotEmpty();
        long postings = found.select(functions.explode(functions.col("words"))).count();
        assertThat(postings)
                .isEqualTo(ordered.stream()
                        .filter(row -> row.getAs("words") != null)
                        .mapToLong(row -> words(row, "words").size())
                        .sum());
    }

    @Test
    void whatCannotBeIsRefusedBeforeAnythingRuns() throws IOException {
        Dataset<Row> rows = rows();
        LexicalColumns columns = LexicalColumns.of(model);
        assertThatThrownBy(() -> columns.images(rows, "picture", "words"))
                .hasMessage("no column picture, there are id, path, caption");
        assertThatThrownBy(() -> columns.images(rows, "id", "words"))
                .hasMessage("column id is int, pictures must be binary (the file) or string (where it lies)");
        assertThatThrownBy(() -> columns.texts(rows, "id", "words"))
                .hasMessage("column id is int, texts must be string");
        assertThatThrownBy(() -> columns.texts(rows, "caption", "path"))
                .hasMessage("column path is there already: give the output another name");
        assertThatThrownBy(() -> columns.batch(0)).hasMessage("batch is 0 rows, must be at least 1");
        assertThatThrownBy(() -> columns.device("tpu")).isInstanceOf(IllegalArgumentException.class);
        Dataset<Row> nowhere = LexicalColumns.of("/no/such/model").texts(rows, "caption", "words");
        assertThatThrownBy(nowhere::collectAsList).hasStackTraceContaining("/no/such/model");
    }

    /** In a batch of another size the same sums are made in another order: float32 activations differ by a few 1e-7. */
    private static void assertSame(Row row, Map<Integer, Float> expected) {
        Map<Integer, Float> words = words(row, "words");
        assertThat(words).hasSameSizeAs(expected);
        expected.forEach((id, weight) -> assertThat(words.get(id)).isCloseTo(weight, within(1e-6f)));
    }

    private static Map<Integer, Float> words(Row row, String column) {
        return new HashMap<>(row.getJavaMap(row.fieldIndex(column)));
    }

    private static List<Map<Integer, Float>> maps(LexicalBatch batch) {
        List<Map<Integer, Float>> maps = new ArrayList<>();
        for (int row = 0; row < batch.size(); row++) {
            LexicalVector vector = batch.get(row);
            Map<Integer, Float> map = new HashMap<>();
            int[] ids = vector.ids();
            float[] weights = vector.weights();
            for (int i = 0; i < ids.length; i++) {
                map.put(ids[i], weights[i]);
            }
            maps.add(map);
        }
        return maps;
    }
}
