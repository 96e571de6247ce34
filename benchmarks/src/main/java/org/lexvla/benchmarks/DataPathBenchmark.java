package org.lexvla.benchmarks;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.javacpp.PointerScope;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalFileWriter;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.DinoV2;
import org.lexvla.model.DinoV2Config;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.InitOptions;
import org.lexvla.model.LexVla;
import org.lexvla.model.PictureEncoder;
import org.lexvla.model.PictureLoader;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * From picture files to a file of vectors, against the model alone on the same pictures made ready before: what reading, decoding,
 * resizing and writing cost. The model and the pictures are those of {@code lexvla demo}, whose model is so small that decoding a PNG takes
 * a third of its time; or a visual tower of a given size with random weights, and photographs' JPEG.
 *
 * <p>On a CPU decoding and model share the cores, so the best that {@code files} can reach of {@code bare} is
 * {@code bare / (bare + decoding)}, with {@code decoding} on all cores too.
 */
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@SuppressWarnings("try") // the scope is there to be closed, not used
public class DataPathBenchmark extends TimedBenchmark {
    private static final int PATCH = 14;
    private static final int SIDE = 224;
    /** As many as {@link LexVla} takes through the towers together; more it would share out. */
    private static final int BATCH = 16;

    /** Directory that {@code lexvla demo --out} made; relative to where the benchmark runs. */
    @Param("demo")
    public String demo;

    /** Pictures. */
    @Param("512")
    public int pictures;

    /** The visual tower: that of the demo, or width x layers x heads such as 384x12x6, patches of 14 and pictures of 224 pixels. */
    @Param("demo")
    public String vision;

    /** As {@code OPENBLAS_NUM_THREADS}: what the products of {@code bareByBatch} get. Large towers are faster with all cores, the demo's with 1. */
    @Param("1")
    public int openblas;

    private BufferAllocator allocator;
    private LexVla model;
    private Sparsification how;
    private List<Path> files;
    private FloatBuffer ready;
    private Path made;
    private Path out;
    private double waited;
    private String proof;

    /** Loads the model, makes the pictures ready, and proves that both ways give the same vectors. */
    @Setup(Level.Trial)
    public void setUp() throws IOException {
        OpenBlas.require(openblas);
        allocator = new RootAllocator();
        if (vision.equals("demo")) {
            ofDemo(Path.of(demo));
        } else {
            ofSize();
        }
        how = model.config().sparsification();
        out = Files.createTempFile("vectors", ".arrow");
        ready = FloatBuffer.allocate(
                Math.multiplyExact(pictures, model.transform().elements()));
        read(ready);
        ready.flip();
        prove();
    }

    private void ofDemo(Path directory) throws IOException {
        model = LexVla.load(directory.resolve("run"), Device.cpu(), null, allocator);
        try (Stream<Path> all = Files.list(directory.resolve("scenes/train/images"))) {
            files = all.sorted().limit(pictures).toList();
        }
        if (files.size() < pictures) {
            throw new IllegalArgumentException(directory + " has " + files.size() + " pictures for training, not "
                    + pictures + ": make a larger demo, or take fewer");
        }
    }

    /** With the demo's language model: its few words make the head small, so that decoding weighs more than it would. */
    private void ofSize() throws IOException {
        made = Files.createTempDirectory("lexvla-data-path");
        Path tower = Files.createDirectory(made.resolve("vision"));
        int[] shape = Stream.of(vision.split("x")).mapToInt(Integer::parseInt).toArray();
        try (PointerScope scope = new PointerScope()) {
            DinoV2.random(DinoV2Config.of(shape[0], shape[1], shape[2], PATCH, SIDE), 1, Device.cpu())
                    .save(tower);
        }
        ImageTransform.imageNet(SIDE).save(tower);
        model = LexVla.init(tower, Path.of(demo).resolve("text"), InitOptions.standard());
        Random random = new Random(1);
        List<Path> drawn = new ArrayList<>();
        for (int i = 0; i < pictures; i++) {
            Path file = made.resolve(i + ".jpg");
            ImageIO.write(PreprocessBenchmark.drawn(random, 640, 480), "jpeg", file.toFile());
            drawn.add(file);
        }
        files = drawn;
    }

