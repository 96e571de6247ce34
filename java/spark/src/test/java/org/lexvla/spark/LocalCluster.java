package org.lexvla.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.sql.SparkSession;

/** A cluster of two executors with a core each, every one a process of its own. */
final class LocalCluster {
    private LocalCluster() {}

    /**
     * Starts it.
     *
     * @param directory for what it leaves
     * @param settings  besides those that every test has
     */
    static SparkSession start(Path directory, Map<String, Object> settings) throws IOException {
        // An empty distribution: the executors find everything on the class path of the tests.
        Files.createDirectories(Path.of(System.getenv("SPARK_HOME"), "jars"));
        SparkSession spark = SparkSession.builder()
                .appName("lexvla")
                .master("local-cluster[2,1,1024]")
                .config("spark.ui.enabled", false)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.executor.extraClassPath", classPath())
                // Two processes that unpack the same natives at once would get in each other's way.
                .config(
                        "spark.executor.extraJavaOptions",
                        "-Dorg.bytedeco.javacpp.cachedir=" + directory.resolve("natives-{{EXECUTOR_ID}}"))
                .config("spark.executorEnv.OPENBLAS_NUM_THREADS", "1")
                .config("spark.executorEnv.OMP_NUM_THREADS", "1")
                .config("spark.local.dir", directory.resolve("spark").toString())
                .config(
                        "spark.sql.warehouse.dir",
                        directory.resolve("warehouse").toString())
                .config(settings)
                .getOrCreate();
        spark.sparkContext().setLogLevel("ERROR");
        return spark;
    }

    static String classPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    }
}
