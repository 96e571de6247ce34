package org.lexvla.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.lexical.Device;

/**
 * Reads and writes <a href="https://github.com/huggingface/safetensors">safetensors</a> files: eight bytes of header
 * length (little endian), a JSON header, then the elements of every tensor without gaps.
 *
 * <p>A file is mapped, not read: {@link #tensor} gives a LibTorch tensor over the mapped pages, so that a checkpoint of N
 * bytes costs N bytes of page cache and nothing else. The mapping is private (copy on write): training in place changes
 * the tensor and never the file. Tensors keep the mapping and outlive this reader. One is copied only if its data are not
 * aligned to the size of its elements in the file, or if it goes to a GPU.
 *
 * <p>The header is not trusted. Refused, each with the name of the file and of the tensor: a length over 100,000,000 or
 * beyond the end of the file, text that is not UTF-8 or not JSON, a name twice, an unknown element type, a negative or
 * overflowing shape, a size that does not follow from the shape, gaps, overlaps and bytes left over. Nothing is allocated
 * that is out of proportion to the file. A file that another process <em>truncates</em> while it is mapped cannot be
 * guarded against; replace checkpoints by renaming, as {@link #write} does.
 */
public final class Safetensors implements AutoCloseable {
    /** The name of the file of an unsharded checkpoint. */
    static final String SINGLE = "model.safetensors";

    /** The name of the table of a sharded checkpoint. */
    static final String INDEX = "model.safetensors.index.json";

    private final Path source;
    private final Map<String, SafetensorsFile> files;
    private final Map<String, String> metadata;

    private Safetensors(Path source, Map<String, SafetensorsFile> files, Map<String, String> metadata) {
        this.source = source;
        this.files = files;
        this.metadata = metadata;
    }

    /**
     * Opens one file, or a directory that holds {@value #INDEX} with its shards or else {@value #SINGLE}.
     *
     * @throws UncheckedIOException if a file or a shard is missing or cannot be read
     * @throws IllegalArgumentException if a header is malformed; the message says what is wrong and where
     */
    public static Safetensors open(Path fileOrDirectory) {
        try {
            if (!Files.isDirectory(fileOrDirectory)) {
                return single(fileOrDirectory, fileOrDirectory);
            }
            Path index = fileOrDirectory.resolve(INDEX);
            if (Files.exists(index)) {
                return sharded(fileOrDirectory, index);
            }
            return single(fileOrDirectory, fileOrDirectory.resolve(SINGLE));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Safetensors single(Path source, Path path) throws IOException {
        if (!Files.isRegularFile(path)) {
            throw new FileNotFoundException(
                    "no weights at " + path + ": expected a .safetensors file, or a directory with " + SINGLE + " or "
                            + INDEX + "; pickled weights (.bin, .pth) have to be converted first");
        }
        SafetensorsFile file = SafetensorsFile.open(path);
        Map<String, SafetensorsFile> files = new LinkedHashMap<>();
        file.entries().keySet().forEach(name -> files.put(name, file));
        return new Safetensors(source, files, file.metadata());
    }

    private static Safetensors sharded(Path directory, Path index) throws IOException {
        Map<String, List<String>> namesByShard = shards(index);
        Map<String, SafetensorsFile> files = new LinkedHashMap<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        for (Map.Entry<String, List<String>> shard : namesByShard.entrySet()) {
            Path path = directory.resolve(shard.getKey());
            if (!Files.isRegularFile(path)) {
                throw new FileNotFoundException("shard " + path + " is missing; " + index + " names it for "
                        + shard.getValue().size() + " tensors, the first "
                        + shard.getValue().get(0)
                        + ": fetch all " + namesByShard.size() + " shards");
            }
            SafetensorsFile file = SafetensorsFile.open(path);
            for (String name : shard.getValue()) {
                if (!file.entries().containsKey(name)) {
                    throw new IllegalArgumentException(
                            "tensor " + name + " is not in " + path + ", where " + index + " says it is");
                }
            }
            for (String name : file.entries().keySet()) {
                SafetensorsFile other = files.putIfAbsent(name, file);
                if (other != null) {
                    throw new IllegalArgumentException(
                            "tensor " + name + " is in two shards, " + other.path() + " and " + path);
                }
            }
            metadata.putAll(file.metadata());
        }
        return new Safetensors(directory, files, metadata);
    }

    private static Map<String, List<String>> shards(Path index) throws IOException {
        JsonNode map;
        try {
            map = ConfigJson.JSON.readTree(Files.readString(index)).path("weight_map");
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(index + " is not JSON: " + e.getOriginalMessage(), e);
        }
        if (!map.isObject() || map.isEmpty()) {
            throw new IllegalArgumentException(index + " has no weight_map from tensor names to shards");
        }
        Map<String, List<String>> names = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            String shard = entry.getValue().asText();
            // A shard is a neighbour of its index; anything else would let a checkpoint name files elsewhere.
            if (!entry.getValue().isTextual() || shard.isEmpty() || shard.contains("/") || shard.contains("\\")) {
                throw new IllegalArgumentException(index + " gives " + entry.getValue() + " as the shard of "
                        + entry.getKey() + ": expected the name of a file beside it");
            }
            names.computeIfAbsent(shard, s -> new ArrayList<>()).add(entry.getKey());
        }
        return names;
    }

    /** The file or directory that was opened. */
    public Path source() {
        return source;
    }

    /** The names of all tensors, in the order of the headers. */
    public Set<String> names() {
        return Collections.unmodifiableSet(new LinkedHashSet<>(files.keySet()));
    }

    /** The shape of a tensor; empty for a scalar. */
    public long[] shape(String name) {
        return file(name).entries().get(name).shape().clone();
    }

    /** The element type as the format names it: F32, BF16, I64, … */
    public String dtype(String name) {
        return file(name).entries().get(name).type().name();
    }

    /** The free text of the header, of all shards together. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /**
     * A tensor of the shape and element type of the file. It belongs to the caller's {@code PointerScope} and may outlive
     * this reader.
     *
     * @throws IllegalArgumentException if there is no tensor of this name
     */
    public Tensor tensor(String name, Device device) {
        return file(name).tensor(name, device);
    }

    private SafetensorsFile file(String name) {
        SafetensorsFile file = files.get(name);
        if (file == null) {
            throw new IllegalArgumentException(
                    "no tensor " + name + " in " + source + ", which holds " + files.size() + " others");
        }
        return file;
    }

    /**
     * Writes one file: beside its place and renamed, so that a reader sees the old file or the whole new one. Same
     * tensors, same bytes: larger element types first, then by name; the data begin at a multiple of 64.
     *
     * @throws UncheckedIOException if the file cannot be written
     * @throws IllegalArgumentException if a tensor has an element type that the format lacks
     */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
        try {
            SafetensorsWriter.write(file, tensors, metadata);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Closes the files. Tensors already handed out stay valid. */
    @Override
    public void close() {
        new LinkedHashSet<>(files.values()).forEach(SafetensorsFile::close);
    }
}
