package org.lexvla.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;
import org.lexvla.model.LexVla;
import org.lexvla.model.LexicalHead;
import org.lexvla.model.TextBatch;

/**
 * Rows of a batch that go through the towers together, once with a graph; or first without, and a second time with one and the same
 * random numbers.
 */
final class MicroBatch implements AutoCloseable {
    private final LexVla model;
    private final Batch batch;
    private final int from;
    private final int to;
    private final boolean readsTexts;
    private final Tensor codebook;
    private final Map<String, Tensor> randomState = new LinkedHashMap<>();
    private final List<Pointer> kept = new ArrayList<>();
    private Tensor imageTokens;
    private Tensor textTokens;
    private LexicalHead.Forward images;
    private LexicalHead.Forward texts;

    /** @param codebook Z_img in the type that the head is to multiply in */
    MicroBatch(LexVla model, Batch batch, int from, int to, boolean readsTexts, Tensor codebook) {
        this.model = model;
        this.batch = batch;
        this.from = from;
        this.to = to;
        this.readsTexts = readsTexts;
        this.codebook = codebook;
    }

    /** The head's result for the pictures. */
    LexicalHead.Forward images() {
        return images;
    }

    /** The head's result for the texts. */
    LexicalHead.Forward texts() {
        return texts;
    }

    /** These rows of a tensor of all. */
    Tensor of(Tensor all) {
        return all.narrow(0, from, to - from);
    }

    /**
     * Runs the towers, and the head where it has not been run yet.
     *
     * @param graph whether {@link #backward} is to follow
     */
    @SuppressWarnings("try")
    void represent(boolean graph) {
        boolean again = images != null;
        try (PointerScope scope = new PointerScope();
                AutoGradMode mode = new AutoGradMode(graph)) {
            if (again) {
                RandomState.restore(model.device(), randomState);
            } else if (!graph) {
                RandomState.of(model.device()).forEach((name, state) -> randomState.put(name, keep(state)));
            }
            Tensor levels = HostTensor.to(batch.pixels(from, to), model.device());
            imageTokens = keep(model.imageTokens(model.transform().normalized(levels)));
            if (readsTexts) {
                TextBatch prompts = model.prompts(batch.captions().subList(from, to));
                textTokens = keep(model.textTokens(prompts.ids(), prompts.mask()));
            }
            if (again) {
                images.retakeTokens(imageTokens.detach().to(codebook.scalar_type()));
                if (readsTexts) {
                    texts.retakeTokens(textTokens);
                }
            } else {
                images = LexicalHead.forward(imageTokens.detach().to(codebook.scalar_type()), codebook, null);
                if (readsTexts) {
                    texts = LexicalHead.forward(textTokens, model.packedTextCodebook(), null);
                }
            }
        }
    }

    private <P extends Pointer> P keep(P pointer) {
        P own = pointer.retainReference();
        kept.add(own);
        return own;
    }

    /** After a pass without a graph: lets all go but scores, winners and the state of the random numbers. */
    void release() {
        images.releaseTokens();
        imageTokens.close();
        kept.remove(imageTokens);
        if (readsTexts) {
            texts.releaseTokens();
            textTokens.close();
            kept.remove(textTokens);
        }
    }

    /**
     * Hands gradients on into the towers.
     *
     * @param imageGradients of all rows of the batch
     * @param textGradients  the same; null where no gradient goes into texts
     * @param codebookSum    to which the gradient of the codebook is added; null: a new one is made
     * @return the sum; the caller's scope's
     */
    @SuppressWarnings("try")
    Tensor backward(Tensor imageGradients, Tensor textGradients, Tensor codebookSum) {
        PointerScope outer = PointerScope.getInnerScope();
        try (PointerScope scope = new PointerScope()) {
            LexicalHead.Gradients towards = codebookSum == null
                    ? images.backward(of(imageGradients), true, true)
                    : images.backward(of(imageGradients), true, codebookSum);
            if (codebookSum == null) {
                outer.attach(towards.codebook());
            }
            TrainingStep.push(imageTokens, towards.tokens().to(imageTokens.scalar_type()));
            if (textGradients != null) {
                TrainingStep.push(
                        textTokens,
                        texts.backward(of(textGradients), true, false).tokens());
            }
            return towards.codebook();
        }
    }

    @Override
    public void close() {
        if (images != null) {
            images.close();
        }
        if (texts != null) {
            texts.close();
        }
        kept.forEach(Pointer::close);
        kept.clear();
    }
}
