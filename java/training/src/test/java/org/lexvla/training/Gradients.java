package org.lexvla.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.LexVla;

/** A model to take gradients of, and its gradients as numbers. */
@SuppressWarnings("try")
final class Gradients {
    private Gradients() {}

    /** A model as if it had been trained for a while: B of LoRA is not zero, the codebooks differ. */
    static LexVla trainable(TrainingConfig config, CaptionDataset data, Path shared, long seed) throws IOException {
        LexVla model = ToyData.fresh(config, data, shared);
        torch.manual_seed(seed);
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            model.trained().forEach((name, tensor) -> {
                if (name.contains("lora_B") || name.contains("codebook")) {
                    tensor.add_(torch.randn_like(tensor).mul(new Scalar(0.05)));
                }
            });
        }
        model.lora().setTraining(true);
        model.vision().setTrainable(!config.vision().frozen());
        model.text().setTrainable(!config.text().frozen());
        return model;
    }

    /** By group and name; the model's gradients are cleared. */
    static Map<String, Map<String, float[]>> take(LexVla model) {
        Map<String, Map<String, float[]>> groups = new LinkedHashMap<>();
        try (PointerScope scope = new PointerScope()) {
            groups.put("adapter", take(model.adapter().parameters()));
            groups.put("lora", take(model.lora().parameters()));
            groups.put("vision", take(model.vision().parameters()));
            groups.put("text", take(model.text().parameters()));
            groups.put("codebook", take(Map.of("image", model.imageCodebook(), "text", model.textCodebook())));
            groups.put("scale", take(Map.of("scale", model.logitScale())));
        }
        return groups;
    }

    private static Map<String, float[]> take(Map<String, Tensor> parameters) {
        Map<String, float[]> gradients = new LinkedHashMap<>();
        parameters.forEach((name, tensor) -> {
            if (tensor.grad().defined()) {
                gradients.put(name, HostTensor.floats(tensor.grad()));
                tensor.mutable_grad().reset();
            }
        });
        return gradients;
    }
}
