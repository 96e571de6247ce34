package org.lexvla.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.InterpolateFuncOptions;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.kBicubic;
import org.lexvla.lexical.Device;

/**
 * DINOv2 (Oquab et al. 2023), the visual backbone: a vision transformer with layer scale, a CLS token and, in some models,
 * register tokens. Computes what {@code Dinov2Model} of transformers 4.38.2 and {@code DinoVisionTransformer} of the original
 * code compute, in evaluation mode.
 *
 * <p>Pictures may have any size that is a multiple of the patch; position embeddings are interpolated as
 * {@link DinoV2Config.Interpolation} says.
 *
 * <p>Every tensor returned belongs to the caller's {@code PointerScope}; the parameters live until {@link #close}. Several
 * threads may run forward passes at once.
 */
public final class DinoV2 implements AutoCloseable {
    /** Trained for masked pictures only; carried along for the sake of those who read our files. */
    static final String MASK_TOKEN = "embeddings.mask_token";

    private final DinoV2Config config;
    private final Parameters parameters;
    private final Linear patches;
    private final Norm finalNorm;
    private final List<Block> blocks = new ArrayList<>();
    private final Recomputation recomputation = new Recomputation();
    private boolean checkpointing;

    private DinoV2(DinoV2Config config, Parameters parameters) {
        this.config = config;
        this.parameters = parameters;
        this.patches = new Linear("embeddings.patch_embeddings.projection");
        this.finalNorm = new Norm("layernorm");
        for (int layer = 0; layer < config.layers(); layer++) {
            blocks.add(new Block("encoder.layer." + layer + "."));
        }
    }

    /**
     * Loads a directory: {@code config.json} as {@link DinoV2Config#load} reads it, and safetensors under the names of Hugging
     * Face or of the original code; or a plain vision transformer of model type {@code vit}, whose missing layer scale is ones.
     *
     * @param type element type to compute in; null takes that of the file
     * @throws IllegalArgumentException if tensors are missing, unknown, or of a shape that is not that of the configuration
     */
    public static DinoV2 load(Path directory, Device device, ScalarType type) {
        return load(directory, DinoV2Config.load(directory), device, type, UnknownTensors.REFUSE);
    }

    /** As {@link #load(Path, Device, ScalarType)}, with a configuration in place of the one in the directory. */
    public static DinoV2 load(
            Path directory, DinoV2Config config, Device device, ScalarType type, UnknownTensors unknown) {
        try (Safetensors file = Safetensors.open(directory)) {
            Parameters.Layout layout = layout(file, config, unknown);
            return new DinoV2(config, Parameters.load("DINOv2", view(file, config), layout, device, type));
        }
    }

    /** Refuses what {@link #load(Path, DinoV2Config, Device, ScalarType, UnknownTensors)} would refuse, and reads no weight. */
    static void check(Path directory, DinoV2Config config, UnknownTensors unknown) {
        try (Safetensors file = Safetensors.open(directory)) {
            Parameters.check("DINOv2", view(file, config), layout(file, config, unknown));
        }
    }

    private static Parameters.Layout layout(Safetensors file, DinoV2Config config, UnknownTensors unknown) {
        boolean vit = VitNames.usedIn(file);
        return new Parameters.Layout(
                config.shapes(), Set.of(MASK_TOKEN), name -> vit && VitNames.ignored(name), unknown);
    }

    private static CheckpointView view(Safetensors file, DinoV2Config config) {
        Set<String> names = config.shapes().keySet();
        if (DinoV2OriginalNames.usedIn(file)) {
            return new CheckpointView(file, DinoV2OriginalNames.parts(names));
        }
        return VitNames.usedIn(file)
                ? new CheckpointView(file, VitNames.parts(names, config, file))
                : new CheckpointView(file);
    }

    /** A new float32 model as DINOv2 begins its training: normal weights of deviation 0.02, zero biases. */
    public static DinoV2 random(DinoV2Config config, long seed, Device device) {
        Parameters.Initialization initialization = (name, tensor, random) -> {
            if (name.contains("norm") && name.endsWith(".weight") || name.endsWith("lambda1")) {
                tensor.fill_(LibTorch.ONE);
            } else if (name.endsWith(".bias") || name.equals(MASK_TOKEN)) {
                tensor.zero_();
            } else {
                tensor.normal_(0, 0.02, random);
            }
        };
        return new DinoV2(
                config, Parameters.random("DINOv2", config.shapes(), initialization, seed, device, ScalarType.Float));
    }

    /** The shape of the model. */
    public DinoV2Config config() {
        return config;
    }

    /** Where the model computes. */
    public Device device() {
        return parameters.device();
    }

    /** All parameters by their Hugging Face names. */
    public Map<String, Tensor> parameters() {
        return parameters.all();
    }

    /** Whether backward passes give the parameters gradients; at first they do not. */
    public void setTrainable(boolean trainable) {
        parameters.setTrainable(trainable);
    }

