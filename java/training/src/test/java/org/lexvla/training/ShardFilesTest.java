package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;
import org.lexvla.training.ShardsOfAllKinds.Item;

@Seeded
class ShardFilesTest {
    @TempDir
    Path directory;

    private CaptionDataset table;
    private List<Item> items;

    @BeforeEach
    void draw() throws IOException {
        table = ToyData.write(directory.resolve("toys"));
        items = ShardsOfAllKinds.items(table);
    }

    /** What a sample is, with a few of its pixels. */
    private static String read(Sample sample) throws IOException {
        if (sample.flaw() != null) {
            return sample.index() + " " + sample.key() + ": " + sample.flaw();
        }
        BufferedImage picture = sample.picture().read();
        return sample.index() + " " + sample.key() + ": " + sample.caption() + " " + picture.getWidth() + " "
                + Integer.toHexString(picture.getRGB(3, 3)) + Integer.toHexString(picture.getRGB(20, 3));
    }

    private static List<String> read(CaptionSource.Shard shard, long from) throws IOException {
        List<String> samples = new ArrayList<>();
        try (CaptionSource.Reader reader = shard.open(from)) {
            for (Sample sample; (sample = reader.next()) != null; ) {
                samples.add(read(sample));
            }
        }
        return samples;
    }

    private CaptionSource open(Path data, String... settings) throws IOException {
        return CaptionSource.open(data.toString(), ToyData.config(settings).data());
    }

