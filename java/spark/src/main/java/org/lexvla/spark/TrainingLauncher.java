package org.lexvla.spark;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.SparkSession;
import scala.Function1;
import scala.collection.Iterator;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * Trains on a Spark cluster: {@code lexvla train} in several processes, one in each task of a barrier stage. They are what
 * {@code lexvla train --processes} starts on one machine, and come to the same weights.
 *
 * <pre>{@code
 * TrainingLauncher.of(16, "--data", "/shared/cc12m/{00000..01242}.tar", "--config", "/shared/my.yaml", "--out", "/shared/run")
 *         .classPath("/opt/lexvla/lib/*")
 *         .run(spark);
 * }</pre>
 *
 * <p>Each process is a JVM of its own beside the executor, so that LibTorch's threads and random numbers belong to it alone and
 * its memory ends with it. They meet at the host of the first task. Paths are those of the nodes, and the directory of the run is one that all
 * share: the first process writes there.
 *
 * <p>When a process ends badly, its task fails with what it said last, Spark ends the other tasks, and they their processes. Then Spark starts the
 * stage again, {@code spark.stage.maxConsecutiveAttempts} times in all (4), and the run goes on from its last checkpoint. A process ends, too, when
 * its executor is gone.
 */
public final class TrainingLauncher implements Serializable {
    private static final long serialVersionUID = 1;

    /** Settings of Spark that {@link #main} goes by. */
    private static final String CLASS_PATH = "spark.lexvla.classPath";

    private static final String JAVA_OPTIONS = "spark.lexvla.javaOptions";
    private static final String PROCESSES = "--processes";
    private static final String RESUME = "--resume";

    private final int processes;
    private final List<String> arguments;
    private final String classPath;
    private final List<String> javaOptions;

    private TrainingLauncher(int processes, List<String> arguments, String classPath, List<String> javaOptions) {
        this.processes = processes;
        this.arguments = arguments;
        this.classPath = classPath;
        this.javaOptions = javaOptions;
    }

    /**
     * A run, with 1,500 MB of heap in each process.
     *
     * @param processes tasks of the stage: the cluster must have so many places at once
     * @param arguments of {@code lexvla train}, without {@code --processes}
     */
    public static TrainingLauncher of(int processes, String... arguments) {
        if (processes < 1) {
            throw new IllegalArgumentException("there are " + processes + " processes, must be at least 1");
        }
        for (String argument : arguments) {
            if (argument.equals(PROCESSES) || argument.startsWith(PROCESSES + "=")) {
                throw new IllegalArgumentException(
                        PROCESSES + " is not for the processes themselves: their number is given apart");
            }
        }
        return new TrainingLauncher(processes, List.of(arguments), "", List.of("-Xmx1500m"));
    }

    /**
     * @param path of the processes, with the jars of the command line and {@code lexvla-spark} in it; empty, as at first: the executor's own. Where it is
     *             not absolute it begins at the working directory of the executor
     */
    public TrainingLauncher classPath(String path) {
        return new TrainingLauncher(processes, arguments, path, javaOptions);
    }

    /** @param options for the JVM of each process, in place of {@code -Xmx1500m} */
    public TrainingLauncher javaOptions(String... options) {
        return new TrainingLauncher(processes, arguments, classPath, List.of(options));
    }

    /**
     * Trains, and returns when the run is finished. Where it failed as often as Spark may start the stage, this throws Spark's
     * {@code SparkException} with the last failure.
     */
    public void run(SparkSession spark) {
        run(spark.sparkContext());
    }

    private void run(SparkContext spark) {
        RDD<Integer> places = JavaSparkContext.fromSparkContext(spark)
                .parallelize(Collections.nCopies(processes, 0), processes)
                .rdd();
        ClassTag<String> texts = ClassTag$.MODULE$.apply(String.class);
        RDD<String> ranks = places.barrier().mapPartitions(new Rank(this), false, texts);
        // A barrier stage that gives the result of a job is never started again, one before a shuffle is.
        JavaRDD.fromRDD(ranks, texts).repartition(1).collect();
    }

    /** What runs on the executors; nothing comes back. */
    private record Rank(TrainingLauncher launcher)
            implements Function1<Iterator<Integer>, Iterator<String>>, Serializable {
        @Override
        public Iterator<String> apply(Iterator<Integer> nothing) {
            TrainingTask.run(launcher);
            return scala.collection.Iterator$.MODULE$.empty();
        }
    }

    /** @param again whether the stage was started before: then what there is of the run is gone on with */
    List<String> arguments(boolean again) {
        List<String> all = new ArrayList<>();
        all.add("train");
        all.addAll(arguments);
        if (again && !arguments.contains(RESUME)) {
            all.add(RESUME);
        }
        return all;
    }

    String classPath() {
        return classPath.isEmpty() ? System.getProperty("java.class.path") : classPath;
    }

    List<String> javaOptions() {
        return javaOptions;
    }

    /**
     * For {@code spark-submit}: {@code --processes N} and the arguments of {@code lexvla train}. Class path and options of the processes
     * come from {@code spark.lexvla.classPath} and {@code spark.lexvla.javaOptions} (separated by spaces).
     */
    public static void main(String[] arguments) throws IOException {
        List<String> rest = new ArrayList<>(List.of(arguments));
        int at = rest.indexOf(PROCESSES);
        if (at < 0 || at + 1 == rest.size()) {
            throw new IllegalArgumentException(
                    "the number of processes is missing: " + PROCESSES + " N, besides the arguments of lexvla train");
        }
        int processes;
        try {
            processes = Integer.parseInt(rest.get(at + 1));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    PROCESSES + " is \"" + rest.get(at + 1) + "\", must be a whole number", e);
        }
        rest.subList(at, at + 2).clear();
        try (SparkSession spark = SparkSession.builder().appName("lexvla train").getOrCreate()) {
            TrainingLauncher launcher = of(processes, rest.toArray(String[]::new))
                    .classPath(spark.conf().get(CLASS_PATH, ""));
            String options = spark.conf().get(JAVA_OPTIONS, "").strip();
            (options.isEmpty() ? launcher : launcher.javaOptions(options.split("\\s+"))).run(spark);
        }
    }
}
