package org.lexvla.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * Low-rank updates of a {@link Llama}: y = W x + (α/r) B A x with A [r,in] and B [out,r] for each targeted matrix. With
 * B = 0, as {@link #create} makes it, the model computes exactly what it computes without.
 *
 * <p>New updates are float32, whatever the type of the model: the update is computed in float32 and rounded to the type of the
 * model when it is added, as PEFT does. Gradients and an optimizer's state are float32, too, and exist for A and B alone.
 *
 * <p>Files are PEFT's: {@code adapter_config.json} and {@code adapter_model.safetensors} with its tensor names, which
 * differ between an adapter made on the causal language model and one made on the bare model; both are read, and written
 * as they were read.
 */
public final class Lora implements AutoCloseable {
    private static final String FILE = "adapter_model.safetensors";
    private static final String CAUSAL = "base_model.model.model.layers.";
    private static final String BARE = "base_model.model.layers.";

    private final LoraConfig config;
    private final LlamaConfig base;
    private final Parameters parameters;
    private final String prefix;
    private final Scalar scale;
    private final List<Map<LlamaProjection, Update>> updates = new ArrayList<>();
    private boolean training;

    private Lora(LoraConfig config, LlamaConfig base, Parameters parameters, String prefix) {
        this.config = config;
        this.base = base;
        this.parameters = parameters;
        this.prefix = prefix;
        this.scale = LibTorch.keep(new Scalar(config.scale()));
        for (int layer = 0; layer < base.layers(); layer++) {
            Map<LlamaProjection, Update> map = new EnumMap<>(LlamaProjection.class);
            for (LlamaProjection projection : LlamaProjection.values()) {
                if (config.targets().contains(projection.target())) {
                    String name = prefix + layer + "." + projection.path();
                    map.put(
                            projection,
                            new Update(
                                    parameters.get(name + ".lora_A.weight"), parameters.get(name + ".lora_B.weight")));
                }
            }
            updates.add(map);
        }
        setTrainable(true);
    }

    /** New float32 updates: A uniform within 1/√in (Kaiming, as PEFT begins), B = 0. They are trainable. */
    public static Lora create(LoraConfig config, LlamaConfig base, long seed, Device device) {
        Parameters.Initialization initialization = (name, tensor, random) -> {
            if (name.endsWith("lora_B.weight")) {
                tensor.zero_();
            } else {
                double bound = 1 / Math.sqrt(tensor.size(1));
                tensor.uniform_(-bound, bound, random);
            }
        };
        Map<String, long[]> shapes = shapes(config, base, CAUSAL);
        return new Lora(
                config,
                base,
                Parameters.random("LoRA", shapes, initialization, seed, device, ScalarType.Float),
                CAUSAL);
    }

    /**
     * Reads a directory in PEFT's format, in the element type of the file. The updates are trainable.
     *
     * @throws IllegalArgumentException if tensors are missing, unknown, or of a shape that does not fit the base model
     */
    public static Lora load(Path directory, LlamaConfig base, Device device) {
        LoraConfig config = LoraConfig.load(directory);
        try (Safetensors file = Safetensors.open(directory.resolve(FILE))) {
            boolean bare = file.names().stream().anyMatch(name -> name.startsWith(BARE));
            String prefix = bare ? BARE : CAUSAL;
            Parameters.Layout layout =
                    new Parameters.Layout(shapes(config, base, prefix), Set.of(), name -> false, UnknownTensors.REFUSE);
            return new Lora(
                    config, base, Parameters.load("LoRA", new CheckpointView(file), layout, device, null), prefix);
        }
    }

    private static Map<String, long[]> shapes(LoraConfig config, LlamaConfig base, String prefix) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        for (int layer = 0; layer < base.layers(); layer++) {
            for (LlamaProjection projection : LlamaProjection.values()) {
                if (config.targets().contains(projection.target())) {
                    String name = prefix + layer + "." + projection.path();
                    shapes.put(name + ".lora_A.weight", new long[] {config.rank(), projection.in(base)});
                    shapes.put(name + ".lora_B.weight", new long[] {projection.out(base), config.rank()});
                }
            }
        }
        return shapes;
    }

    /** Numbers in all parameters of such updates. */
    public static long parameterCount(LoraConfig config, LlamaConfig base) {
        return Parameters.count(shapes(config, base, CAUSAL));
    }

    /** Rank, scale and targets. */
    public LoraConfig config() {
        return config;
    }

    /** All parameters by their names in PEFT's file. */
    public Map<String, Tensor> parameters() {
        return parameters.all();
    }

    /** Whether backward passes give the parameters gradients; at first they do. */
    public void setTrainable(boolean trainable) {
        parameters.setTrainable(trainable);
    }

    /** Whether dropout is applied; at first it is not. Without meaning if the configuration has none. */
    public void setTraining(boolean training) {
        this.training = training;
    }

    boolean trainable() {
        return parameters.trainable();
    }

    /** As {@link Parameters#changes}. */
    long changes() {
        return parameters.changes();
    }

    /** Whether inputs are dropped at random. */
    boolean drops() {
        return training && config.dropout() > 0;
    }

    /** Writes {@code adapter_config.json} and {@code adapter_model.safetensors}, which PEFT loads as well. */
    public void save(Path directory) {
        Map<String, Tensor> tensors = parameters.all();
        config.save(directory, prefix.equals(CAUSAL) ? "CAUSAL_LM" : "FEATURE_EXTRACTION");
        Safetensors.write(directory.resolve(FILE), tensors, Map.of("format", "pt"));
    }

    /** The update of one matrix, or null if it is no target. */
    Update update(int layer, LlamaProjection projection) {
        return updates.get(layer).get(projection);
    }

    void requireFits(LlamaConfig model, Device device) {
        parameters.requireOpen();
        Map<String, long[]> mine = shapes(config, base, CAUSAL);
        Map<String, long[]> theirs = shapes(config, model, CAUSAL);
        boolean same = mine.keySet().equals(theirs.keySet())
                && mine.keySet().stream().allMatch(name -> Arrays.equals(mine.get(name), theirs.get(name)));
        if (!same) {
            throw new IllegalArgumentException("LoRA was made for " + base + ", the model is " + model);
        }
        if (!device.equals(parameters.device())) {
            throw new IllegalArgumentException("LoRA is on " + LibTorch.name(parameters.device()) + ", the model on "
                    + LibTorch.name(device) + ": load both on the same device");
        }
    }

    /** Frees the parameters. Detach them from the model first. */
    @Override
    public void close() {
        parameters.close();
        scale.close();
    }

    /** A and B of one matrix. */
    final class Update {
        private final Tensor a;
        private final Tensor b;

        private Update(Tensor a, Tensor b) {
            this.a = a;
            this.b = b;
        }

        /** y + (α/r) B A x, for x [n,in] and y [n,out]; computed in the type of the updates, returned in that of y. */
        Tensor addTo(Tensor y, Tensor x) {
            parameters.requireOpen();
            boolean sameType = y.scalar_type().intern() == parameters.type();
            Tensor in = sameType ? x : x.to(parameters.type());
            if (drops()) {
                in = torch.dropout(in, config.dropout(), true);
            }
            Tensor inner = torch.linear(in, a);
            if (sameType) {
                return torch.addmm(y, inner, b.t(), LibTorch.ONE, scale);
            }
            return y.add(torch.linear(inner, b).mul(scale).to(y.scalar_type()));
        }

        /** W + (α/r) B A, computed in the type of the updates and rounded once to that of W. */
        Tensor mergedInto(Tensor weight) {
            parameters.requireOpen();
            return LibTorch.scoped(() -> {
                Tensor wide = weight.detach().to(parameters.type());
                return torch.addmm(wide, b.detach(), a.detach(), LibTorch.ONE, scale)
                        .to(weight.scalar_type());
            });
        }
    }
}
