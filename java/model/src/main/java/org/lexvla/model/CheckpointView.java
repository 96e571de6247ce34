package org.lexvla.model;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Device;

/**
 * A checkpoint under the names of Hugging Face, whatever names its file has. Other layouts stack matrices that Hugging Face keeps
 * apart, or order their rows otherwise; a {@link Part} says where in the file a tensor is and what is done to it.
 */
final class CheckpointView {
    private final Safetensors file;
    private final Map<String, Part> parts = new LinkedHashMap<>();

    /** The tensors of a file as they are. */
    CheckpointView(Safetensors file) {
        this(file, Map.of());
    }

    /**
     * The tensors of a file by other names. Those that no part asks for keep their own.
     *
     * @param parts where each tensor is found; parts of tensors that the file lacks are passed over
     */
    CheckpointView(Safetensors file, Map<String, Part> parts) {
        this.file = file;
        Set<String> unnamed = new LinkedHashSet<>(file.names());
        parts.forEach((name, part) -> {
            if (part.in() == null || file.names().contains(part.in())) {
                this.parts.put(name, part);
                unnamed.remove(part.in());
            }
        });
        unnamed.forEach(name -> this.parts.put(name, Part.whole(name)));
    }

    /**
     * Where a tensor is in a file.
     *
     * @param in      name in the file; null: not there, but a vector of {@code of} ones
     * @param share   this one of {@code of} equal blocks of rows
     * @param of      how many tensors are stacked in it
     * @param reorder what is done to the rows
     */
    record Part(String in, int share, int of, UnaryOperator<Tensor> reorder) {
        static Part whole(String in) {
            return stacked(in, 0, 1);
        }

        static Part stacked(String in, int share, int of) {
            return new Part(in, share, of, UnaryOperator.identity());
        }

        /** What a layout leaves out that multiplies by it. */
        static Part ones(int size) {
            return new Part(null, 0, size, UnaryOperator.identity());
        }

        private long[] shape(Path file, long[] whole) {
            if (of == 1) {
                return whole;
            }
            if (whole.length == 0 || whole[0] % of != 0) {
                throw new IllegalArgumentException(
                        "tensor " + in + " of " + file + " has shape " + Arrays.toString(whole)
                                + ", expected " + of
                                + " matrices of as many rows, stacked: config and weights must come from the same"
                                + " model");
            }
            long[] shape = whole.clone();
            shape[0] /= of;
            return shape;
        }

        private Tensor take(Tensor whole) {
            if (of == 1) {
                return reorder.apply(whole);
            }
            long rows = whole.size(0) / of;
            // data() gives every share a count of changes of its own, as if it had been a tensor of its own.
            return reorder.apply(whole.narrow(0, share * rows, rows)).data();
        }
    }

    Path source() {
        return file.source();
    }

    Set<String> names() {
        return parts.keySet();
    }

    /** The name for a message: with that in the file, where it is another. */
    String label(String name) {
        Part part = parts.get(name);
        return part == null || part.in() == null || part.in().equals(name)
                ? name
                : name + " (" + part.in() + " in the file)";
    }

    long[] shape(String name) {
        Part part = parts.get(name);
        if (part.in() == null) {
            return new long[] {part.of()};
        }
        return part.shape(source(), file.shape(part.in()));
    }

    /** As {@link Safetensors#dtype}. */
    String dtype(String name) {
        String in = parts.get(name).in();
        return file.dtype(in == null ? file.names().iterator().next() : in);
    }

    /** As {@link Safetensors#tensor}. */
    Tensor tensor(String name, Device device) {
        Part part = parts.get(name);
        if (part.in() == null) {
            return torch.ones(
                    new long[] {part.of()},
                    LibTorch.options(SafetensorsType.named(dtype(name)).scalar(), device));
        }
        if (device.isCpu() || part.of() == 1) {
            return part.take(file.tensor(part.in(), device));
        }
        // Cut before it is moved: a share of a moved tensor would keep the whole of it on the device.
        Tensor share = part.take(file.tensor(part.in(), Device.cpu()));
        return share.to(LibTorch.device(device), share.scalar_type());
    }
}
