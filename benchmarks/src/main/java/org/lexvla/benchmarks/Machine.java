package org.lexvla.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.Loader;
import org.lexvla.lexical.Kernels;

/** What is to be known of the machine and the software for a figure to mean something. */
final class Machine {
    private Machine() {}

    /** @param gpu what was computed on, or null: the CPU */
    static Map<String, Object> machine(Gpu gpu) throws IOException {
        Map<String, Object> machine = new LinkedHashMap<>();
        if (gpu != null) {
            machine.put("gpu", gpu.name());
            machine.put("driver", gpu.driver());
        }
        machine.put("cpu", field("/proc/cpuinfo", "model name", System.getProperty("os.arch")));
        machine.put("cores", Runtime.getRuntime().availableProcessors());
        machine.put("isa", Kernels.activeIsa());
        machine.put("extensions", extensions());
        machine.put("memory", field("/proc/meminfo", "MemTotal", "unknown"));
        machine.put("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        return machine;
    }

    /** What a kind of machine is called in file names, such as {@code x86_64-avx512-2cores} or {@code nvidia-h200}. */
    static String kind(Gpu gpu) {
        if (gpu != null) {
            return gpu.name().toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
        }
        String arch = System.getProperty("os.arch").replace("amd64", "x86_64");
        return (arch + "-" + Kernels.activeIsa() + "-" + Runtime.getRuntime().availableProcessors() + "cores")
                .toLowerCase(Locale.ROOT);
    }

    static Map<String, String> versions() throws IOException {
        Map<String, String> versions = new TreeMap<>();
        versions.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.version"));
        versions.put("libtorch", Loader.getVersion("org.bytedeco", "pytorch"));
        versions.put("kernels", Integer.toString(Kernels.version()));
        return versions;
    }

    /** Commit of the sources in the working directory; {@code -Dlexvla.commit} says it where they are not. */
    static String commit() throws InterruptedException {
        String given = System.getProperty("lexvla.commit");
        return given != null ? given : answer("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*");
    }

    /** What a program prints; unknown if there is no such program, or it fails. */
    static String answer(String... command) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
            return process.waitFor() == 0 ? answer : "unknown";
        } catch (IOException e) {
            return "unknown";
        }
    }

    /** Those of the CPU's extensions that decide how fast a matrix product can be. */
    private static String extensions() throws IOException {
        String flags = " " + field("/proc/cpuinfo", "flags", "") + " ";
        StringBuilder found = new StringBuilder();
        for (String name : new String[] {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"}) {
            if (flags.contains(" " + name + " ")) {
                found.append(found.isEmpty() ? "" : " ").append(name);
            }
        }
        return found.toString();
    }

    private static String field(String file, String name, String otherwise) throws IOException {
        if (!Files.isReadable(Path.of(file))) {
            return otherwise;
        }
        return Files.readAllLines(Path.of(file)).stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(line.indexOf(':') + 1).trim())
                .findFirst()
                .orElse(otherwise);
    }
}
