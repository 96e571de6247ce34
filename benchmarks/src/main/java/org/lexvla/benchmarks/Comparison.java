package org.lexvla.benchmarks;

import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The methods of one JMH benchmark, called in turn within one process: what is noisy about a machine then falls on all of
 * them, and their ratios stand. JMH itself runs one method after the other.
 *
 * <p>The class is as JMH wants it: public fields with {@link Param}, {@link Setup} and {@link TearDown} without arguments,
 * {@link Benchmark} methods without arguments. {@link Against} names a method's opponent.
 */
final class Comparison implements AutoCloseable {
    private static final int FEWEST_ROUNDS = 3;
    private static final int MOST_ROUNDS = 200;
    /**
     * Between two timed calls on the CPU. OpenBLAS, which is LibTorch's float32 product, lets its threads spin for 2^26 cycles after one;
     * they would take half a core from whatever is timed next.
     */
    private static final long PAUSE_NANOS = 50_000_000;

    /**
     * Times of one method.
     *
     * @param ratios     by opponent: median over the rounds of (its time / this one's time) in the same round
     * @param extraBytes peak memory of one call on top of what was there and of its result, see {@link ResidentMemory} and {@link DeviceMemory}; −1 if
     *                   not known
     * @param share      of the machine's peak that the median reaches; 0 if not known
     * @param peak       which peak
     */
    record Timing(
            String method,
            double medianMillis,
            double lowestMillis,
            double highestMillis,
            int rounds,
            Map<String, Double> ratios,
            long extraBytes,
            double share,
            String peak) {
        /** The times alone. */
        Timing withoutRatios() {
            return new Timing(
                    method, medianMillis, lowestMillis, highestMillis, rounds, Map.of(), extraBytes, share, peak);
        }
    }

    private final Object benchmark;
    private final List<Method> methods;
    private final Map<String, Object> parameters = new LinkedHashMap<>();

    private Comparison(Object benchmark, List<Method> methods) {
        this.benchmark = benchmark;
        this.methods = methods;
    }