    private void prove() throws IOException {
        files();
        try (LexicalBatch.Stored stored = LexicalBatch.read(out, model.vocabulary(), allocator);
                LexicalBatch vectors = model.encodePixels(ready.duplicate(), how)) {
            for (int i = 0; i < pictures; i++) {
                if (!vectors.get(i).equals(stored.batch().get(i))) {
                    throw new IllegalStateException(
                            "the vector of " + stored.ids().get(i) + " differs");
                }
            }
        }
        proof = String.format(Locale.ROOT, "matches: %d vectors of both ways are equal", pictures);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() throws IOException {
        model.close();
        allocator.close();
        Files.delete(out);
        if (made != null) {
            try (Stream<Path> all = Files.walk(made)) {
                for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    @Override
    public String proof() {
        return proof;
    }

    @Override
    public Work work(String method) {
        return null;
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new TreeMap<>(Map.of("waitedSecondsPerPicture", waited / pictures));
        if (vision.equals("demo")) {
            facts.put("zlibSecondsPerPicture", zlib() / pictures);
        }
        return facts;
    }

    /** What no reader of PNG that goes by zlib can be faster than: seconds to inflate the pictures with one thread, the least of several. */
    private double zlib() {
        double least = Double.POSITIVE_INFINITY;
        try {
            List<byte[]> streams = new ArrayList<>();
            for (Path file : files) {
                streams.add(deflated(Files.readAllBytes(file)));
            }
            int crop = model.transform().crop();
            byte[] rows = new byte[crop * (1 + 3 * crop)];
            for (int pass = 0; pass < 20; pass++) {
                long start = System.nanoTime();
                for (byte[] stream : streams) {
                    Inflater inflater = new Inflater();
                    inflater.setInput(stream);
                    if (inflater.inflate(rows) != rows.length) {
                        throw new IllegalStateException("a picture is not " + crop + "x" + crop + " in 24 bits");
                    }
                    inflater.end();
                }
                least = Math.min(least, (System.nanoTime() - start) / 1e9);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (DataFormatException e) {
            throw new IllegalStateException(e);
        }
        return least;
    }

    /** The data of a PNG: signature of 8 bytes, then chunks of length, name, data, checksum. */
    private static byte[] deflated(byte[] file) {
        ByteArrayOutputStream data = new ByteArrayOutputStream(file.length);
        ByteBuffer chunks = ByteBuffer.wrap(file);
        for (int at = 8; at < file.length; at += 12 + chunks.getInt(at)) {
            if (chunks.getInt(at + 4) == 0x49444154) {
                data.write(file, at + 8, chunks.getInt(at));
            }
        }
        return data.toByteArray();
    }

    /** Files in, a file out. */
    @Benchmark
    @Against({"bareByBatch", "bare"})
    public long files() throws IOException {
        long active = 0;
        try (PictureEncoder<Path> encoder = PictureEncoder.ofFiles(model, files.iterator(), file -> file, how);
                LexicalFileWriter writer = LexicalFileWriter.create(out, model.vocabulary(), allocator)) {
            while (encoder.hasNext()) {
                PictureEncoder.Encoded<Path> some = encoder.next();
                try (LexicalBatch vectors = some.vectors()) {
                    writer.write(names(some.pictures()), vectors);
                    active += vectors.active();
                }
            }
            writer.commit();
            waited = encoder.waitedSeconds();
        }
        return active;
    }

    private static List<String> names(List<PictureLoader.Loaded<Path>> pictures) throws IOException {
        List<String> names = new ArrayList<>();
        for (PictureLoader.Loaded<Path> picture : pictures) {
            if (picture.failure() != null) {
                throw picture.failure();
            }
            names.add(picture.item().getFileName().toString());
        }
        return names;
    }

    /** Reading, decoding, resizing and normalising alone, on as many threads as {@code files} gives to it. */
    @Benchmark
    public long decoding() throws IOException {
        return read(FloatBuffer.allocate(BATCH * model.transform().elements()));
    }

    /** @param room for some pictures, overwritten when it is full */
    private long read(FloatBuffer room) throws IOException {
        long taken = 0;
        try (PictureLoader<Path> loader = PictureLoader.ofFiles(files.iterator(), file -> file, model.transform())) {
            while (loader.hasNext()) {
                if (!room.hasRemaining()) {
                    room.clear();
                }
                names(List.of(loader.next(room)));
                taken++;
            }
        }
        return taken;
    }

    /** The model alone at its fastest on a CPU: all pictures in one call, which encodes batches side by side. */
    @Benchmark
    @Against("bareByBatch")
    public long bare() {
        return encode(ready.duplicate());
    }

    /** The model alone, a batch after the other. */
    @Benchmark
    public long bareByBatch() {
        int each = model.transform().elements();
        long active = 0;
        for (int from = 0; from < pictures; from += BATCH) {
            active += encode(ready.slice(from * each, Math.min(BATCH, pictures - from) * each));
        }
        return active;
    }

    private long encode(FloatBuffer pixels) {
        try (LexicalBatch vectors = model.encodePixels(pixels, how)) {
            return vectors.active();
        }
    }
}
