package org.lexvla.training;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** Packs a table and its pictures into shards of WebDataset, as img2dataset lays them out: {@code 00000.tar} and so on. */
public final class ShardWriter {
    private ShardWriter() {}

    /**
     * Writes all rows in their order; each shard is written beside and renamed. A sample of WebDataset has one caption: a picture with
     * several is packed once for each, and nothing keeps these out of the same batch any more.
     *
     * @param directory made if missing
     * @param perShard  samples of a shard
     * @return the shards
     * @throws IOException naming the picture, if one cannot be read
     */
    public static List<Path> write(CaptionDataset table, Path directory, int perShard) throws IOException {
        Range.atLeast("samples of a shard", perShard, 1);
        Files.createDirectories(directory);
        List<Path> shards = new ArrayList<>();
        Iterator<CaptionDataset.Pair> rows = table.pairs().iterator();
        while (rows.hasNext()) {
            Path shard = directory.resolve(String.format(Locale.ROOT, "%05d.tar", shards.size()));
            Path beside = shard.resolveSibling("." + shard.getFileName() + ".tmp");
            try {
                write(rows, beside, shards.size(), perShard);
                Files.move(beside, shard, StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(beside);
            }
            shards.add(shard);
        }
        return shards;
    }

    private static void write(Iterator<CaptionDataset.Pair> rows, Path file, int shard, int most) throws IOException {
        try (TarArchiveOutputStream tar =
                new TarArchiveOutputStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
            for (int i = 0; i < most && rows.hasNext(); i++) {
                CaptionDataset.Pair row = rows.next();
                String key = String.format(Locale.ROOT, "%05d%04d", shard, i);
                put(tar, key + "." + extension(row.file()), Files.readAllBytes(row.file()));
                put(tar, key + ".txt", row.caption().getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    /** Readers find a picture by one of the usual endings, and its format by its content. */
    private static String extension(Path file) {
        String name = file.getFileName().toString();
        String end = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        return ColumnNames.PICTURES.contains(end) ? end : ColumnNames.PICTURES.get(0);
    }

    private static void put(TarArchiveOutputStream tar, String name, byte[] content) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name);
        entry.setSize(content.length);
        // The same table makes the same bytes.
        entry.setModTime(0L);
        tar.putArchiveEntry(entry);
        tar.write(content);
        tar.closeArchiveEntry();
    }
}
