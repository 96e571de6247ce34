package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Sparsification;

@Timeout(120)
class PictureEncoderTest {
    /** A product of one row adds in another order than one of many; weights are at most 1. */
    private static final Offset<Float> ROUNDING = within(1e-6f);

    @TempDir
    Path directory;

    private BufferAllocator allocator;
    private LexVla model;
    private Sparsification how;

    @BeforeEach
    void model() throws IOException {
        Path saved = directory.resolve("model");
        try (LexVla made = LexVla.init(
                TinyModel.vision(directory.resolve("vision"), 11),
                TinyModel.text(directory.resolve("text"), 12),
                InitOptions.standard().withSeed(5))) {
            made.save(saved);
        }
        allocator = new RootAllocator();
        model = LexVla.load(saved, Device.cpu(), null, allocator);
        how = Sparsification.dense();
    }

    /** Whatever happened: nothing is left. */
    @AfterEach
    void close() {
        model.close();
        allocator.close();
    }

    private List<Path> pictures(int count) throws IOException {
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            files.add(directory.resolve(i + ".png"));
            ImageIO.write(
                    TinyModel.picture(60 + i, 90 - i % 40, i),
                    "png",
                    files.get(i).toFile());
        }
        return files;
    }

    private PictureEncoder<Path> encoder(List<Path> files) {
        return PictureEncoder.ofFiles(model, files.iterator(), file -> file, how);
    }

    /** Against a picture at a time; the bad are named where they stand, in a batch with others and where a whole batch is bad. */
    @Test
    void vectorsAreThoseOfEachPictureAloneAndTheBadAreNamed() throws IOException {
        List<Path> files = pictures(2 * LexVla.TOGETHER + 40);
        List<Path> bad = new ArrayList<>(files.subList(7, 9));
        bad.addAll(files.subList(LexVla.TOGETHER, LexVla.TOGETHER + 33));
        bad.add(files.get(files.size() - 1));
        for (Path file : bad) {
            Files.writeString(file, "no picture");
        }
        List<Path> seen = new ArrayList<>();
        List<Path> failed = new ArrayList<>();
        List<LexicalVector> vectors = new ArrayList<>();
        try (PictureEncoder<Path> encoder = encoder(files)) {
            while (encoder.hasNext()) {
                PictureEncoder.Encoded<Path> some = encoder.next();
                int rows = 0;
                try (LexicalBatch batch = some.vectors()) {
                    for (PictureLoader.Loaded<Path> picture : some.pictures()) {
                        seen.add(picture.item());
                        if (picture.failure() == null) {
                            vectors.add(batch.get(rows++));
                        } else {
                            failed.add(picture.item());
                            assertThat(picture.failure())
                                    .hasMessageContaining(picture.item().toString());
                        }
                    }
                    assertThat(batch.size()).isEqualTo(rows);
                }
            }
            assertThat(encoder.waitedSeconds()).isPositive();
            assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(encoder::next);
        }
        assertThat(seen).isEqualTo(files);
        assertThat(failed).isEqualTo(bad);
        int row = 0;
        for (Path file : files) {
            if (!bad.contains(file)) {
                try (LexicalBatch alone = model.encodeImages(List.of(file), how)) {
                    assertThat(vectors.get(row++).weights())
                            .as(file.toString())
                            .containsExactly(alone.get(0).weights(), ROUNDING);
                }
            }
        }
        assertThat(row).isEqualTo(vectors.size());
    }

    @Test
    void noPicturesAndBadPicturesAloneAreNoVectors() throws IOException {
        try (PictureEncoder<Path> none = encoder(List.of())) {
            assertThat(none.hasNext()).isFalse();
        }
        Path bad = Files.writeString(directory.resolve("bad.png"), "no picture");
        for (int count : new int[] {1, 100}) {
            try (PictureEncoder<Path> encoder = encoder(Collections.nCopies(count, bad))) {
                int failures = 0;
                while (encoder.hasNext()) {
                    PictureEncoder.Encoded<Path> some = encoder.next();
                    assertThat(some.vectors().size()).isZero();
                    some.vectors().close();
                    failures += some.pictures().size();
                }
                assertThat(failures).isEqualTo(count);
            }
        }
    }

    @Test
    void anEndlessRowOfPicturesIsReadNoFurtherThanNeededAndMayBeLeft() {
        AtomicInteger asked = new AtomicInteger();
        Iterator<Integer> endless = Stream.generate(asked::incrementAndGet).iterator();
        // Two batches for each stream, what the loader reads ahead, and one that the iterator holds.
        int most = 2 * LexVla.TOGETHER + Math.max(64, LexVla.TOGETHER) + 1;
        try (PictureEncoder<Integer> encoder = new PictureEncoder<>(model, endless, this::level, how)) {
            for (int taken = 0; taken < 300; ) {
                PictureEncoder.Encoded<Integer> some = encoder.next();
                taken += some.pictures().size();
                some.vectors().close();
                assertThat(asked.get()).isLessThanOrEqualTo(taken + most);
            }
        }
    }

    private void level(int item, FloatBuffer out) {
        float[] numbers = new float[model.transform().elements()];
        numbers[item % numbers.length] = item;
        out.put(numbers);
    }

    @Test
    void itsEndWaitsForThoseAtWorkAndNothingIsReadAfterIt() throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        AtomicInteger started = new AtomicInteger();
        AtomicInteger ended = new AtomicInteger();
        PictureEncoder<Integer> encoder = new PictureEncoder<>(
                model,
                IntStream.range(0, 1000).iterator(),
                (item, out) -> {
                    started.incrementAndGet();
                    begun.countDown();
                    level(item, out);
                    ended.incrementAndGet();
                },
                how);
        encoder.next().vectors().close();
        begun.await();
        encoder.close();
        int read = started.get();
        assertThat(ended.get()).isEqualTo(read).isLessThan(1000);
        assertThatIllegalStateException().isThrownBy(encoder::next).withMessageContaining("closed");
        encoder.close();
        Thread.sleep(20);
        assertThat(started.get()).isEqualTo(read);
    }

    @Test
    void aDefectOfTheSourceIsThrownAndLeavesNothingBehind() {
        try (PictureEncoder<Integer> encoder = new PictureEncoder<>(
                model,
                IntStream.range(0, 200).iterator(),
                (item, out) -> {
                    if (item == 70) {
                        throw new IllegalStateException("the source is broken");
                    }
                    level(item, out);
                },
                how)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> {
                        while (encoder.hasNext()) {
                            encoder.next().vectors().close();
                        }
                    })
                    .withMessage("the source is broken");
        }
    }

    /** One batch alone runs in the thread that takes, which an interrupt reaches. */
    @Test
    void aTakerThatIsInterruptedWhileItWaitsForAPictureStops() {
        CountDownLatch read = new CountDownLatch(1);
        try (PictureEncoder<Integer> encoder = new PictureEncoder<>(
                model,
                List.of(1).iterator(),
                (item, out) -> {
                    try {
                        read.await();
                    } catch (InterruptedException e) {
                        throw new IOException("interrupted", e);
                    }
                },
                how)) {
            Thread.currentThread().interrupt();
            assertThatExceptionOfType(CancellationException.class).isThrownBy(encoder::next);
        }
        assertThat(Thread.interrupted()).as("still interrupted").isTrue();
    }

    @Test
    void aClosedModelSaysSo() throws IOException {
        List<Path> files = pictures(1);
        try (PictureEncoder<Path> encoder = encoder(files)) {
            model.close();
            assertThatIllegalStateException().isThrownBy(encoder::next).withMessageContaining("model is closed");
        }
        assertThatIllegalStateException().isThrownBy(() -> encoder(files)).withMessageContaining("model is closed");
    }
}
