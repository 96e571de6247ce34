package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** The stream over shards in memory, some of which fail or hang. */
@Seeded
@Timeout(120)
class SampleStreamTest {
    @TempDir
    Path directory;

    /**
     * Shards of a few samples each.
     *
     * @param broken shard that cannot be read to its end; -1: none
     * @param dead   shard that hangs in its middle; -1: none
     */
    private record Source(int count, int samples, int broken, int dead) implements CaptionSource {
        @Override
        public String name() {
            return "memory";
        }

        @Override
        public List<Shard> shards() {
            List<Shard> all = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                all.add(new InMemory(this, i));
            }
            return all;
        }

        @Override
        public boolean isList() {
            return false;
        }

        @Override
        public long size() {
            return (long) count * samples;
        }
    }

    private record InMemory(Source source, int number) implements CaptionSource.Shard {
        @Override
        public String name() {
            return "shard" + number;
        }

        @Override
        public long bytes() {
            return source.samples();
        }

        @Override
        public CaptionSource.Reader open(long from) {
            return new CaptionSource.Reader() {
                private long next = from;

                @Override
                public Sample next() throws IOException {
                    if (next == source.samples()) {
                        return null;
                    }
                    if (next == source.samples() / 2) {
                        if (number == source.broken()) {
                            throw new IOException("bad sector");
                        }
                        if (number == source.dead()) {
                            hang();
                        }
                    }
                    String name = number + "-" + next;
                    int colour = name.hashCode();
                    return new Sample(next++, name, name, () -> picture(colour), null);
                }

                @Override
                public void close() {}
            };
        }

        private static void hang() throws IOException {
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                throw new IOException("interrupted", e);
            }
        }

        private static BufferedImage picture(int colour) {
            BufferedImage picture = new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB);
            picture.setRGB(3, 3, colour);
            return picture;
        }
    }

    private static TrainingConfig config(String... more) throws IOException {
        List<String> settings = new ArrayList<>(List.of(
                "batch=6", "seed=5", "data.minScale=0.5", "data.shuffle=40", "data.interleave=3", "data.threads=2"));
        settings.addAll(List.of(more));
        return TrainingConfig.load(null, settings);
    }

    private static List<String> captions(List<LoadedBatch> batches) {
        List<String> captions = new ArrayList<>();
        batches.forEach(batch -> captions.addAll(batch.captions()));
        return captions;
    }

    @Test
    void everyEpochIsEverySampleInAnotherOrder() throws Exception {
        List<String> all = captions(LoadedBatch.take(new Source(6, 20, -1, -1), config(), null, 60));
        List<String> first = all.subList(0, 120);
        List<String> second = all.subList(120, 240);
        assertThat(first).doesNotHaveDuplicates();
        assertThat(second).containsExactlyInAnyOrderElementsOf(first).isNotEqualTo(first);
    }

    @Test
    void shufflingMixesTheShardsThatAreOpenAndLeavesNoOrder() throws Exception {
        int shards = 12;
        int samples = 50;
        List<String> order = captions(LoadedBatch.take(
                new Source(shards, samples, -1, -1), config("data.shuffle=200", "data.interleave=4"), null, 100));
        // Of the shuffled windows of 200, every one is of the four shards that are open: 50 of each, in a random order.
        for (int window = 0; window < 3; window++) {
            Set<String> met = new HashSet<>();
            double covariance = 0;
            int neighbours = 0;
            for (int i = 0; i < 200; i++) {
                String[] name = order.get(200 * window + i).split("-");
                met.add(name[0]);
                covariance += Integer.parseInt(name[1]) * (i - 99.5) / 200;
                neighbours +=
                        i > 0 && order.get(200 * window + i - 1).split("-")[0].equals(name[0]) ? 1 : 0;
            }
            assertThat(met).hasSize(4);
            // Covariance of place and number: 0 in a random order with a deviation of 14.4 * 57.7 / sqrt(200) = 59;
            // sorted it is 832.
            assertThat(covariance).isCloseTo(0, within(5 * 59.0));
            // A neighbour of the same shard: one in four by chance, 49.75 of 199 with a deviation of 6.1.
            assertThat((double) neighbours).isCloseTo(49.75, within(5 * 6.1));
        }
    }

    @Test
    void aRunGoesOnAnywhereBitForBit(RandomSource random) throws Exception {
        TrainingConfig config = config(
                "seed=" + random.nextInt(1000),
                "data.shuffle=" + (1 + random.nextInt(60)),
                "data.interleave=" + (1 + random.nextInt(7)));
        Source source = new Source(5, 1 + random.nextInt(20) + 6, random.nextInt(5), -1);
        List<LoadedBatch> all = LoadedBatch.take(source, config, null, 40);
        for (int trial = 0; trial < 5; trial++) {
            int at = random.nextInt(39);
            assertThat(LoadedBatch.take(source, config, all.get(at).after(), 39 - at))
                    .as("after batch " + at)
                    .isEqualTo(all.subList(at + 1, 40));
        }
    }

    @Test
    void processesShareTheShardsAndNeverAPicture() throws Exception {
        Source source = new Source(7, 12, -1, -1);
        List<String> first = captions(LoadedBatch.take(source, config(), new Part(0, 2), null, 8));
        List<String> second = captions(LoadedBatch.take(source, config(), new Part(1, 2), null, 6));
        assertThat(first).hasSize(48).doesNotHaveDuplicates();
        assertThat(second).hasSize(36).doesNotHaveDuplicates().doesNotContainAnyElementsOf(first);
        DataPosition of = LoadedBatch.take(source, config(), new Part(1, 2), null, 1)
                .get(0)
                .after();
        assertThatThrownBy(() -> LoadedBatch.take(source, config(), Part.WHOLE, of, 1))
                .hasMessageContaining("process 1 of 2")
                .hasMessageContaining("as many as before");
        assertThatThrownBy(() -> LoadedBatch.take(source, config(), new Part(0, 8), null, 1))
                .hasMessageContaining("7 shards for 8 processes");
    }

    @Test
    void aShardThatBreaksOffIsNamedAndTheRestGoesOn() throws Exception {
        Path list = directory.resolve("skipped.jsonl");
        try (BufferAllocator allocator = new RootAllocator();
                BatchLoader loader = new BatchLoader(
                        new Source(4, 12, 2, -1), LoadedBatch.TRANSFORM, config(), Part.WHOLE, null, list, allocator)) {
            List<String> captions = new ArrayList<>();
            for (int i = 0; i < 7; i++) {
                try (Batch batch = loader.take()) {
                    captions.addAll(batch.captions());
                }
            }
            assertThat(captions).doesNotHaveDuplicates().contains("2-5", "3-11").doesNotContain("2-6", "2-7");
        }
        assertThat(SkippedSample.list(list)).singleElement().satisfies(shard -> {
            assertThat(shard.place()).isEqualTo("shard2");
            assertThat(shard.reason()).contains("from sample 6 on").contains("bad sector");
        });
    }

    @Test
    void aDeadShardEndsTheRunAndIsNamed() throws Exception {
        assertThatThrownBy(() -> LoadedBatch.take(
                        new Source(4, 12, -1, 1), config("data.slowSeconds=0.1", "data.deadSeconds=0.3"), null, 8))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("shard1 is dead")
                .hasMessageContaining("after sample 5")
                .hasMessageContaining("data.whenDead");
    }

    @Test
    void aDeadShardIsSkippedIfTheSettingsSaySoAndTheRunCanBeResumed() throws Exception {
        TrainingConfig config =
                config("data.shuffle=100", "data.slowSeconds=0.1", "data.deadSeconds=0.3", "data.whenDead=skip");
        List<LoadedBatch> all = LoadedBatch.take(new Source(4, 12, -1, 1), config, null, 7);
        assertThat(captions(all)).doesNotHaveDuplicates().contains("1-5").doesNotContain("1-6");
        // Back again, it stays as it was in this epoch.
        for (int at = 0; at < 6; at++) {
            assertThat(LoadedBatch.take(
                            new Source(4, 12, -1, -1), config, all.get(at).after(), 6 - at))
                    .isEqualTo(all.subList(at + 1, 7));
        }
    }

    @Test
    void closingFreesEverythingWhateverIsGoingOn(RandomSource random) throws Exception {
        for (int trial = 0; trial < 10; trial++) {
            try (BufferAllocator allocator = new RootAllocator()) {
                BatchLoader loader = new BatchLoader(
                        new Source(6, 20, -1, trial % 2 == 0 ? 3 : -1),
                        LoadedBatch.TRANSFORM,
                        config(),
                        Part.WHOLE,
                        null,
                        null,
                        allocator);
                if (trial % 2 == 1 && random.nextBoolean()) {
                    loader.take().close();
                }
                TimeUnit.MICROSECONDS.sleep(random.nextInt(20_000));
                loader.close();
            }
        }
    }

    @Test
    void whoeverWaitsCanBeInterrupted() throws Exception {
        try (BufferAllocator allocator = new RootAllocator();
                BatchLoader loader = new BatchLoader(
                        new Source(1, 4, -1, 0), LoadedBatch.TRANSFORM, config(), Part.WHOLE, null, null, allocator)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(loader::take).hasMessageContaining("interrupted");
            assertThat(Thread.interrupted()).isTrue();
        }
    }
}