    /**
     * Whether passes with a graph keep only the input of each block and compute its inside again in the backward pass: the same
     * gradients with less memory, for one more forward pass. At first not.
     */
    public void setCheckpointing(boolean checkpointing) {
        this.checkpointing = checkpointing;
    }

    /** Writes {@code config.json} and {@code model.safetensors}, which transformers loads as well. */
    public void save(Path directory) {
        Map<String, Tensor> tensors = parameters.all();
        config.save(directory, parameters.type());
        Safetensors.write(directory.resolve(Safetensors.SINGLE), tensors, Map.of("format", "pt"));
    }

    /**
     * The tokens after the final layer norm.
     *
     * @param pixels [B,3,H,W], normalised, on the device of the model; H and W multiples of the patch size
     * @return [B,1+P,d] with P = (H/patch)·(W/patch): CLS, then the patches row by row; registers are dropped
     */
    public Tensor forward(Tensor pixels) {
        Tensor x = allTokens(pixels);
        return config.registers() == 0 ? x : withoutRegisters(x);
    }

    /** As {@link #forward}, registers included: [B,1+R+P,d]. */
    Tensor allTokens(Tensor pixels) {
        Tensor x = embed(pixels);
        if (checkpointing && GradMode.is_enabled() && (x.requires_grad() || parameters.trainable())) {
            List<UnaryOperator<Tensor>> stack = new ArrayList<>();
            blocks.forEach(block -> stack.add(block::forward));
            return finalNorm.forward(recomputation.run(x, stack, false, device(), List.of()));
        }
        for (Block block : blocks) {
            x = block.scoped(x);
        }
        return finalNorm.forward(x);
    }

    /**
     * The tokens before the first block and after every block, before the final layer norm; registers, where there are
     * any, are included: layers + 1 tensors [B,1+R+P,d].
     */
    public List<Tensor> hiddenStates(Tensor pixels) {
        List<Tensor> states = new ArrayList<>();
        Tensor x = embed(pixels);
        states.add(x);
        for (Block block : blocks) {
            x = block.scoped(x);
            states.add(x);
        }
        return states;
    }

    /**
     * Where each token looks: for every block the attention [B,heads,1+R+P,1+R+P], rows of sum 1, registers included.
     */
    public List<Tensor> attentions(Tensor pixels) {
        List<Tensor> attentions = new ArrayList<>();
        Tensor x = embed(pixels);
        for (Block block : blocks) {
            attentions.add(block.attentionWeights(x));
            x = block.scoped(x);
        }
        return attentions;
    }

    private Tensor withoutRegisters(Tensor x) {
        long tokens = x.size(1);
        return torch.cat(
                new TensorVector(
                        x.narrow(1, 0, 1), x.narrow(1, 1 + config.registers(), tokens - 1 - config.registers())),
                1);
    }

    private Tensor embed(Tensor pixels) {
        parameters.requireOpen();
        int patch = config.patchSize();
        LibTorch.requireDevice("picture batch", pixels, device());
        LibTorch.requireShape(
                "picture batch",
                pixels,
                "[batch, " + config.channels() + ", height, width]",
                -1,
                config.channels(),
                -1,
                -1);
        long batch = pixels.size(0);
        long rows = pixels.size(2) / patch;
        long columns = pixels.size(3) / patch;
        if (rows == 0 || columns == 0 || pixels.size(2) % patch != 0 || pixels.size(3) % patch != 0) {
            throw new IllegalArgumentException("pictures are " + pixels.size(2) + " high and " + pixels.size(3)
                    + " wide, both must be multiples of the patch size " + patch
                    + ", at least one patch: resize or crop them");
        }
        int d = config.hiddenSize();
        // A convolution whose stride is its kernel is a matrix product over cut-out patches.
        Tensor cut = pixels.to(parameters.type())
                .reshape(batch, config.channels(), rows, patch, columns, patch)
                .permute(0, 2, 4, 1, 3, 5)
                .reshape(batch, rows * columns, (long) config.channels() * patch * patch);
        Tensor tokens = torch.linear(cut, patches.weight.view(d, -1), patches.bias);
        Tensor position = positions(pixels.size(2), pixels.size(3));
        Tensor cls = parameters
                .get("embeddings.cls_token")
                .add(position.narrow(1, 0, 1))
                .expand(batch, 1, d);
        Tensor patchTokens = tokens.add(position.narrow(1, 1, rows * columns));
        TensorVector parts = config.registers() == 0
                ? new TensorVector(cls, patchTokens)
                : new TensorVector(
                        cls,
                        parameters.get("embeddings.register_tokens").expand(batch, config.registers(), d),
                        patchTokens);
        return torch.cat(parts, 1);
    }

