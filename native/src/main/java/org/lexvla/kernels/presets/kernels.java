package org.lexvla.kernels.presets;

import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/**
 * What JavaCPP makes of {@code lexvla/kernels.h}: {@code org.lexvla.kernels.global.kernels} with one static method per function.
 *
 * <p>The functions are bound as they are: they return a status, 0 for success, and {@code lexvla_last_error()} says the
 * rest. Memory of another owner is passed by a pointer that borrows its address; nothing is copied. {@code
 * lexvla/reference.h} is bound beside them for tests.
 *
 * <p>Tested on linux-x86_64. The names on the other platforms are those that CMake gives: {@code lexvla_kernels.dll},
 * {@code liblexvla_kernels.dylib}.
 */
@Properties(
        value = {
            @Platform(
                    value = {"linux", "macosx", "windows"},
                    compiler = "cpp17",
                    include = {"lexvla/kernels.h", "lexvla/reference.h"},
                    link = "lexvla_kernels"),
            // The build with CUDA kernels has its own jar, which Loader prefers where both are there.
            @Platform(
                    value = {"linux", "windows"},
                    extension = "-gpu"),
        },
        target = "org.lexvla.kernels",
        global = "org.lexvla.kernels.global.kernels")
public class kernels implements InfoMapper {
    /** For JavaCPP, which makes one. */
    public kernels() {}

    @Override
    public void map(InfoMap infoMap) {
        infoMap.put(new Info("LEXVLA_API").cppTypes().annotations())
                .put(new Info("defined(_WIN32)").define(false))
                .put(new Info("LEXVLA_KERNELS_H", "LEXVLA_REFERENCE_H").skip())
                .put(new Info("LEXVLA_CPU").cppTypes("int").translate(false))
                .put(new Info("LEXVLA_NORM_EPS").cppTypes("float").translate(false));
    }
}
