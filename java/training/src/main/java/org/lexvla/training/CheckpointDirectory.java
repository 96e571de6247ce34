package org.lexvla.training;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** {@code RUN/checkpoints}: a directory per checkpoint, named by its step; what is being written begins with a dot. */
final class CheckpointDirectory {
    static final String NAME = "checkpoints";

    private final Path directory;

    private CheckpointDirectory(Path directory) {
        this.directory = directory;
    }

    static CheckpointDirectory of(Path run) {
        return new CheckpointDirectory(run.resolve(NAME));
    }

    /** All that have a name of a checkpoint, whole or not. */
    List<Path> newestFirst() throws IOException {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(directory)) {
            return list.filter(path -> path.getFileName().toString().matches("\\d{8,}"))
                    .sorted(Comparator.comparingInt(CheckpointDirectory::step).reversed())
                    .toList();
        }
    }

    private static int step(Path checkpoint) {
        return Integer.parseInt(checkpoint.getFileName().toString());
    }

    /** Writes the files of a checkpoint into a directory. */
    @FunctionalInterface
    interface Content {
        void write(Path directory) throws IOException;
    }

    /**
     * Adds a checkpoint, whole or not at all; then removes the oldest.
     *
     * @param keep how many stay
     * @throws IOException if it cannot be written; those that were there are still there
     */
    void add(int step, int keep, Content content) throws IOException {
        Path target = directory.resolve(String.format(Locale.ROOT, "%08d", step));
        Path beside = directory.resolve("." + target.getFileName());
        try {
            Files.createDirectories(directory);
            delete(beside);
            content.write(beside);
            // One of this step is from a run that went back behind it.
            delete(target);
            Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
            Checkpoint.sync(directory);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } finally {
            delete(beside);
        }
        List<Path> all = newestFirst();
        for (Path old : all.subList(Math.min(keep, all.size()), all.size())) {
            delete(old);
        }
    }

    /** Removes what a killed run was writing, and what lies behind the step it goes on from: checkpoints that are damaged. */
    void goOnFrom(int step) throws IOException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        List<Path> unfinished;
        try (Stream<Path> list = Files.list(directory)) {
            unfinished = list.filter(path -> path.getFileName().toString().startsWith("."))
                    .toList();
        }
        for (Path path : unfinished) {
            delete(path);
        }
        for (Path path : newestFirst()) {
            if (step(path) > step) {
                delete(path);
            }
        }
    }

    private static void delete(Path path) throws IOException {
        if (!Files.exists(path)) {
            return;
        }
        try (Stream<Path> all = Files.walk(path)) {
            for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(one);
            }
        }
    }
}
