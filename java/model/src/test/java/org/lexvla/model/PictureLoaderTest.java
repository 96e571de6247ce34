package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
@Timeout(60)
class PictureLoaderTest {
    private static final ImageTransform SMALL = ImageTransform.imageNet(28);

    @TempDir
    Path directory;

    /** A source of one number a picture: the item itself. */
    private static PictureLoader<Integer> numbers(
            Iterator<Integer> items, PictureLoader.Source<Integer> source, int threads, int ahead) {
        return new PictureLoader<>(items, source, 1, threads, ahead);
    }

    private static void write(Integer item, FloatBuffer out) {
        out.put(item);
    }

    @Test
    void picturesComeInTheirOrderHoweverLongEachTakes(RandomSource random) {
        int[] millis = IntStream.range(0, 60).map(i -> random.nextInt(5)).toArray();
        for (int threads : new int[] {1, 2, 7}) {
            FloatBuffer out = FloatBuffer.allocate(millis.length);
            try (PictureLoader<Integer> loader = numbers(
                    IntStream.range(0, millis.length).iterator(),
                    (item, to) -> {
                        pause(millis[item]);
                        write(item, to);
                    },
                    threads,
                    random.nextInt(1, 20))) {
                for (int i = 0; i < millis.length; i++) {
                    assertThat(loader.next(out)).isEqualTo(new PictureLoader.Loaded<>(i, null));
                    assertThat(out.get(i)).isEqualTo(i);
                }
                assertThat(loader.hasNext()).isFalse();
                assertThatExceptionOfType(NoSuchElementException.class)
                        .isThrownBy(() -> loader.next(FloatBuffer.allocate(1)));
            }
        }
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void filesAreReadAsTheTransformReadsThemAndTheBadAreNamed() throws IOException {
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            files.add(directory.resolve(i + ".png"));
            ImageIO.write(
                    TinyModel.picture(30 + i, 50 - i, i), "png", files.get(i).toFile());
        }
        Files.writeString(files.get(4), "no picture");
        Files.delete(files.get(11));
        // Decodes, and would be wider than any limit when resized.
        ImageIO.write(
                new BufferedImage(1 << 20, 1, BufferedImage.TYPE_BYTE_GRAY),
                "png",
                files.get(7).toFile());
        List<Path> failed = new ArrayList<>();
        FloatBuffer batch = FloatBuffer.allocate(files.size() * SMALL.elements());
        try (PictureLoader<Path> loader = PictureLoader.ofFiles(files.iterator(), file -> file, SMALL)) {
            while (loader.hasNext()) {
                PictureLoader.Loaded<Path> loaded = loader.next(batch);
                if (loaded.failure() != null) {
                    failed.add(loaded.item());
                    assertThat(loaded.failure())
                            .hasMessageContaining(loaded.item().toString());
                }
            }
            assertThat(loader.waitedSeconds()).isPositive();
        }
        assertThat(failed).containsExactly(files.get(4), files.get(7), files.get(11));
        FloatBuffer expected = FloatBuffer.allocate(batch.capacity());
        for (Path file : files) {
            if (!failed.contains(file)) {
                SMALL.of(ImageTransform.read(file), expected);
            }
        }
        assertThat(batch.flip()).isEqualTo(expected.flip());
    }

    @Test
    void noMoreIsReadAheadThanAllowed() {
        AtomicInteger asked = new AtomicInteger();
        AtomicInteger read = new AtomicInteger();
        Iterator<Integer> endless = Stream.generate(asked::getAndIncrement).iterator();
        FloatBuffer out = FloatBuffer.allocate(1000);
        try (PictureLoader<Integer> loader = numbers(
                endless,
                (item, to) -> {
                    read.incrementAndGet();
                    write(item, to);
                },
                3,
                5)) {
            for (int taken = 1; taken <= 200; taken++) {
                loader.next(out);
                assertThat(read.get()).isBetween(taken, taken + 5);
                assertThat(asked.get()).isLessThanOrEqualTo(taken + 6);
            }
        }
    }

    /** As many are read at once as there are threads: each waits for the others to arrive. */
    @Test
    void allThreadsWork() {
        CyclicBarrier together = new CyclicBarrier(4);
        FloatBuffer out = FloatBuffer.allocate(16);
        try (PictureLoader<Integer> loader = numbers(
                IntStream.range(0, 16).iterator(),
                (item, to) -> {
                    try {
                        together.await(30, TimeUnit.SECONDS);
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                    write(item, to);
                },
                4,
                8)) {
            while (loader.hasNext()) {
                loader.next(out);
            }
        }
        assertThat(out.hasRemaining()).isFalse();
    }

    @Test
    void closingWaitsForThoseInTheMiddleAndStartsNoMore() throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(2);
        AtomicInteger started = new AtomicInteger();
        AtomicInteger ended = new AtomicInteger();
        PictureLoader<Integer> loader = numbers(
                IntStream.range(0, 100).iterator(),
                (item, to) -> {
                    started.incrementAndGet();
                    begun.countDown();
                    long until = System.nanoTime() + 50_000_000;
                    while (System.nanoTime() < until) {
                        // As decoding does, it takes no notice of interruption.
                        Thread.onSpinWait();
                    }
                    write(item, to);
                    ended.incrementAndGet();
                },
                2,
                50);
        begun.await();
        loader.close();
        assertThat(ended.get()).isEqualTo(started.get()).isLessThan(50);
        assertThatIllegalStateException()
                .isThrownBy(() -> loader.next(FloatBuffer.allocate(1)))
                .withMessageContaining("closed");
        loader.close();
    }

