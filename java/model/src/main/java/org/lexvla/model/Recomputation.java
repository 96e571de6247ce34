package org.lexvla.model;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.VoidTensorHook;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Device;

/**
 * Activation checkpointing (Chen et al. 2016): a stack of blocks keeps only the input of each block, and the backward pass
 * computes the inside of one block at a time again. For L blocks it holds L inputs and the activations of one block instead of
 * the activations of all; it costs one more forward pass.
 *
 * <p>LibTorch's autograd functions cannot be written in Java, so the stack is cut out of the graph as {@link LexicalHead} is: it
 * runs without a graph, and its output is a leaf. A hook on the leaf takes the gradient and walks the blocks backwards: each is
 * run again with a graph, from its kept input, and given the gradient of its output. The gradients are those of a plain pass,
 * on the CPU to the bit. A pass can be gone through backwards once; with {@code retain_graph} a second time is an error.
 *
 * <p>What a pass keeps is freed when it has been gone through backwards, or, where nobody did, by the next pass after its output
 * is gone.
 */
final class Recomputation implements AutoCloseable {
    private final Deque<Pass> passes = new ArrayDeque<>();

    /**
     * Runs a stack of blocks.
     *
     * @param x      the input; if it is part of a graph, gradients go on into it
     * @param blocks give the same for the same input, but for LibTorch's random numbers if {@code random}
     * @param random whether blocks draw random numbers: the second time they get the same
     * @param held   what blocks use besides the parameters of the model; kept as long as the inputs
     * @return the output of the last block, a leaf with a gradient
     */
    Tensor run(Tensor x, List<UnaryOperator<Tensor>> blocks, boolean random, Device device, List<Pointer> held) {
        Pass pass = new Pass(x, blocks, random ? device : null, held);
        Tensor output = pass.forward();
        synchronized (passes) {
            freeForgotten();
            passes.add(pass);
        }
        return output;
    }

    /** Passes whose output nobody has any more, neither a caller nor a graph, cannot be gone through backwards. */
    private void freeForgotten() {
        for (Iterator<Pass> all = passes.iterator(); all.hasNext(); ) {
            Pass pass = all.next();
            if (pass.output.use_count() == 1) {
                pass.release();
                all.remove();
            }
        }
    }

    @Override
    public void close() {
        synchronized (passes) {
            passes.forEach(Pass::release);
            passes.clear();
        }
    }

    /** One pass: what it keeps, and the hook on its output. */
    private static final class Pass extends VoidTensorHook {
        private final List<UnaryOperator<Tensor>> blocks;
        private final List<Tensor> inputs = new ArrayList<>();
        private final List<Tensor> generatorStates = new ArrayList<>();
        private final List<Pointer> held = new ArrayList<>();
        private final Tensor start;
        private final Device random;
        private Tensor output;

        Pass(Tensor x, List<UnaryOperator<Tensor>> blocks, Device random, List<Pointer> held) {
            LibTorch.keep(this);
            this.blocks = blocks;
            this.random = random;
            this.start = LibTorch.keep(x);
            held.forEach(pointer -> this.held.add(LibTorch.keep(pointer)));
        }

        Tensor forward() {
            Tensor at = start.detach();
            NoGradGuard guard = new NoGradGuard();
            try {
                for (UnaryOperator<Tensor> block : blocks) {
                    Tensor input = LibTorch.keep(at);
                    inputs.add(input);
                    if (random != null) {
                        generatorStates.add(LibTorch.keep(generator().get_state()));
                    }
                    at = LibTorch.scoped(() -> block.apply(input));
                }
            } finally {
                guard.close();
            }
            at.requires_grad_(true);
            at.register_hook(this);
            // A handle of our own, by which we see when all others are gone.
            output = LibTorch.keep(new Tensor(at));
            return at;
        }

        /** The backward pass, called by LibTorch with the gradient of the output. */
        @Override
        @SuppressWarnings("try")
        public void call(TensorBase gradient) {
            if (inputs.isEmpty()) {
                throw new IllegalStateException(
                        "a checkpointed pass was gone through backwards a second time: its inputs are"
                                + " freed; turn checkpointing off to keep the graph");
            }
            try (PointerScope scope = new PointerScope();
                    AutoGradMode graph = new AutoGradMode(true)) {
                Tensor now = random == null ? null : generator().get_state();
                Tensor at = new Tensor(gradient);
                for (int i = blocks.size() - 1; i >= 0; i--) {
                    int block = i;
                    Tensor after = at;
                    at = LibTorch.scoped(() -> backward(block, after));
                    inputs.get(i).close();
                }
                if (start.requires_grad()) {
                    push(start, at);
                }
                if (now != null) {
                    generator().set_state(now);
                }
            } finally {
                freeInputs();
            }
        }

        /** Runs a block again, this time with a graph, and gives the gradient of its input; without one where none is asked for. */
        private Tensor backward(int block, Tensor gradient) {
            Tensor input = inputs.get(block);
            boolean wanted = block > 0 || start.requires_grad();
            input.requires_grad_(wanted);
            if (random != null) {
                generator().set_state(generatorStates.get(block));
            }
            push(blocks.get(block).apply(input), gradient);
            return wanted ? new Tensor(input.grad()) : gradient;
        }

        private static void push(Tensor tensor, Tensor gradient) {
            tensor.backward(gradient, new BoolOptional(false), false, new TensorArrayRefOptional());
        }

        private Generator generator() {
            return torch.globalContext().defaultGenerator(LibTorch.device(random));
        }

        private void freeInputs() {
            inputs.forEach(Tensor::close);
            inputs.clear();
            generatorStates.forEach(Tensor::close);
            generatorStates.clear();
            held.forEach(Pointer::close);
            held.clear();
            start.close();
        }

        void release() {
            if (!inputs.isEmpty()) {
                freeInputs();
            }
            output.close();
            close();
        }
    }
}