    @Test
    void allKindsGiveTheSameSamplesFromAnyOneOn() throws IOException {
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < items.size(); i++) {
            CaptionDataset.Pair pair = table.pairs().get(i);
            Sample sample = new Sample(
                    i,
                    items.get(i).key(),
                    pair.caption(),
                    () -> org.lexvla.model.ImageTransform.read(pair.file()),
                    null);
            expected.add(read(sample));
        }
        assertThat(expected).hasSize(12).doesNotHaveDuplicates();
        List<Path> files = List.of(
                ShardsOfAllKinds.tar(directory.resolve("a.tar"), items),
                ShardsOfAllKinds.parquet(directory.resolve("a.parquet"), items, CompressionCodecName.UNCOMPRESSED),
                ShardsOfAllKinds.parquet(directory.resolve("b.parquet"), items, CompressionCodecName.SNAPPY),
                ShardsOfAllKinds.parquet(directory.resolve("c.parquet"), items, CompressionCodecName.ZSTD),
                ShardsOfAllKinds.structured(directory.resolve("d.parquet"), items),
                ShardsOfAllKinds.files(directory.resolve("e.parquet"), table, items),
                ShardsOfAllKinds.arrow(directory.resolve("a.arrow"), items, false),
                ShardsOfAllKinds.arrow(directory.resolve("b.arrow"), items, true));
        for (Path file : files) {
            CaptionSource source = open(file);
            assertThat(source.size()).as("%s", file).isEqualTo(12);
            assertThat(source.shards()).hasSize(1);
            for (int from = 0; from <= 13; from++) {
                assertThat(read(source.shards().get(0), from))
                        .as("%s from %d", file, from)
                        .isEqualTo(expected.subList(Math.min(from, 12), 12));
            }
            assertThat(source.captions(100)).isEqualTo(table.captions());
            assertThat(source.captions(3)).isEqualTo(table.captions().subList(0, 3));
        }
    }

    @Test
    void whatIsMissingInARowIsSaid() throws IOException {
        List<Item> some = List.of(
                new Item("a", items.get(0).picture(), "fine"),
                new Item("b", items.get(0).picture(), null),
                new Item("c", null, "alone"),
                new Item("d", items.get(0).picture(), " \n"));
        for (Path file : List.of(
                ShardsOfAllKinds.tar(directory.resolve("a.tar"), some),
                ShardsOfAllKinds.parquet(directory.resolve("a.parquet"), some, CompressionCodecName.SNAPPY),
                ShardsOfAllKinds.arrow(directory.resolve("a.arrow"), some, false))) {
            List<String> samples = read(open(file).shards().get(0), 0);
            assertThat(samples).hasSize(4);
            assertThat(samples.get(0)).startsWith("0 a: fine");
            assertThat(samples.get(1)).startsWith("1 b: no caption");
            assertThat(samples.get(2)).startsWith("2 c: no picture");
            assertThat(samples.get(3)).startsWith("3 d: no caption");
        }
    }

    @Test
    void membersOfATarAreFoundByTheEndsOfTheirNames() throws IOException {
        byte[] picture = items.get(0).picture();
        Map<String, byte[]> members = new LinkedHashMap<>();
        members.put("x/1.JPG", picture);
        members.put("x/1.json", text("{\"caption\": \"of json\", \"alt\": \"other\"}"));
        members.put("x/2.seg.png", picture);
        members.put("x/2.webp", picture);
        members.put("x/2.txt", text(" of text\n"));
        members.put("x/2.json", text("{\"caption\": \"of json\", \"alt\": \"second\"}"));
        members.put("y/2.txt", text("another"));
        Path tar = ShardsOfAllKinds.tar(directory.resolve("a.tar"), members);
        List<String> samples = read(open(tar).shards().get(0), 0);
        assertThat(samples.get(0)).startsWith("0 x/1: of json");
        assertThat(samples.get(1)).startsWith("1 x/2: of text");
        assertThat(samples.get(2))
                .isEqualTo("2 y/2: no picture: looked for jpg, jpeg, png, webp, gif, bmp, it has txt");
        assertThat(samples).hasSize(3);
        samples = read(
                open(tar, "data.image=seg.png", "data.caption=json.alt")
                        .shards()
                        .get(0),
                0);
        assertThat(samples.get(0)).startsWith("0 x/1: no picture: looked for seg.png, it has json, jpg");
        assertThat(samples.get(1)).startsWith("1 x/2: second");
    }

    @Test
    void aTarThatIsCutAnywhereGivesWhatIsBeforeTheCut(RandomSource random) throws IOException {
        Path whole = ShardsOfAllKinds.tar(directory.resolve("whole.tar"), items);
        List<String> all = read(open(whole).shards().get(0), 0);
        byte[] bytes = Files.readAllBytes(whole);
        for (int trial = 0; trial < 100; trial++) {
            // Of a sample, its picture takes two blocks and more, its caption two.
            int length = 1 + random.nextInt(bytes.length - 1);
            Path cut = Files.write(directory.resolve("cut.tar"), Arrays.copyOf(bytes, length));
            List<String> samples = new ArrayList<>();
            CaptionSource.Shard shard = open(cut).shards().get(0);
            boolean failed = false;
            try (CaptionSource.Reader reader = shard.open(0)) {
                for (Sample sample; (sample = reader.next()) != null; ) {
                    samples.add(read(sample));
                }
            } catch (IOException e) {
                failed = true;
            }
            int good = samples.size();
            if (good > 0 && samples.get(good - 1).contains("no caption")) {
                good--;
            }
            assertThat(samples.subList(0, good)).as("%d bytes", length).isEqualTo(all.subList(0, good));
            assertThat(failed || good == all.size()).as("%d bytes", length).isTrue();
            assertThat(open(cut).size()).isBetween((long) good, (long) good + 1);
        }
    }

    @Test
    void columnsThatAreNotThereAreNamedWithThoseThatAre() throws IOException {
        Path parquet = ShardsOfAllKinds.parquet(directory.resolve("a.parquet"), items, CompressionCodecName.SNAPPY);
        assertThatThrownBy(
                        () -> read(open(parquet, "data.caption=TEXT").shards().get(0), 0))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no column of captions: looked for TEXT")
                .hasMessageContaining("caption (text), jpg (bytes), key (text)")
                .hasMessageContaining("data.caption");
        Path arrow = ShardsOfAllKinds.arrow(directory.resolve("a.arrow"), items, false);
        assertThatThrownBy(() -> read(open(arrow, "data.image=pixels").shards().get(0), 0))
                .hasMessageContaining("no column of pictures: looked for pixels")
                .hasMessageContaining("data.image");
    }

    @Test
    void damagedFilesAreErrorsThatNameThem() throws IOException {
        for (String name : List.of("a.parquet", "a.arrow")) {
            Path file = Files.writeString(directory.resolve(name), "neither of both, but long enough to be looked at");
            assertThatThrownBy(() -> read(open(file).shards().get(0), 0))
                    .as(name)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(name);
        }
    }

    @Test
    void patternsAreWrittenOut() throws IOException {
        assertThat(DataFiles.expand("a/{008..011}.tar"))
                .containsExactly("a/008.tar", "a/009.tar", "a/010.tar", "a/011.tar");
        assertThat(DataFiles.expand("{x,y}{0..1}")).containsExactly("x0", "x1", "y0", "y1");
        assertThat(DataFiles.expand("plain.tar")).containsExactly("plain.tar");
        assertThatThrownBy(() -> DataFiles.expand("{5..1}.tar")).hasMessageContaining("from 5 to 1");
    }

    @Test
    void dataAreFoundByWhatIsThere() throws IOException {
        Path shards = Files.createDirectories(directory.resolve("shards"));
        IntStream.range(0, 3).forEach(i -> {
            try {
                ShardsOfAllKinds.tar(shards.resolve("0000" + i + ".tar"), items.subList(4 * i, 4 * i + 4));
                Files.writeString(shards.resolve("0000" + i + "_stats.json"), "{\"successes\": 4}");
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        for (Path data : List.of(
                shards, shards.resolve("*.tar"), shards.resolve("{00000..00002}.tar"), shards.resolve("0000?.tar"))) {
            CaptionSource source = open(data);
            assertThat(source.shards()).hasSize(3);
            assertThat(source.size()).isEqualTo(12);
            assertThat(source.captions(100)).isEqualTo(table.captions());
        }
        assertThat(open(directory.resolve("toys"))).isInstanceOf(CaptionDataset.class);
        assertThatThrownBy(() -> open(shards.resolve("{00002..00003}.tar"))).hasMessageContaining("00003.tar");
        ShardsOfAllKinds.arrow(shards.resolve("a.arrow"), items, false);
        assertThatThrownBy(() -> open(shards))
                .hasMessageContaining("several kinds of data")
                .hasMessageContaining("{arrow=1, json=3, tar=3}");
        assertThatThrownBy(() -> open(Files.createDirectories(directory.resolve("empty"))))
                .hasMessageContaining("it is empty");
    }

    @Test
    void packedShardsHaveTheSamplesOfTheTable() throws IOException {
        List<Path> shards = ShardWriter.write(table, directory.resolve("packed"), 5);
        assertThat(shards)
                .extracting(shard -> shard.getFileName().toString())
                .containsExactly("00000.tar", "00001.tar", "00002.tar");
        CaptionSource source = open(directory.resolve("packed"));
        assertThat(source.size()).isEqualTo(12);
        assertThat(source.captions(100)).isEqualTo(table.captions());
        assertThat(read(source.shards().get(1), 0).get(0))
                .startsWith("0 000010000: " + table.captions().get(5));
        assertThat(directory.resolve("packed")).isDirectoryNotContaining("glob:**/.*");
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
