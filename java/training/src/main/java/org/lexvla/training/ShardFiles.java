package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Files of one format, each a shard. */
final class ShardFiles implements CaptionSource {
    /** How shards of a kind are read. */
    interface Format {
        /**
         * Opens a shard.
         *
         * @param from samples that are left out
         * @throws IOException naming the file, if it is none of this format or lacks what is looked for
         */
        Reader open(Path file, ColumnNames columns, long from) throws IOException;

        /** Samples of a shard, without reading them where that can be avoided. */
        long count(Path file) throws IOException;
    }

    private record File(Path path, long bytes, Format format, ColumnNames columns) implements Shard {
        @Override
        public String name() {
            return path.toString();
        }

        @Override
        public Reader open(long from) throws IOException {
            return format.open(path, columns, from);
        }
    }

    private final String name;
    private final List<File> files;

    /**
     * @param name  for messages
     * @param files in the order of their names
     */
    ShardFiles(String name, List<Path> files, Format format, ColumnNames columns) throws IOException {
        this.name = name;
        List<File> shards = new ArrayList<>(files.size());
        for (Path file : files) {
            shards.add(new File(file, Files.size(file), format, columns));
        }
        this.files = List.copyOf(shards);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<? extends Shard> shards() {
        return files;
    }

    @Override
    public boolean isList() {
        return false;
    }

    @Override
    public long size() throws IOException {
        long size = 0;
        for (File file : files) {
            size += file.format().count(file.path());
        }
        return size;
    }
}
