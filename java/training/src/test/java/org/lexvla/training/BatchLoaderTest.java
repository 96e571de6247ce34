package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.UInt1Vector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.model.ImageTransform;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

/** A table of twelve pictures, of which the first four have a second caption, one a third, and one more row has no picture. */
@Seeded
class BatchLoaderTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path directory;

    private static CaptionDataset table;

    @BeforeAll
    static void draw() throws Exception {
        CaptionDataset toys = ToyData.write(directory);
        StringBuilder rows = new StringBuilder(Files.readString(toys.table()));
        for (int i = 0; i < 4; i++) {
            rows.append(toys.files().get(i).getFileName())
                    .append("\tagain ")
                    .append(i)
                    .append('\n');
        }
        rows.append(toys.files().get(0).getFileName()).append("\tand again\n");
        rows.append("gone.png\tnot there\n");
        table = CaptionDataset.open(Files.writeString(directory.resolve("captions.tsv"), rows));
    }

    private static TrainingConfig config(String... more) throws Exception {
        List<String> settings = new ArrayList<>(List.of("batch=5", "seed=7", "data.minScale=0.5"));
        settings.addAll(List.of(more));
        return TrainingConfig.load(null, settings);
    }

    @Test
    void everyEpochHasEverySampleOnceAndNoBatchAPictureTwice() throws Exception {
        // 18 rows an epoch: nine batches of 4 are two epochs, but for those that wait at the end, and the ones in place
        // of the broken.
        List<LoadedBatch> batches = LoadedBatch.take(table, config("batch=4"), null, 90);
        for (LoadedBatch batch : batches) {
            assertThat(batch.keys()).doesNotHaveDuplicates();
            assertThat(batch.captions()).doesNotContain("not there");
        }
        for (String caption : table.captions()) {
            long seen = batches.stream()
                    .filter(batch -> batch.captions().contains(caption))
                    .count();
            // 20 epochs; the broken row is made up for by 20 others.
            assertThat(seen).as(caption).isBetween(caption.equals("not there") ? 0L : 19L, 24L);
        }
        assertThat(batches.get(0).captions()).isNotEqualTo(batches.get(9).captions());
    }

    @Test
    void onlySoManyBatchesAreDecodedAhead() throws Exception {
        for (int ahead : new int[] {1, 2, 4}) {
            TrainingConfig config = config("data.ahead=" + ahead, "data.threads=3");
            ImageTransform transform = ImageTransform.imageNet(28);
            try (BufferAllocator allocator = new RootAllocator()) {
                long one;
                try (Batch batch = new Batch(allocator, config.batch(), 28, null)) {
                    one = allocator.getAllocatedMemory();
                    assertThat(batch.size()).isEqualTo(5);
                }
                try (BatchLoader loader =
                        new BatchLoader(table, transform, config, Part.WHOLE, null, null, allocator)) {
                    for (int i = 0; i < 20; i++) {
                        try (Batch batch = loader.take()) {
                            // Time to decode whatever may be decoded.
                            Thread.sleep(10);
                            assertThat(batch.keys()).hasSize(5);
                        }
                    }
                }
                assertThat(allocator.getPeakMemoryAllocation()).isBetween(2 * one, (ahead + 1) * one);
            }
        }
    }

    @Test
    void theNumberOfThreadsChangesNothing() throws Exception {
        List<LoadedBatch> one = LoadedBatch.take(table, config(), null, 12);
        assertThat(LoadedBatch.take(table, config("data.threads=3", "data.ahead=5", "data.cache=1"), null, 12))
                .isEqualTo(one);
        assertThat(LoadedBatch.take(table, config("seed=8"), null, 12)).isNotEqualTo(one);
    }

    @Test
    void aRunGoesOnAnywhereBitForBit(RandomSource random) throws Exception {
        TrainingConfig config = config("seed=" + random.nextInt(1000), "data.threads=2");
        List<LoadedBatch> all = LoadedBatch.take(table, config, null, 20);
        for (int trial = 0; trial < 4; trial++) {
            int at = random.nextInt(19);
            DataPosition stored =
                    JSON.readValue(JSON.writeValueAsString(all.get(at).after()), DataPosition.class);
            assertThat(stored).isEqualTo(all.get(at).after());
            assertThat(LoadedBatch.take(table, config, stored, 19 - at))
                    .as("after batch " + at)
                    .isEqualTo(all.subList(at + 1, 20));
        }
    }

    @Test
    void aPositionIsOfOneSource() throws Exception {
        DataPosition position =
                LoadedBatch.take(table, config(), null, 1).get(0).after();
        assertThatThrownBy(() -> LoadedBatch.take(table, config("seed=8"), position, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("captions.tsv")
                .hasMessageContaining("seed");
    }

    @Test
    void processesTogetherHaveTheBatchesOfOne() throws Exception {
        TrainingConfig half = config("batch=3");
        List<LoadedBatch> whole = LoadedBatch.take(table, config("batch=6"), null, 8);
        List<LoadedBatch> first = LoadedBatch.take(table, half, new Part(0, 2), null, 8);
        List<LoadedBatch> second = LoadedBatch.take(table, half, new Part(1, 2), null, 8);
        for (int i = 0; i < whole.size(); i++) {
            if (!whole.get(i).captions().equals(joined(first, second, i).captions())) {
                // Where the broken picture was, each process has taken another for it out of its own part of the next
                // batch.
                List<String> together = joined(first, second, i).captions();
                together.removeAll(whole.get(i).captions());
                assertThat(together).hasSize(1);
                assertThat(first.get(i).keys())
                        .doesNotContainAnyElementsOf(second.get(i).keys());
            } else {
                assertThat(joined(first, second, i)).isEqualTo(whole.get(i));
            }
            assertThat(first.get(i).after()).isEqualTo(second.get(i).after());
            assertThat(first.get(i).after()).isEqualTo(whole.get(i).after());
        }
    }

    private static LoadedBatch joined(List<LoadedBatch> first, List<LoadedBatch> second, int i) {
        List<String> keys = new ArrayList<>(first.get(i).keys());
        keys.addAll(second.get(i).keys());
        List<String> captions = new ArrayList<>(first.get(i).captions());
        captions.addAll(second.get(i).captions());
        List<Byte> pixels = new ArrayList<>(first.get(i).pixels());
        pixels.addAll(second.get(i).pixels());
        return new LoadedBatch(keys, captions, pixels, first.get(i).after());
    }

    @Test
    @SuppressWarnings("try")
    void libTorchAndArrowReadTheSameMemory() throws Exception {
        try (BufferAllocator allocator = new RootAllocator()) {
            try (BatchLoader loader =
                            new BatchLoader(table, LoadedBatch.TRANSFORM, config(), Part.WHOLE, null, null, allocator);
                    PointerScope scope = new PointerScope()) {
                Batch batch = loader.take();
                LoadedBatch copy = LoadedBatch.of(batch);
                assertThat(batch.memory().memoryAddress() % 64).isZero();
                Tensor all = batch.pixels(0, 5);
                assertThat(all.data_ptr().address()).isEqualTo(batch.memory().memoryAddress());
                assertThat(bytes(all)).isEqualTo(copy.pixels());
                Tensor some = batch.pixels(2, 4);
                assertThat(bytes(some)).isEqualTo(copy.pixels().subList(2 * 192, 4 * 192));
                try (VectorSchemaRoot records = batch.records()) {
                    assertThat(records.getRowCount()).isEqualTo(5);
                    assertThat(records.getVector(Batch.CAPTION).getObject(3))
                            .hasToString(copy.captions().get(3));
                    assertThat(records.getVector(Batch.KEY).getObject(3))
                            .hasToString(copy.keys().get(3));
                    FixedSizeListVector pixels = (FixedSizeListVector) records.getVector(Batch.PIXELS);
                    UInt1Vector numbers = (UInt1Vector) pixels.getDataVector();
                    assertThat(numbers.getDataBufferAddress())
                            .isEqualTo(batch.memory().memoryAddress());
                    assertThat(pixels.getObject(2).get(7))
                            .isEqualTo(copy.pixels().get(2 * 192 + 7));
                }
                // A tensor outlives its batch.
                batch.close();
                assertThat(bytes(some)).isEqualTo(copy.pixels().subList(2 * 192, 4 * 192));
            }
            assertThat(allocator.getAllocatedMemory()).isZero();
        }
    }

    private static List<Byte> bytes(Tensor tensor) {
        List<Byte> values = new ArrayList<>();
        for (float value : HostTensor.floats(tensor)) {
            values.add((byte) value);
        }
        return values;
    }

    @Test
    void brokenOnesAreListedOnce() throws Exception {
        Path list = directory.resolve("run.jsonl");
        try (BufferAllocator allocator = new RootAllocator();
                BatchLoader loader =
                        new BatchLoader(table, LoadedBatch.TRANSFORM, config(), Part.WHOLE, null, list, allocator)) {
            for (int i = 0; i < 15; i++) {
                loader.take().close();
            }
            assertThat(loader.skipped()).isEqualTo(1);
        }
        assertThat(SkippedSample.list(list)).singleElement().satisfies(sample -> {
            assertThat(sample.place()).isEqualTo("captions.tsv:19");
            assertThat(sample.name()).endsWith("gone.png");
            assertThat(sample.reason()).contains("does not exist");
        });
    }
}