    /** The only reader is held by the first picture: who needs the others has them all the same. */
    @Test
    void whoTakesAPictureThatNobodyHasBegunReadsItHimself() throws Exception {
        CountDownLatch held = new CountDownLatch(1);
        List<Thread> readers = new CopyOnWriteArrayList<>();
        try (PictureLoader<Integer> loader = numbers(
                IntStream.range(0, 4).iterator(),
                (item, to) -> {
                    readers.add(Thread.currentThread());
                    if (item == 0) {
                        try {
                            held.await();
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    }
                    if (item == 2) {
                        throw new IOException("no picture");
                    }
                    write(item, to);
                },
                1,
                2)) {
            List<PictureLoader<Integer>.Pending> taken = new ArrayList<>();
            while (loader.hasNext()) {
                taken.add(loader.take());
            }
            while (readers.isEmpty()) {
                Thread.sleep(1);
            }
            FloatBuffer out = FloatBuffer.allocate(3);
            assertThat(taken.get(1).finish(out)).isEqualTo(new PictureLoader.Loaded<>(1, null));
            assertThat(taken.get(2).finish(out).failure()).hasMessage("no picture");
            assertThat(taken.get(3).finish(out)).isEqualTo(new PictureLoader.Loaded<>(3, null));
            held.countDown();
            assertThat(taken.get(0).finish(out)).isEqualTo(new PictureLoader.Loaded<>(0, null));
            assertThat(out.array()).containsExactly(1, 3, 0);
            assertThat(readers)
                    .hasSize(4)
                    .filteredOn(Thread.currentThread()::equals)
                    .hasSize(3);
            assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(loader::take);
        }
    }

    @Test
    void aTakerThatIsInterruptedStopsWaiting() {
        CountDownLatch never = new CountDownLatch(1);
        try (PictureLoader<Integer> loader = numbers(
                List.of(1).iterator(),
                (item, to) -> {
                    try {
                        never.await();
                    } catch (InterruptedException e) {
                        throw new IOException("interrupted", e);
                    }
                },
                1,
                1)) {
            Thread.currentThread().interrupt();
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() -> loader.next(FloatBuffer.allocate(1)));
        }
        assertThat(Thread.interrupted()).as("still interrupted").isTrue();
    }

    @Test
    void defectsOfASourceAreNotTakenForBadPictures() {
        try (PictureLoader<Integer> loader = numbers(
                List.of(1).iterator(),
                (item, to) -> {
                    throw new IllegalArgumentException("a defect");
                },
                1,
                1)) {
            FloatBuffer out = FloatBuffer.allocate(1);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.next(out))
                    .withMessage("a defect");
            assertThat(out.position()).isZero();
        }
        try (PictureLoader<Integer> loader = numbers(List.of(2).iterator(), (item, to) -> {}, 1, 1)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> loader.next(FloatBuffer.allocate(1)))
                    .withMessage("the source wrote 0 of 1 numbers of 2");
        }
        try (PictureLoader<Integer> loader = numbers(
                List.of(3).iterator(),
                (item, to) -> {
                    throw new OutOfMemoryError("none left");
                },
                1,
                1)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> loader.next(FloatBuffer.allocate(1)))
                    .withMessageContaining("reading 3 failed")
                    .withMessageContaining("none left");
        }
    }

    @Test
    void aListOfPicturesThatBreaksOffLeavesNoThreadBehind() throws InterruptedException {
        Iterator<Integer> broken = Stream.of(1, 2, 3)
                .peek(item -> {
                    if (item == 3) {
                        throw new IllegalArgumentException("the list ends here");
                    }
                })
                .iterator();
        List<Thread> readers = new CopyOnWriteArrayList<>();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> numbers(
                        broken,
                        (item, to) -> {
                            readers.add(Thread.currentThread());
                            write(item, to);
                        },
                        1,
                        3))
                .withMessage("the list ends here");
        for (Thread reader : readers) {
            reader.join(10_000);
            assertThat(reader.isAlive()).isFalse();
        }
    }

    @Test
    void sizesAreChecked() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> numbers(List.of(1).iterator(), PictureLoaderTest::write, 0, 1))
                .withMessageContaining("read by 0 threads");
        try (PictureLoader<Integer> loader = numbers(List.of(1).iterator(), PictureLoaderTest::write, 1, 1)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.next(FloatBuffer.allocate(0)))
                    .withMessageContaining("room for 0");
            assertThat(loader.hasNext()).isTrue();
        }
    }
}
