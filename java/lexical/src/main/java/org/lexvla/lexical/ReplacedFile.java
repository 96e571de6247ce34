package org.lexvla.lexical;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.UUID;

/**
 * A file that is written beside its final place and then renamed over it, so that a reader finds the old file or the new
 * one and never a part. Closed without {@link #commit()}, it leaves nothing behind.
 */
final class ReplacedFile implements AutoCloseable {
    private final Path target;
    private final Path temporary;

    private ReplacedFile(Path target, Path temporary) {
        this.target = target;
        this.temporary = temporary;
    }

    static ReplacedFile of(Path target) throws IOException {
        Path absolute = target.toAbsolutePath();
        if (!Files.isDirectory(absolute.getParent())) {
            throw new IOException("cannot write " + target + ": " + absolute.getParent() + " is not a directory");
        }
        String name = "." + absolute.getFileName() + "." + UUID.randomUUID() + ".tmp";
        return new ReplacedFile(absolute, absolute.resolveSibling(name));
    }

    /** Where to write. */
    Path temporary() {
        return temporary;
    }

    /** Puts what was written in its place. */
    void commit() throws IOException {
        try {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(temporary);
    }
}
