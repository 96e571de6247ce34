package com.example.owntrainer;

import java.util.Locale;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Adam;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.model.LexicalHead;

/**
 * Trains a tower and a codebook of one's own through LexVLA's head: Arrow batches in, an own LibTorch loop, an own loss.
 *
 * <p>The head is not a node of LibTorch's graph. So a step takes the tower's output to the head, lets the loss fill the
 * gradient of the activations, has the head turn it into gradients of tokens and codebook, and sends those on.
 */
public final class OwnTrainer {
    private static final int PICTURES = 32;
    private static final int PATCHES = 49;
    private static final int FEATURES = 32;
    private static final int WIDTH = 64;
    private static final int WORDS = 500;
    private static final int STEPS = 200;

    private OwnTrainer() {}

    public static void main(String[] arguments) {
        Placement placement = Placement.of(arguments.length > 0 ? arguments[0] : "cpu");
        torch.manual_seed(1);
        try (RootAllocator allocator = new RootAllocator();
                PictureBatches batches = new PictureBatches(allocator, PICTURES, PATCHES, FEATURES, WORDS);
                PointerScope run = new PointerScope()) {
            LinearImpl tower = new LinearImpl(FEATURES, WIDTH);
            tower.to(placement.device(), false);
            Tensor codebook = placement.move(torch.randn(WORDS, WIDTH).mul(new Scalar(0.1)));
            codebook.set_requires_grad(true);
            TensorVector parameters = new TensorVector(tower.weight(), tower.bias(), codebook);
            Adam optimizer = new Adam(parameters, new AdamOptions(0.02));

            for (int step = 1; step <= STEPS; step++) {
                // Frees the tensors of the step.
                try (PointerScope scope = new PointerScope()) {
                    VectorSchemaRoot batch = batches.next();
                    Tensor patches = placement.move(ArrowTensors.floats(batch, "patches", PICTURES, PATCHES, FEATURES));
                    Tensor shown = placement.move(ArrowTensors.floats(batch, "words", PICTURES, WORDS));
                    double loss = step(tower, codebook, patches, shown);
                    optimizer.step();
                    optimizer.zero_grad();
                    if (step == 1 || step % 20 == 0) {
                        System.out.printf(Locale.ROOT, "step %d loss %.4f%n", step, loss);
                    }
                }
            }
        }
    }

    /** Fills the gradients of tower and codebook; returns the loss. */
    private static double step(LinearImpl tower, Tensor codebook, Tensor patches, Tensor shown) {
        Tensor tokens = tower.forward(patches); // [B, P, d], in the graph
        try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
            Tensor s = head.activations().set_requires_grad(true); // [B, V], a leaf

            // Any loss of s: here how far the words of a picture are from those it shows, both of norm 1.
            Tensor loss = s.mul(shown).sum(1).mean().neg().add(new Scalar(1));
            loss.backward();

            LexicalHead.Gradients gradients = head.backward(s.grad(), true, true);
            push(tokens, gradients.tokens());
            push(codebook, gradients.codebook());
            return loss.item_double();
        }
    }

    /** Through the graph of the tower; into a leaf, it is added. */
    private static void push(Tensor tensor, Tensor gradient) {
        tensor.backward(gradient, new BoolOptional(false), false, new TensorArrayRefOptional());
    }
}
