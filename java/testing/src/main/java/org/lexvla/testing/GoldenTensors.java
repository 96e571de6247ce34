package org.lexvla.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * The tensors of a small golden {@code .safetensors} file as plain arrays, for modules that know no LibTorch. Trusts its
 * input; the library's own reader, which does not, is {@code org.lexvla.model.Safetensors}.
 */
public final class GoldenTensors {
    private final Path file;
    private final JsonNode header;
    private final ByteBuffer data;

    private GoldenTensors(Path file, JsonNode header, ByteBuffer data) {
        this.file = file;
        this.header = header;
        this.data = data;
    }

    /** Reads a whole file. */
    public static GoldenTensors read(Path file) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            int length = Math.toIntExact(bytes.getLong());
            String json = new String(bytes.array(), Long.BYTES, length, StandardCharsets.UTF_8);
            ByteBuffer data = bytes.slice(Long.BYTES + length, bytes.capacity() - Long.BYTES - length)
                    .order(ByteOrder.LITTLE_ENDIAN);
            return new GoldenTensors(file, new ObjectMapper().readTree(json), data);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The names of the tensors. */
    public Set<String> names() {
        Set<String> names = new LinkedHashSet<>();
        for (Iterator<String> fields = header.fieldNames(); fields.hasNext(); ) {
            String name = fields.next();
            if (!name.equals("__metadata__")) {
                names.add(name);
            }
        }
        return names;
    }

    /** The shape of a tensor. */
    public long[] shape(String name) {
        JsonNode shape = entry(name).get("shape");
        long[] sizes = new long[shape.size()];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = shape.get(i).asLong();
        }
        return sizes;
    }

    /** The elements of an F32, F64, I32, I64, U8 or BOOL tensor, in row-major order. */
    public double[] doubles(String name) {
        JsonNode entry = entry(name);
        String type = entry.get("dtype").asText();
        int begin = entry.get("data_offsets").get(0).asInt();
        int end = entry.get("data_offsets").get(1).asInt();
        int size = switch (type) {
            case "F64", "I64" -> 8;
            case "F32", "I32" -> 4;
            case "U8", "BOOL" -> 1;
            default -> throw new IllegalArgumentException(name + " of " + file + " has type " + type);
        };
        double[] values = new double[(end - begin) / size];
        for (int i = 0; i < values.length; i++) {
            int at = begin + i * size;
            values[i] = switch (type) {
                case "F64" -> data.getDouble(at);
                case "I64" -> data.getLong(at);
                case "F32" -> data.getFloat(at);
                case "I32" -> data.getInt(at);
                default -> data.get(at) & 0xff;
            };
        }
        return values;
    }

    /** As {@link #doubles}, narrowed. */
    public float[] floats(String name) {
        double[] values = doubles(name);
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    /** As {@link #doubles}, for indices. */
    public int[] ints(String name) {
        double[] values = doubles(name);
        int[] ints = new int[values.length];
        for (int i = 0; i < ints.length; i++) {
            ints[i] = (int) values[i];
        }
        return ints;
    }

    private JsonNode entry(String name) {
        JsonNode entry = header.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("no tensor " + name + " in " + file + ", only " + names());
        }
        return entry;
    }
}