    /**
     * Makes a benchmark and sets it up.
     *
     * @param settings values of its parameters; those not given have the first value of their {@link Param}
     * @param wanted   names of methods; empty: all. Opponents of wanted methods are added.
     */
    static Comparison open(Class<?> type, Map<String, String> settings, List<String> wanted) {
        List<Method> all = Arrays.stream(type.getMethods())
                .filter(method -> method.isAnnotationPresent(Benchmark.class))
                .toList();
        for (String name : wanted) {
            if (all.stream().noneMatch(method -> method.getName().equals(name))) {
                throw new IllegalArgumentException(type.getSimpleName() + " has no method " + name + ": it has "
                        + all.stream().map(Method::getName).sorted().toList());
            }
        }
        List<Method> chosen = all.stream()
                .filter(method -> wanted.isEmpty()
                        || wanted.contains(method.getName())
                        || all.stream()
                                .anyMatch(other -> wanted.contains(other.getName())
                                        && opponents(other).contains(method.getName())))
                .sorted((a, b) -> a.getName().compareTo(b.getName()))
                .toList();
        Object benchmark = call(() -> type.getDeclaredConstructor().newInstance());
        Comparison comparison = new Comparison(benchmark, chosen);
        Map<String, String> unknown = new LinkedHashMap<>(settings);
        for (Field field : type.getDeclaredFields()) {
            Param param = field.getAnnotation(Param.class);
            if (param != null) {
                String given = unknown.remove(field.getName());
                Object value = convert(field.getType(), given == null ? param.value()[0] : given);
                comparison.parameters.put(field.getName(), value);
                call(() -> {
                    field.set(benchmark, value);
                    return null;
                });
            }
        }
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException(type.getSimpleName() + " has no parameter "
                    + String.join(", ", unknown.keySet()) + ": it has " + comparison.parameters.keySet());
        }
        comparison.callAll(Setup.class);
        return comparison;
    }

    /** The parameters by name, with the values that are in force. */
    Map<String, Object> parameters() {
        return parameters;
    }

    /** What the benchmark says of its answer; empty if it says nothing. */
    String proof() {
        return benchmark instanceof Accounted accounted ? accounted.proof() : "";
    }

    Map<String, Object> facts() {
        return benchmark instanceof Accounted accounted ? accounted.facts() : Map.of();
    }

    /**
     * Times the methods in turn, each round in another order, until the time is over; at least {@value #FEWEST_ROUNDS}
     * rounds.
     *
     * @param peaks of the machine, as {@link MachinePeak} measures them
     */
    List<Timing> run(double seconds, Map<String, Double> peaks) {
        long[] extra = new long[methods.size()];
        for (int m = 0; m < extra.length; m++) {
            Method method = methods.get(m);
            Runnable once = () -> invoke(method); // also warms up
            extra[m] = isOnCuda() ? DeviceMemory.extra(once) : ResidentMemory.extra(once);
            if (extra[m] >= 0 && benchmark instanceof Accounted accounted) {
                extra[m] = Math.max(0, extra[m] - accounted.resultBytes(method.getName()));
            }
        }
        List<double[]> rounds = new ArrayList<>();
        long end = System.nanoTime() + (long) (seconds * 1e9);
        while (rounds.size() < FEWEST_ROUNDS || (System.nanoTime() < end && rounds.size() < MOST_ROUNDS)) {
            double[] times = new double[methods.size()];
            for (int i = 0; i < times.length; i++) {
                int m = (i + rounds.size()) % times.length;
                times[m] = time(methods.get(m));
            }
            rounds.add(times);
        }
        List<Timing> timings = new ArrayList<>();
        for (int m = 0; m < methods.size(); m++) {
            timings.add(timing(m, rounds, extra[m], peaks));
        }
        return timings;
    }

    private Timing timing(int m, List<double[]> rounds, long extra, Map<String, Double> peaks) {
        String name = methods.get(m).getName();
        double[] times = rounds.stream().mapToDouble(round -> round[m]).sorted().toArray();
        Map<String, Double> ratios = new LinkedHashMap<>();
        for (String opponent : opponents(methods.get(m))) {
            int other = methods.stream().map(Method::getName).toList().indexOf(opponent);
            if (other >= 0) {
                ratios.put(
                        opponent,
                        median(rounds.stream()
                                .mapToDouble(round -> round[other] / round[m])
                                .sorted()
                                .toArray()));
            }
        }
        Accounted.Work work = benchmark instanceof Accounted accounted ? accounted.work(name) : null;
        double peak = work == null ? 0 : peaks.getOrDefault(work.peak(), 0.0);
        double share = peak == 0 ? 0 : work.amount() / (median(times) / 1e3) / peak;
        return new Timing(
                name,
                median(times),
                times[0],
                times[times.length - 1],
                times.length,
                ratios,
                extra,
                share,
                peak == 0 ? null : work.peak());
    }

    private boolean isOnCuda() {
        return "cuda".equals(parameters.get("device"));
    }

    private double time(Method method) {
        if (!isOnCuda()) {
            LockSupport.parkNanos(PAUSE_NANOS);
        }
        long start = System.nanoTime();
        invoke(method);
        return (System.nanoTime() - start) / 1e6;
    }

    private void invoke(Method method) {
        call(() -> method.invoke(benchmark));
    }

    private static List<String> opponents(Method method) {
        Against against = method.getAnnotation(Against.class);
        return against == null ? List.of() : List.of(against.value());
    }

    private static double median(double[] sorted) {
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static Object convert(Class<?> type, String value) {
        if (type == String.class) {
            return value;
        }
        if (type == int.class) {
            return Integer.valueOf(value);
        }
        if (type == long.class) {
            return Long.valueOf(value);
        }
        if (type == boolean.class) {
            return Boolean.valueOf(value);
        }
        return Double.valueOf(value);
    }

    private void callAll(Class<? extends java.lang.annotation.Annotation> annotation) {
        for (Method method : benchmark.getClass().getMethods()) {
            if (method.isAnnotationPresent(annotation) && !Modifier.isStatic(method.getModifiers())) {
                invoke(method);
            }
        }
    }

    private interface Step<T> {
        T run() throws ReflectiveOperationException;
    }

    private static <T> T call(Step<T> step) {
        try {
            return step.run();
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            if (e.getCause() instanceof Error cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Tears the benchmark down. */
    @Override
    public void close() {
        callAll(TearDown.class);
    }
}
