package org.lexvla.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code cppbuild.sh} says to who has no nvcc, or one that is too old. It ends before anything is built. */
class CppbuildTest {
    private static final Path SCRIPT =
            Path.of("..", "cppbuild.sh").toAbsolutePath().normalize();

    @TempDir
    Path directory;

    /** What the script says where the build with CUDA is refused. */
    private String refusal(Map<String, String> environment) throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder("bash", SCRIPT.toString(), "-extension", "-gpu", "install", "kernels");
        builder.environment().putAll(environment);
        Process process = builder.redirectErrorStream(true).start();
        String said;
        try (InputStream out = process.getInputStream()) {
            said = new String(out.readAllBytes(), StandardCharsets.UTF_8);
        }
        assertThat(process.waitFor()).as(said).isEqualTo(1);
        return said.strip();
    }

    /** A program that prints this line. */
    private Path program(String name, String line) throws IOException {
        Path file = directory.resolve(name);
        Files.writeString(file, "#!/bin/sh\necho '" + line + "'\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return file;
    }

    @Test
    void anNvccThatIsNotThere() throws Exception {
        Path none = directory.resolve("nvcc");
        assertThat(refusal(Map.of("CUDACXX", none.toString())))
                .isEqualTo(
                        "cppbuild.sh: CUDACXX names '" + none + "', which is no program: name nvcc there, or unset it");
    }

    @Test
    void anOldNvcc() throws Exception {
        Path old = program("nvcc", "Cuda compilation tools, release 11.8, V11.8.89");
        assertThat(refusal(Map.of("CUDACXX", old.toString())))
                .isEqualTo("cppbuild.sh: '" + old
                        + "' is of CUDA 11.8, at least 12.8 is needed: install a newer toolkit and"
                        + " name its nvcc in CUDACXX");
    }

    @Test
    void whatIsNoNvcc() throws Exception {
        Path other = program("nvcc", "I am a calculator");
        assertThat(refusal(Map.of("CUDACXX", other.toString())))
                .isEqualTo("cppbuild.sh: '" + other
                        + " --version' names no release of CUDA: name the nvcc of a CUDA toolkit" + " in CUDACXX");
    }
}