    /** Position embeddings [1,1+P,d] of a picture of this size; CLS's is never interpolated. */
    Tensor positions(long height, long width) {
        Tensor trained = parameters.get("embeddings.position_embeddings");
        long rows = height / config.patchSize();
        long columns = width / config.patchSize();
        int grid = config.trainedGrid();
        if (rows == grid && columns == grid) {
            return trained;
        }
        int d = config.hiddenSize();
        Tensor map = trained.narrow(1, 1, (long) grid * grid)
                .to(ScalarType.Float)
                .reshape(1, grid, grid, d)
                .permute(0, 3, 1, 2);
        long[] size = {rows, columns};
        Tensor resized = switch (config.interpolation()) {
            case OFFSET ->
                // The scale maps coordinates as it stands; it is not recomputed from the output size.
                torch.upsample_bicubic2d(
                        map,
                        size,
                        false,
                        new DoubleOptional((rows + 0.1) / grid),
                        new DoubleOptional((columns + 0.1) / grid));
            case SIZE -> torch.upsample_bicubic2d(map, size, false, new DoubleOptional(), new DoubleOptional());
            case ANTIALIAS -> {
                InterpolateFuncOptions options = new InterpolateFuncOptions();
                options.size().put(new LongVector(size));
                options.mode().put(new kBicubic());
                options.align_corners().put(false);
                options.antialias().put(true);
                yield torch.interpolate(map, options);
            }
        };
        Tensor flat = resized.permute(0, 2, 3, 1).reshape(1, rows * columns, d).to(parameters.type());
        return torch.cat(new TensorVector(trained.narrow(1, 0, 1), flat), 1);
    }

    @Override
    public void close() {
        recomputation.close();
        parameters.close();
    }

    /** Weight and optional bias, looked up and wrapped once. */
    private final class Linear {
        final Tensor weight;
        final TensorOptional bias;

        Linear(String name) {
            weight = parameters.get(name + ".weight");
            Tensor b = parameters.get(name + ".bias");
            bias = parameters.wrap(b);
        }

        Tensor forward(Tensor x) {
            return torch.linear(x, weight, bias);
        }
    }

    private final class Norm {
        private final TensorOptional weight;
        private final TensorOptional bias;
        private final long[] shape = {config.hiddenSize()};

        Norm(String name) {
            weight = parameters.wrap(parameters.get(name + ".weight"));
            bias = parameters.wrap(parameters.get(name + ".bias"));
        }

        Tensor forward(Tensor x) {
            return torch.layer_norm(x, shape, weight, bias, config.layerNormEps(), true);
        }
    }

    /** x += scale₁·attention(norm₁ x); x += scale₂·mlp(norm₂ x). */
    private final class Block {
        private final Norm norm1;
        private final Norm norm2;
        private final Linear query;
        private final Linear key;
        private final Linear value;
        private final Linear out;
        private final Linear in;
        private final Linear down;
        private final Tensor scale1;
        private final Tensor scale2;

        Block(String prefix) {
            norm1 = new Norm(prefix + "norm1");
            norm2 = new Norm(prefix + "norm2");
            query = new Linear(prefix + "attention.attention.query");
            key = new Linear(prefix + "attention.attention.key");
            value = new Linear(prefix + "attention.attention.value");
            out = new Linear(prefix + "attention.output.dense");
            in = new Linear(prefix + (config.swiGlu() ? "mlp.weights_in" : "mlp.fc1"));
            down = new Linear(prefix + (config.swiGlu() ? "mlp.weights_out" : "mlp.fc2"));
            scale1 = parameters.get(prefix + "layer_scale1.lambda1");
            scale2 = parameters.get(prefix + "layer_scale2.lambda1");
        }

        Tensor scoped(Tensor x) {
            return LibTorch.scoped(() -> forward(x));
        }

        Tensor forward(Tensor x) {
            Tensor y = torch.addcmul(x, attention(norm1.forward(x)), scale1);
            return torch.addcmul(y, mlp(norm2.forward(y)), scale2);
        }

        private Tensor attention(Tensor x) {
            long batch = x.size(0);
            long tokens = x.size(1);
            Tensor mixed = Attention.of(
                    heads(query.forward(x), batch, tokens),
                    heads(key.forward(x), batch, tokens),
                    heads(value.forward(x), batch, tokens));
            return out.forward(mixed.transpose(1, 2).reshape(batch, tokens, config.hiddenSize()));
        }

        /** The softmax that {@link #attention} does not keep. */
        Tensor attentionWeights(Tensor x) {
            Tensor y = norm1.forward(x);
            Tensor keys = heads(key.forward(y), x.size(0), x.size(1));
            Tensor scores = heads(query.forward(y), x.size(0), x.size(1)).matmul(keys.transpose(2, 3));
            double scale = Math.sqrt(config.heads() / (double) config.hiddenSize());
            return scores.mul(new Scalar(scale)).softmax(-1);
        }

        private Tensor heads(Tensor x, long batch, long tokens) {
            return x.view(batch, tokens, config.heads(), config.hiddenSize() / config.heads())
                    .transpose(1, 2);
        }

        private Tensor mlp(Tensor x) {
            Tensor wide = in.forward(x);
            if (!config.swiGlu()) {
                return down.forward(torch.gelu(wide));
            }
            int size = config.mlpSize();
            return down.forward(torch.silu(wide.narrow(-1, 0, size)).mul(wide.narrow(-1, size, size)));
        }
    }
}
