package org.lexvla.model;

import java.nio.file.Path;
import java.util.UUID;

/** Names for files and directories that are not whole yet: they are written beside their place and renamed. */
final class PartFile {
    private PartFile() {}

    /**
     * A hidden neighbour that no other process uses. It is not made: made as a temporary file it would be for its owner's eyes alone,
     * and so would the file that it becomes.
     */
    static Path beside(Path file) {
        return file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".part");
    }
}
