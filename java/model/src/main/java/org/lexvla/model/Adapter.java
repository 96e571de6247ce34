package org.lexvla.model;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * Brings the visual encoder's tokens to the codebook's width (SPEC §4; paper, section 3.3: one self-attention layer and two
 * MLPs, 17 M parameters):
 *
 * <pre>
 *     x += attention(norm(x))      multi-head self-attention with biases
 *     x += mlp1(norm(x))           width - hidden - width, GELU, no biases
 *     z  = mlp2(x)                 width - hidden - outWidth, GELU, no biases
 * </pre>
 *
 * <p>Parameters are float32; tokens of another type are converted. They require gradients.
 */
public final class Adapter implements AutoCloseable {
    private static final double NORM_EPS = 1e-6;

    private final AdapterConfig config;
    private final Parameters parameters;

    private Adapter(AdapterConfig config, Parameters parameters) {
        this.config = config;
        this.parameters = parameters;
        parameters.setTrainable(true);
    }

    /**
     * New parameters: weights normal with variance 1 / inputs, so that tokens keep their size; norms 1, biases 0. The same
     * seed gives the same numbers on every device.
     */
    public static Adapter random(AdapterConfig config, long seed, Device device) {
        Parameters.Initialization initialization = (name, tensor, random) -> {
            if (name.endsWith("bias")) {
                tensor.zero_();
            } else if (name.contains("norm")) {
                tensor.zero_().add_(LibTorch.ONE);
            } else {
                tensor.normal_(0, 1 / Math.sqrt(tensor.size(1)), random);
            }
        };
        return new Adapter(
                config, Parameters.random("adapter", config.shapes(), initialization, seed, device, ScalarType.Float));
    }

    /**
     * Takes copies of parameters by name.
     *
     * @throws IllegalArgumentException if one is missing or has another shape
     */
    static Adapter of(AdapterConfig config, Map<String, Tensor> tensors, Device device) {
        Parameters parameters = new Parameters("adapter", device, ScalarType.Float);
        PointerScope scope = new PointerScope();
        try {
            config.shapes().forEach((name, shape) -> {
                Tensor tensor = tensors.get(name);
                if (tensor == null) {
                    throw new IllegalArgumentException("adapter lacks the parameter " + name);
                }
                LibTorch.requireShape("adapter parameter " + name, tensor, Arrays.toString(shape), shape);
                parameters.put(name, tensor.detach().to(LibTorch.device(device), ScalarType.Float, false, true, null));
            });
            return new Adapter(config, parameters);
        } catch (RuntimeException e) {
            parameters.close();
            throw e;
        } finally {
            scope.close();
        }
    }

    /** Its shape. */
    public AdapterConfig config() {
        return config;
    }

    /** The trained tensors by name. They belong to the adapter. */
    public Map<String, Tensor> parameters() {
        return new LinkedHashMap<>(parameters.all());
    }

    /**
     * Adapts tokens.
     *
     * @param tokens [B, T, width]
     * @return [B, T, outWidth] float32
     */
    public Tensor forward(Tensor tokens) {
        parameters.requireOpen();
        LibTorch.requireDevice("adapter input", tokens, parameters.device());
        LibTorch.requireShape(
                "adapter input", tokens, "[pictures, tokens, " + config.width() + "]", -1, -1, config.width());
        Tensor x = tokens.to(ScalarType.Float);
        x = x.add(attention(norm(x, "attention.norm")));
        x = x.add(mlp(norm(x, "mlp1.norm"), "mlp1"));
        return mlp(x, "mlp2");
    }

    private Tensor norm(Tensor x, String name) {
        return torch.layer_norm(
                x,
                new long[] {config.width()},
                new TensorOptional(parameters.get(name + ".weight")),
                new TensorOptional(parameters.get(name + ".bias")),
                NORM_EPS,
                true);
    }

    private Tensor attention(Tensor x) {
        Tensor mixed = Attention.of(heads(x, "query"), heads(x, "key"), heads(x, "value"));
        return linear(mixed.transpose(1, 2).reshape(x.size(0), x.size(1), config.width()), "output");
    }

    private Tensor heads(Tensor x, String name) {
        int width = config.width() / config.heads();
        return linear(x, name).view(x.size(0), x.size(1), config.heads(), width).transpose(1, 2);
    }

    private Tensor linear(Tensor x, String name) {
        return torch.linear(
                x, parameters.get("attention." + name + ".weight"), parameters.get("attention." + name + ".bias"));
    }

    private Tensor mlp(Tensor x, String name) {
        Tensor hidden = torch.gelu(torch.linear(x, parameters.get(name + ".in.weight")));
        return torch.linear(hidden, parameters.get(name + ".out.weight"));
    }

    @Override
    public void close() {
        parameters.close();
    }
}
