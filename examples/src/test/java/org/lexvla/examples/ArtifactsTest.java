package org.lexvla.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The installed artifacts as somebody finds them who links against them. */
class ArtifactsTest {
    private static final Path INSTALLED = Path.of(System.getProperty("lexvla.it.repository"), "org", "lexvla");
    private static final String SOURCES = "-sources.jar";

    @Test
    void everyJarIsAModuleOfItsOwnName() throws IOException {
        Map<String, String> moduleOfArtifact = new HashMap<>();
        for (Path jar : jars()) {
            moduleOfArtifact.put(artifact(jar), descriptor(jar).name());
        }
        assertThat(moduleOfArtifact)
                .containsEntry("lexvla-native", "org.lexvla.kernels")
                .containsEntry("lexvla-lexical", "org.lexvla.lexical")
                .containsEntry("lexvla-model", "org.lexvla.model")
                .containsEntry("lexvla-training", "org.lexvla.training")
                .containsEntry("lexvla-search", "org.lexvla.search")
                .containsEntry("lexvla-evaluation", "org.lexvla.evaluation")
                .containsEntry("lexvla-server", "org.lexvla.server");
        assertThat(moduleOfArtifact.values()).doesNotHaveDuplicates();
    }

    @Test
    void noPackageIsInTwoJars() throws IOException {
        Map<String, Path> jarOfPackage = new HashMap<>();
        for (Path jar : jars()) {
            for (String name : descriptor(jar).packages()) {
                Path other = jarOfPackage.put(name, jar);
                assertThat(other).as("package %s, also in %s", name, jar).isNull();
            }
        }
        assertThat(jarOfPackage).containsKeys("org.lexvla.kernels.global", "org.lexvla.lexical", "org.lexvla.model");
    }

    @Test
    void everyJarOfClassesIsBuiltWithItsSources() throws IOException {
        List<String> sources;
        try (Stream<Path> files = Files.walk(Path.of(System.getProperty("lexvla.root")), 4)) {
            sources = files.filter(file -> file.getParent().endsWith("target"))
                    .map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(SOURCES))
                    .toList();
        }
        for (Path jar : jars()) {
            if (!descriptor(jar).packages().isEmpty()) {
                String name = jar.getFileName().toString();
                assertThat(sources).contains(name.substring(0, name.length() - ".jar".length()) + SOURCES);
            }
        }
    }

    private static ModuleDescriptor descriptor(Path jar) {
        ModuleReference only = ModuleFinder.of(jar).findAll().iterator().next();
        return only.descriptor();
    }

    /** The directory of the artifact, with the classifier of natives. */
    private static String artifact(Path jar) {
        String name = jar.getFileName().toString();
        String artifact = jar.getParent().getParent().getFileName().toString();
        String version = jar.getParent().getFileName().toString();
        return artifact + name.substring(artifact.length() + 1 + version.length(), name.length() - ".jar".length());
    }

    private static List<Path> jars() throws IOException {
        try (Stream<Path> files = Files.walk(INSTALLED)) {
            List<Path> jars = new ArrayList<>(files.filter(file -> {
                        String name = file.getFileName().toString();
                        return name.endsWith(".jar") && !name.endsWith(SOURCES) && !name.endsWith("-javadoc.jar");
                    })
                    .toList());
            assertThat(jars).hasSizeGreaterThanOrEqualTo(7);
            return jars;
        }
    }
}
