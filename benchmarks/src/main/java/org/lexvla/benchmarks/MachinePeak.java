package org.lexvla.benchmarks;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.Loader;

/**
 * What the machine can do at most, measured by the program {@code lexvla_machine_peak} that is built with the kernels:
 * operations or bytes per second of all threads together.
 */
final class MachinePeak {
    /** Multiply-adds in registers. */
    static final String FLOAT32 = "float32";

    /** Multiply-adds of bfloat16 numbers: by their dot product instruction, or widened to float32, whichever is faster. */
    static final String BFLOAT16 = "bfloat16";

    private static final String BFLOAT16_DOT = "bfloat16_dot";

    /** Multiply-adds of int8 numbers by their dot product instruction. */
    static final String INT8 = "int8_dot";

    /** Bytes read from memory, of a gigabyte. */
    static final String READ = "read";

    private MachinePeak() {}

    /** Runs the program; takes a second or two. */
    static Map<String, Double> measure(int threads) throws IOException, InterruptedException {
        Path program = program();
        Process process = new ProcessBuilder(program.toString(), Integer.toString(threads))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        if (status != 0) {
            throw new IOException(program + " ended with status " + status);
        }
        Map<String, Double> rates =
                new LinkedHashMap<>(new ObjectMapper().readValue(answer, new TypeReference<Map<String, Double>>() {}));
        rates.remove("threads");
        rates.put(BFLOAT16, Math.max(rates.get(FLOAT32), rates.getOrDefault(BFLOAT16_DOT, 0.0)));
        return rates;
    }

    private static Path program() throws IOException {
        String given = System.getProperty("lexvla.machinePeak");
        Path build = Path.of("native/cppbuild");
        String name = "bin/lexvla_machine_peak";
        Path program = given != null
                ? Path.of(given)
                : build.resolve(Loader.Detector.getPlatform()).resolve(name);
        if (given == null && !Files.isExecutable(program)) {
            // Of a build with CUDA.
            program = build.resolve(Loader.Detector.getPlatform() + "-gpu").resolve(name);
        }
        if (!Files.isExecutable(program)) {
            throw new IOException(
                    program + " is not there: build with mvn package and start from the project's root, or name"
                            + " the program by -Dlexvla.machinePeak=FILE");
        }
        return program;
    }
}
