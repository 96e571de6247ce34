package org.lexvla.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.lexical.Device;
import org.lexvla.model.Safetensors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A moment of a run from which it can go on: a directory {@code RUN/checkpoints/<step>} that is a model directory and holds
 * besides
 *
 * <ul>
 *   <li>{@code state.safetensors}: the optimizer's moments and the states of the random generators,
 *   <li>{@code training.yaml}: the settings of the run,
 *   <li>{@code checkpoint.json}: step, position of the data, length of {@code metrics.jsonl}, and size and CRC-32C of every other
 *       file, by which a damaged checkpoint is known.
 * </ul>
 *
 * <p>The weights are those that are trained, in float32. A run that goes on from a checkpoint ends, on the CPU and with the same
 * number of LibTorch's threads, in the same weights to the bit as one that was never interrupted.
 */
public final class Checkpoint {
    private static final Logger LOG = LoggerFactory.getLogger(Checkpoint.class);
    private static final ObjectMapper MAPPER = new ObjectMapper();

    static final String TENSORS = "state.safetensors";
    static final String SETTINGS = "training.yaml";
    static final String MANIFEST = "checkpoint.json";

    /** What is known of a file. */
    record Content(long bytes, long crc32c) {}

    /** What {@code checkpoint.json} says. */
    record Manifest(RunState state, Map<String, Content> files) {}

    private final Path directory;
    private final RunState state;

    private Checkpoint(Path directory, RunState state) {
        this.directory = directory;
        this.state = state;
    }

    /**
     * The newest whole checkpoint of a run; empty if there is none, be it that the run did not come so far. Newer ones that
     * are damaged (a file is missing, has another size or another checksum) are named in a warning.
     *
     * @throws IOException if there are checkpoints, and all of them are damaged
     */
    public static Optional<Checkpoint> last(Path run) throws IOException {
        List<Path> all = CheckpointDirectory.of(run).newestFirst();
        StringBuilder damages = new StringBuilder();
        for (Path directory : all) {
            try {
                Checkpoint whole = open(directory);
                if (!damages.isEmpty()) {
                    LOG.warn("going back to step {}, since {}", whole.step(), damages);
                }
                return Optional.of(whole);
            } catch (IOException e) {
                damages.append(damages.isEmpty() ? "" : "; ").append(e.getMessage());
            }
        }
        if (!all.isEmpty()) {
            throw new IOException("no checkpoint of " + run + " is whole: " + damages
                    + ": the run cannot go on, begin it again in another directory");
        }
        return Optional.empty();
    }

    /**
     * Opens one.
     *
     * @throws IOException if it is damaged, saying what is wrong with it
     */
    public static Checkpoint open(Path directory) throws IOException {
        Path file = directory.resolve(MANIFEST);
        Manifest manifest;
        try {
            manifest = MAPPER.readValue(Files.readString(file), Manifest.class);
        } catch (JsonProcessingException e) {
            throw new IOException(file + " is damaged", e);
        } catch (IOException e) {
            throw new IOException(file + " cannot be read", e);
        }
        for (Map.Entry<String, Content> entry : manifest.files().entrySet()) {
            Path part = directory.resolve(entry.getKey());
            Content expected = entry.getValue();
            if (!Files.isRegularFile(part)) {
                throw new IOException(part + " is missing");
            }
            if (Files.size(part) != expected.bytes()) {
                throw new IOException(
                        part + " has " + Files.size(part) + " bytes, was written with " + expected.bytes());
            }
            if (content(part).crc32c() != expected.crc32c()) {
                throw new IOException(part + " has another checksum than it was written with");
            }
        }
        return new Checkpoint(directory, manifest.state());
    }

    /** Writes what makes a model directory a checkpoint; the manifest last, everything to the disk. */
    static void complete(Path directory, RunState state, Map<String, Tensor> tensors, TrainingConfig config)
            throws IOException {
        Safetensors.write(directory.resolve(TENSORS), tensors, Map.of());
        Files.writeString(directory.resolve(SETTINGS), config.yaml());
        Map<String, Content> files = new TreeMap<>();
        try (Stream<Path> walk = Files.walk(directory)) {
            for (Path file : walk.toList()) {
                if (Files.isRegularFile(file)) {
                    files.put(directory.relativize(file).toString().replace('\\', '/'), content(file));
                }
                sync(file);
            }
        }
        Path manifest = directory.resolve(MANIFEST);
        Files.writeString(
                manifest, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(new Manifest(state, files)));
        sync(manifest);
        sync(directory);
    }

    private static Content content(Path file) throws IOException {
        CRC32C crc = new CRC32C();
        long bytes = 0;
        byte[] buffer = new byte[1 << 16];
        try (var in = Files.newInputStream(file)) {
            for (int read; (read = in.read(buffer)) >= 0; bytes += read) {
                crc.update(buffer, 0, read);
            }
        }
        return new Content(bytes, crc.getValue());
    }

    /** Brings a file, or the names in a directory, to the disk. */
    static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** The model directory with the weights of that moment: what {@code LexVla.load} reads to go on. */
    public Path directory() {
        return directory;
    }

    /** Steps that are finished in it. */
    public int step() {
        return state.step();
    }

    RunState state() {
        return state;
    }

    /** The file with the settings of the run. */
    public Path settings() {
        return directory.resolve(SETTINGS);
    }

    TrainingConfig config() throws IOException {
        return TrainingConfig.load(settings(), List.of());
    }

    /** The tensors of the state on a device; the caller's. */
    Map<String, Tensor> tensors(Device device) {
        Map<String, Tensor> tensors = new HashMap<>();
        try (Safetensors file = Safetensors.open(directory.resolve(TENSORS))) {
            file.names().forEach(name -> tensors.put(name, file.tensor(name, device)));
        }
        return tensors;
    }
}
