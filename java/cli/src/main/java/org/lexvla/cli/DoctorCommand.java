package org.lexvla.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Kernels;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what of Java, natives and CUDA was found on this machine, and which files are missing. */
@Command(
        name = "doctor",
        description = "Say what of Java, natives, instruction sets and CUDA was found, and what is missing.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla doctor --json"})
final class DoctorCommand implements Callable<Integer> {
    /** What the GPU build of LibTorch loads at run time and does not carry. */
    private static final List<String> CUDA_LIBRARIES = List.of(
            "libcuda.so.1",
            "libcudart.so.13",
            "libcublas.so.13",
            "libcublasLt.so.13",
            "libcudnn.so.9",
            "libcufft.so.12",
            "libcurand.so.10",
            "libcusparse.so.12",
            "libcusolver.so.12",
            "libcusolverMg.so.12",
            "libcufile.so.0",
            "libnccl.so.2");

    @Mixin
    private Console console;

    private final Map<String, Object> found = new LinkedHashMap<>();
    private boolean healthy = true;

    @Override
    public Integer call() {
        report("java", System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + ")");
        report("platform", Loader.getPlatform());
        report("processors", Runtime.getRuntime().availableProcessors());
        probe("kernels", () -> "instruction set " + Kernels.activeIsa() + ", " + Count.of(Kernels.threads(), "thread"));
        probe(
                "libtorch",
                () -> Loader.getVersion("org.bytedeco", "pytorch") + ", "
                        + Count.of(torch.get_num_threads(), "thread"));
        report("openblas threads", openBlasThreads());
        probe("cuda kernels", () -> Kernels.hasCuda() ? "built in" : "not in this build (build with -Pcuda)");
        probe("cuda devices", () -> torch.cuda_is_available() ? torch.cuda_device_count() + "" : "none");
        cudaLibraries();
        console.line("");
        console.line(healthy ? "Everything that the CPU needs is there." : "Something that the CPU needs is missing.");
        console.result(found);
        return healthy ? 0 : 1;
    }

    private void report(String name, Object value) {
        found.put(name.replace(' ', '_'), value);
        console.line("%-18s %s", name, value);
    }

    /** What fails to load is a finding, not a failure of this command. */
    private void probe(String name, Callable<String> what) {
        try {
            report(name, what.call());
        } catch (Exception | LinkageError e) {
            healthy = false;
            report(name, "MISSING: " + e);
        }
    }

    private static String openBlasThreads() {
        String threads = System.getenv("OPENBLAS_NUM_THREADS");
        return "1".equals(threads)
                ? "1"
                : threads + " (set OPENBLAS_NUM_THREADS=1: small steps run far slower otherwise)";
    }

    /** Each by its file name: where it is, or that it is missing. Only the GPU build needs them. */
    private void cudaLibraries() {
        String known = loaderCache();
        Map<String, String> places = new LinkedHashMap<>();
        for (String library : CUDA_LIBRARIES) {
            String place = place(library, known);
            places.put(library, place);
            console.line("%-18s %s", library, place == null ? "missing (a GPU needs it)" : place);
        }
        found.put("cuda_libraries", places);
    }

    /** Where the loader would find it, in its order: {@code LD_LIBRARY_PATH}, then what ldconfig knows. */
    private static String place(String library, String known) {
        String path = System.getenv("LD_LIBRARY_PATH");
        for (String directory : path == null ? new String[0] : path.split(":")) {
            if (!directory.isEmpty() && Files.exists(Path.of(directory, library))) {
                return Path.of(directory, library).toString();
            }
        }
        for (String line : known.split("\n")) {
            String[] parts = line.strip().split(" => ");
            if (parts.length == 2 && parts[0].startsWith(library + " ")) {
                return parts[1];
            }
        }
        return null;
    }

    private static String loaderCache() {
        try {
            Process process = new ProcessBuilder("/sbin/ldconfig", "-p")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return ""; // no ldconfig on this system: only LD_LIBRARY_PATH counts
        }
    }
}
