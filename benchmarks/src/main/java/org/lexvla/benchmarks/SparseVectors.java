package org.lexvla.benchmarks;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.lexical.DenseView;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.ElementType;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;

/** From LibTorch's tensors of scores or activations, [B, V] float32, to sparse vectors over a vocabulary of their size. */
final class SparseVectors implements AutoCloseable {
    private final BufferAllocator allocator = new RootAllocator();
    private final Vocabulary words;

    SparseVectors(int vocabulary) {
        words = BenchmarkVocabulary.of(vocabulary);
    }

    /** Of scores, in one pass; the caller closes it. */
    LexicalBatch ofScores(Tensor scores, Sparsification how) {
        return LexicalBatch.sparsifyScores(view(scores), how, words, allocator);
    }

    /** Of activations; the caller closes it. */
    LexicalBatch ofActivations(Tensor activations, Sparsification how) {
        return LexicalBatch.sparsify(view(activations), how, words, allocator);
    }

    /** A contiguous float32 tensor as the kernels take it. */
    static DenseView view(Tensor tensor) {
        long[] shape = new long[(int) tensor.dim()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = tensor.size(i);
        }
        return DenseView.of(tensor.data_ptr_float().address(), ElementType.FLOAT32, Device.cpu(), shape);
    }

    @Override
    public void close() {
        allocator.close();
    }
}
