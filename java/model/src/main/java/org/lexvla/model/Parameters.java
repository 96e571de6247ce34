package org.lexvla.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The named parameters of one part of a model. They outlive the scopes of the steps that use them and are freed by
 * {@link #close}.
 */
final class Parameters implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Parameters.class);

    private final String owner;
    private final Device device;
    private final ScalarType type;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final List<TensorOptional> wrapped = new ArrayList<>();
    private boolean closed;

    Parameters(String owner, Device device, ScalarType type) {
        this.owner = owner;
        this.device = device;
        this.type = type;
    }

    /**
     * What a checkpoint has to hold.
     *
     * @param shapes every tensor by name
     * @param optional those of {@code shapes} that a checkpoint may lack
     * @param ignored names that old checkpoints hold besides and that mean nothing
     * @param unknown what is done about all others
     */
    record Layout(
            Map<String, long[]> shapes, Set<String> optional, Predicate<String> ignored, UnknownTensors unknown) {}

    /** How many numbers tensors of these shapes hold. */
    static long count(Map<String, long[]> shapes) {
        return shapes.values().stream().mapToLong(Parameters::product).sum();
    }

    static long product(long[] shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    /**
     * Takes the parameters of a layout from a checkpoint.
     *
     * @param type the element type to hold them in; null keeps that of the checkpoint
     * @throws IllegalArgumentException if tensors are missing, unknown or of another shape; all of a kind are listed
     */
    @SuppressWarnings("try") // the scope frees what conversion leaves behind
    static Parameters load(String owner, CheckpointView file, Layout layout, Device device, ScalarType type) {
        check(owner, file, layout);
        Set<String> present = file.names();
        List<String> names =
                layout.shapes().keySet().stream().filter(present::contains).toList();
        ScalarType kept =
                type == null ? SafetensorsType.named(file.dtype(names.get(0))).scalar() : type;
        Parameters parameters = new Parameters(owner, device, kept);
        try (PointerScope scope = new PointerScope()) {
            for (String name : names) {
                Tensor tensor = file.tensor(name, device);
                parameters.put(name, tensor.scalar_type().intern() == kept ? tensor : tensor.to(kept));
            }
            Map<String, Tensor> labelled = new LinkedHashMap<>();
            parameters.tensors.forEach((name, tensor) -> labelled.put(file.label(name), tensor));
            warnOfNonFinite(owner, file.source(), labelled);
            return parameters;
        } catch (RuntimeException e) {
            parameters.close();
            throw e;
        }
    }

    /** Refuses a checkpoint with tensors missing, unknown or of another shape; reads none. */
    static void check(String owner, CheckpointView file, Layout layout) {
        List<String> missing = new ArrayList<>();
        List<String> misshapen = new ArrayList<>();
        Set<String> names = file.names();
        layout.shapes().forEach((name, expected) -> {
            if (!names.contains(name)) {
                if (!layout.optional().contains(name)) {
                    missing.add(name);
                }
            } else if (!file.dtype(name).matches("F64|F32|F16|BF16")) {
                misshapen.add(file.label(name) + " has element type " + file.dtype(name)
                        + ", expected F32, BF16, F16 or F64");
            } else if (!Arrays.equals(file.shape(name), expected)) {
                misshapen.add(file.label(name) + " has shape " + Arrays.toString(file.shape(name)) + ", expected "
                        + Arrays.toString(expected));
            }
        });
        List<String> unknown = names.stream()
                .filter(name ->
                        !layout.shapes().containsKey(name) && !layout.ignored().test(name))
                .toList();
        if (!misshapen.isEmpty()) {
            throw new IllegalArgumentException(
                    owner + " weights at " + file.source() + " do not fit their config.json: " + listed(misshapen, "; ")
                            + ": config and weights must come from the same model");
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(owner + " weights at " + file.source() + " lack " + missing.size()
                    + " of "
                    + layout.shapes().size() + " tensors: " + listed(missing, ", ")
                    + (unknown.isEmpty() ? "" : "; they hold " + unknown.size() + " unknown: " + listed(unknown, ", "))
                    + ": config and weights must come from the same model");
        }
        if (!unknown.isEmpty() && layout.unknown() == UnknownTensors.REFUSE) {
            throw new IllegalArgumentException(owner + " weights at " + file.source() + " hold " + unknown.size()
                    + " unknown tensors: " + listed(unknown, ", ")
                    + ": the model would leave them out; if that is meant, allow unknown tensors");
        }
        if (!unknown.isEmpty()) {
            LOG.warn(
                    "{} weights at {} hold {} tensors that the model leaves out: {}",
                    owner,
                    file.source(),
                    unknown.size(),
                    listed(unknown, ", "));
        }
    }

    /** Reads every weight once, which computing with them does as well; what is only looked at by shape is not looked through. */
    static void warnOfNonFinite(String owner, Path source, Map<String, Tensor> tensors) {
        List<String> names = new ArrayList<>();
        tensors.forEach((name, tensor) -> {
            // A sum is finite if all are, unless it overflows; it needs no memory.
            if (!Double.isFinite(tensor.sum().item_double())
                    && !tensor.isfinite().all().item_bool()) {
                names.add(name);
            }
        });
        if (!names.isEmpty()) {
            LOG.warn(
                    "{} weights at {} hold NaN or infinite values in {} tensors: {}; the model will compute NaN",
                    owner,
                    source,
                    names.size(),
                    listed(names, ", "));
        }
    }

    private static String listed(List<String> items, String separator) {
        int shown = Math.min(items.size(), 8);
        return String.join(separator, items.subList(0, shown))
                + (shown < items.size() ? separator + "and " + (items.size() - shown) + " more" : "");
    }

    /** How a new parameter begins. */
    interface Initialization {
        /** Fills {@code tensor}, float32 on the CPU. */
        void fill(String name, Tensor tensor, GeneratorOptional random);
    }

    /** Makes new parameters; the same seed gives the same numbers on every device. */
    @SuppressWarnings("try") // as above
    static Parameters random(
            String owner,
            Map<String, long[]> shapes,
            Initialization initialization,
            long seed,
            Device device,
            ScalarType type) {
        Parameters parameters = new Parameters(owner, device, type);
        try (PointerScope scope = new PointerScope();
                Generator generator = torch.make_generator_cpu(seed)) {
            GeneratorOptional random = new GeneratorOptional(generator);
            shapes.forEach((name, shape) -> {
                Tensor tensor = LibTorch.empty(ScalarType.Float, Device.cpu(), shape);
                initialization.fill(name, tensor, random);
                boolean asIs = device.type() == Device.Type.CPU && type == ScalarType.Float;
                parameters.put(name, asIs ? tensor : tensor.to(LibTorch.device(device), type));
            });
        }
        return parameters;
    }

    /** Adds a parameter, which from now on lives until {@link #close}. */
    void put(String name, Tensor tensor) {
        tensors.put(name, LibTorch.keep(tensor));
    }

    /** Puts another tensor in the place of a parameter, which is handed back and from now on lives as long as its taker wants. */
    Tensor replace(String name, Tensor tensor) {
        requireOpen();
        return tensors.put(name, LibTorch.keep(tensor));
    }

    /** The parameter of this name. */
    Tensor get(String name) {
        requireOpen();
        return tensors.get(name);
    }

    /** A parameter, or none for null, as LibTorch takes optional arguments; lives as long as the parameters. */
    TensorOptional wrap(Tensor parameter) {
        TensorOptional optional =
                LibTorch.keep(parameter == null ? new TensorOptional() : new TensorOptional(parameter));
        wrapped.add(optional);
        return optional;
    }

    /** All parameters by name, in the order of the layout. */
    Map<String, Tensor> all() {
        requireOpen();
        return Collections.unmodifiableMap(tensors);
    }

    Device device() {
        return device;
    }

    ScalarType type() {
        return type;
    }

    /** Whether a backward pass gives any of them a gradient. */
    boolean trainable() {
        return tensors.values().stream().anyMatch(Tensor::requires_grad);
    }

    /** Grows with every change in place that LibTorch knows of: an optimizer's step, a copy into a parameter. */
    long changes() {
        requireOpen();
        return tensors.values().stream().mapToLong(Tensor::_version).sum();
    }

    void setTrainable(boolean trainable) {
        requireOpen();
        tensors.values().forEach(tensor -> tensor.requires_grad_(trainable));
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException(owner + " has been closed: load it again, or close it later");
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            wrapped.forEach(TensorOptional::close);
            wrapped.clear();
            tensors.values().forEach(Tensor::close);
            tensors.clear();
        }
    }
}
