package org.lexvla.model;

import java.util.Arrays;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.DenseView;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.ElementType;
import org.lexvla.lexical.Kernels;

/**
 * The lexical head on LibTorch tensors: tokens × codebook, maximum over tokens, elu1p, l2-normalisation, by the fused
 * kernels and so without the [B, P, V] scores ever being stored (SPEC §3, §4, §9).
 *
 * <p>Autograd functions cannot be written in Java, so the head is cut out of the graph and its gradient is passed in two
 * stages:
 *
 * <pre>{@code
 * Tensor tokens = model.imageTokens(pixels);                        // the tower's graph
 * try (LexicalHead.Forward head = LexicalHead.forward(tokens, codebook, null)) {
 *     Tensor s = head.activations().set_requires_grad(true);        // a leaf
 *     loss(s).backward();                                           // fills s.grad()
 *     LexicalHead.Gradients g = head.backward(s.grad(), true, true);
 *     tokens.backward(g.tokens(), …);                               // on through the tower
 * }
 * }</pre>
 *
 * <p>Tokens and codebook are both float32, both bfloat16, or on CUDA both float16, on the same device, CPU or CUDA. Whether
 * float32 may be multiplied as TF32 on CUDA, {@link Kernels#allowTf32} says. A tensor that is not
 * contiguous is copied first. Scores, activations, norms and the sums of gradients are float32. Equal scores go to the
 * first token.
 */
public final class LexicalHead {
    private LexicalHead() {}

    /**
     * Computes activations and keeps what the backward needs.
     *
     * @param tokens   [B, P, d] float32, bfloat16 or, on CUDA, float16; no graph is recorded
     * @param codebook [V, d], of the type and on the device of the tokens
     * @param mask     [B, P] bool or uint8, 0 = the token takes no part; or null: all do
     * @throws IllegalArgumentException for types, shapes or devices that do not fit together
     * @throws IllegalStateException    for a tensor that has been closed
     */
    public static Forward forward(Tensor tokens, Tensor codebook, Tensor mask) {
        Tensor z = plain("codebook", codebook);
        return forward(tokens, z, mask, onto(z));
    }

    /**
     * As {@link #forward(Tensor, Tensor, Tensor)} with a codebook that is kept packed for use again and again.
     *
     * @throws IllegalStateException if the packed codebook is closed
     */
    public static Forward forward(Tensor tokens, PackedCodebook codebook, Tensor mask) {
        Tensor z = plain("codebook", codebook.codebook());
        return forward(tokens, z, mask, onto(codebook, z));
    }

    /**
     * The scores alone, for inference: what {@link Forward#scores} has, without winners and activations.
     * {@link org.lexvla.lexical.LexicalBatch#sparsifyScores} makes sparse vectors of them.
     *
     * @param tokens   [B, P, d] float32, bfloat16 or, on CUDA, float16; no graph is recorded
     * @param codebook [V, d], of the type and on the device of the tokens
     * @param mask     [B, P] bool or uint8, 0 = the token takes no part; or null: all do
     * @return [B, V] float32 on the device of the tokens, −∞ for a picture without tokens; the caller's
     * @throws IllegalArgumentException for types, shapes or devices that do not fit together
     * @throws IllegalStateException    for a tensor that has been closed
     */
    public static Tensor scores(Tensor tokens, Tensor codebook, Tensor mask) {
        Tensor z = plain("codebook", codebook);
        return project(tokens, z, mask, false, onto(z)).scores;
    }

    /**
     * As {@link #scores(Tensor, Tensor, Tensor)} with a codebook that is kept packed for use again and again.
     *
     * @throws IllegalStateException if the packed codebook is closed
     */
    public static Tensor scores(Tensor tokens, PackedCodebook codebook, Tensor mask) {
        Tensor z = plain("codebook", codebook.codebook());
        return project(tokens, z, mask, false, onto(codebook, z)).scores;
    }

    /** What writes scores, and winners unless they are null. */
    @FunctionalInterface
    private interface Projection {
        void run(DenseView tokens, DenseView mask, DenseView scores, DenseView winners);
    }

    private static Projection onto(Tensor z) {
        return (tokens, mask, scores, winners) -> Kernels.projectMaxForward(tokens, mask, view(z), scores, winners);
    }

    private static Projection onto(PackedCodebook codebook, Tensor z) {
        return (tokens, mask, scores, winners) -> codebook.project(tokens, mask, z, scores, winners);
    }

    private static Forward forward(Tensor tokens, Tensor z, Tensor mask, Projection projection) {
        Projected found = project(tokens, z, mask, true, projection);
        Device device = deviceOf(found.scores);
        Tensor activations = torch.empty_like(found.scores);
        Tensor norms = torch.empty(new long[] {found.scores.size(0)}, LibTorch.options(ScalarType.Float, device), null);
        LibTorch.onCurrentStream(
                device, () -> Kernels.activateNormalizeForward(view(found.scores), view(activations), view(norms)));
        return new Forward(found.tokens, z, found.scores, found.winners, activations, norms);
    }

    /** What a projection took, as the kernels take it, and what it gave; winners may be null. */
    private record Projected(Tensor tokens, Tensor scores, Tensor winners) {}

    /** Checks what is given, and projects. */
    private static Projected project(Tensor tokens, Tensor z, Tensor mask, boolean wantWinners, Projection projection) {
        Tensor x = plain("tokens", tokens);
        Device device = deviceOf(x);
        requireRank("tokens", x, 3, "[pictures, tokens, width]");
        requireRank("codebook", z, 2, "[words, width]");
        requireSame(device, "tokens", z, "codebook");
        if (x.size(2) != z.size(1)
                || x.scalar_type().intern() != z.scalar_type().intern()) {
            throw new IllegalArgumentException("codebook is " + view(z) + ", expected " + view(x).type() + "[words, "
                    + x.size(2) + "] as tokens is " + view(x));
        }
        DenseView maskView = null;
        Tensor m = null;
        if (mask != null) {
            requireOpen("mask", mask);
            requireSame(device, "tokens", mask, "mask");
            m = mask.to(ScalarType.Bool).contiguous();
            maskView = view(m);
        }
        long[] table = {x.size(0), z.size(0)};
        Tensor scores = torch.empty(table, LibTorch.options(ScalarType.Float, device), null);
        Tensor winners = wantWinners ? torch.empty(table, LibTorch.options(ScalarType.Int, device), null) : null;
        DenseView maskTaken = maskView;
        LibTorch.onCurrentStream(
                device, () -> projection.run(view(x), maskTaken, view(scores), winners == null ? null : view(winners)));
        if (m != null) {
            m.close();
        }
        return new Projected(x, scores, winners);
    }

    /**
     * Activations of every token by itself: Normalize(elu1p(tokens · codebookᵀ)).
     *
     * @param tokens   [B, P, d]
     * @param codebook [V, d]
     * @return [B, P, V] float32, the caller's
     */
    public static Tensor perToken(Tensor tokens, Tensor codebook) {
        Tensor x = plain("tokens", tokens);
        Tensor z = plain("codebook", codebook);
        Device device = deviceOf(x);
        requireRank("tokens", x, 3, "[pictures, tokens, width]");
        requireRank("codebook", z, 2, "[words, width]");
        requireSame(device, "tokens", z, "codebook");
        long count = x.size(0) * x.size(1);
        Tensor activations =
                torch.empty(new long[] {count, z.size(0)}, LibTorch.options(ScalarType.Float, device), null);
        Tensor norms = torch.empty(new long[] {count}, LibTorch.options(ScalarType.Float, device), null);
        LibTorch.onCurrentStream(
                device,
                () -> Kernels.tokenActivations(
                        view(x.view(count, x.size(2))), view(z), view(activations), view(norms)));
        return activations.view(x.size(0), x.size(1), z.size(0));
    }

    /** Gradients: of the tokens in their type, of the codebook in float32; null where not asked for. The caller's. */
    public record Gradients(Tensor tokens, Tensor codebook) {}

    /** The result of {@link #forward}. It holds its tensors until it is closed, whatever scope it was made in. */
    public static final class Forward implements AutoCloseable {
        private final long[] shape;
        private final ScalarType type;
        /** Null while they are released. */
        private Tensor tokens;

        private final Tensor codebook;
        private final Tensor scores;
        private final Tensor winners;
        private final Tensor activations;
        private final Tensor norms;
        private double smallest;
        private boolean closed;

        private Forward(
                Tensor tokens, Tensor codebook, Tensor scores, Tensor winners, Tensor activations, Tensor norms) {
            this.shape = LibTorch.shape(tokens);
            this.type = tokens.scalar_type().intern();
            this.tokens = LibTorch.keep(tokens);
            this.codebook = LibTorch.keep(codebook);
            this.scores = LibTorch.keep(scores);
            this.winners = LibTorch.keep(winners);
            this.activations = LibTorch.keep(activations);
            this.norms = LibTorch.keep(norms);
        }

        /** [B, V] float32, rows of norm 1, or 0 where everything underflowed. Valid until this is closed or its tokens are released. */
        public Tensor activations() {
            requireOpen();
            return activations;
        }

        /** [B, V] float32: the scores before elu1p, −∞ for a picture without tokens. Valid until this is closed. */
        public Tensor scores() {
            requireOpen();
            return scores;
        }

        /** [B, V] int32: the token each activation comes from, −1 for none. Valid until this is closed. */
        public Tensor winners() {
            requireOpen();
            return winners;
        }

        /** [B] float32: the norms that were divided by. Valid until this is closed. */
        public Tensor norms() {
            requireOpen();
            return norms;
        }

        /**
         * Makes the backward leave out what is small, which is faster and no longer exact: gradients of scores below this
         * share of the largest of their picture. 2⁻⁹ is what rounding to bfloat16 does to the largest. What the gradients
         * then lack is bounded in {@code kernels.h}, at {@code filter_winners}.
         *
         * @param share 0 (exact, as at first) to 1
         * @return this
         */
        public Forward leavingOutBelow(double share) {
            requireOpen();
            if (!(share >= 0 && share <= 1)) {
                throw new IllegalArgumentException("share is " + share + ", must be from 0 (all are kept) to 1");
            }
            smallest = share;
            return this;
        }

        /**
         * Lets tokens and activations go, by far the most of what is held, and keeps what is [B, V]: scores and winners. For many
         * micro-batches whose tokens are computed a second time; the head itself need not be.
         */
        public void releaseTokens() {
            requireOpen();
            if (tokens != null) {
                tokens.close();
                tokens = null;
                activations.close();
            }
        }

        /**
         * Takes the tokens again, so that {@link #backward} can be called.
         *
         * @param again [B, P, d], the numbers that were released
         * @throws IllegalArgumentException if they have another shape, type or device
         * @throws IllegalStateException    if they have not been released
         */
        public void retakeTokens(Tensor again) {
            requireOpen();
            if (tokens != null) {
                throw new IllegalStateException("tokens of the head are taken again but were not released");
            }
            Tensor x = plain("tokens", again);
            requireSame(deviceOf(codebook), "codebook", x, "tokens");
            if (!Arrays.equals(LibTorch.shape(x), shape) || x.scalar_type().intern() != type) {
                throw new IllegalArgumentException("tokens taken again are " + view(x) + ", those released were " + type
                        + Arrays.toString(shape) + ": compute them from the same pictures");
            }
            tokens = LibTorch.keep(x);
        }

        /**
         * Gradients of tokens and codebook from those of the activations. May be called again with others.
         *
         * @param gradActivations [B, V], any floating type
         */
        public Gradients backward(Tensor gradActivations, boolean wantTokens, boolean wantCodebook) {
            requireOpen();
            Tensor gradCodebook = wantCodebook
                    ? torch.empty(
                            LibTorch.shape(codebook), LibTorch.options(ScalarType.Float, deviceOf(codebook)), null)
                    : null;
            return backward(gradActivations, wantTokens, gradCodebook, false);
        }

        /**
         * As {@link #backward(Tensor, boolean, boolean)}, but adds the codebook's gradient to {@code sum}, as several
         * micro-batches need it.
         *
         * @param sum [V, d] float32, contiguous; the {@code codebook} of the result
         */
        public Gradients backward(Tensor gradActivations, boolean wantTokens, Tensor sum) {
            requireOpen();
            LexicalHead.requireOpen("codebook gradient", sum);
            if (!sum.is_contiguous() || sum.scalar_type().intern() != ScalarType.Float) {
                throw new IllegalArgumentException("codebook gradient to add to must be contiguous float32, is "
                        + sum.scalar_type().intern() + (sum.is_contiguous() ? "" : " and strided"));
            }
            requireSame(deviceOf(codebook), "codebook", sum, "codebook gradient");
            return backward(gradActivations, wantTokens, sum, true);
        }

        private Gradients backward(Tensor gradActivations, boolean wantTokens, Tensor gradCodebook, boolean add) {
            LexicalHead.requireOpen("gradient of the activations", gradActivations);
            if (tokens == null) {
                throw new IllegalStateException("the tokens of the head are released: take them again before backward");
            }
            Device device = deviceOf(tokens);
            requireSame(device, "tokens", gradActivations, "gradient of the activations");
            Tensor gradient = gradActivations.detach().to(ScalarType.Float).contiguous();
            Tensor gradScores = torch.empty_like(scores);
            Tensor sumTokens = wantTokens
                    ? torch.empty(LibTorch.shape(tokens), LibTorch.options(ScalarType.Float, device), null)
                    : null;
            Tensor kept = smallest > 0 ? torch.empty_like(winners) : winners;
            LibTorch.onCurrentStream(device, () -> {
                Kernels.activateNormalizeBackward(view(gradient), view(scores), view(norms), view(gradScores));
                if (smallest > 0) {
                    Kernels.filterWinners(view(gradScores), view(winners), smallest, view(kept));
                }
                Kernels.projectMaxBackward(
                        view(gradScores),
                        view(kept),
                        view(tokens),
                        view(codebook),
                        sumTokens == null ? null : view(sumTokens),
                        gradCodebook == null ? null : view(gradCodebook),
                        add);
            });
            Tensor gradTokens = sumTokens;
            gradScores.close();
            gradient.close();
            if (smallest > 0) {
                kept.close();
            }
            if (gradTokens != null && type != ScalarType.Float) {
                Tensor wide = gradTokens;
                gradTokens = wide.to(type);
                wide.close();
            }
            return new Gradients(gradTokens, gradCodebook);
        }

        private void requireOpen() {
            if (closed) {
                throw new IllegalStateException(
                        "this result of the lexical head is closed: use activations and backward before closing it");
            }
        }

        @Override
        public void close() {
            if (!closed) {
                releaseTokens();
                closed = true;
                for (Tensor tensor : new Tensor[] {codebook, scores, winners, norms}) {
                    tensor.close();
                }
            }
        }
    }

    /** A contiguous tensor outside of any graph; shares memory if the given one is contiguous. */
    private static Tensor plain(String what, Tensor tensor) {
        requireOpen(what, tensor);
        requireType(what, tensor);
        return tensor.detach().contiguous();
    }

    /** Refuses what no head can project on. */
    static void requireCodebook(Tensor codebook) {
        requireOpen("codebook", codebook);
        requireType("codebook", codebook);
        requireRank("codebook", codebook, 2, "[words, width]");
    }

    private static void requireType(String what, Tensor tensor) {
        ScalarType type = tensor.scalar_type().intern();
        boolean taken = type == ScalarType.Float
                || type == ScalarType.BFloat16
                || (type == ScalarType.Half && tensor.is_cuda());
        if (!taken) {
            throw new IllegalArgumentException(what + " has type " + type
                    + ", the head takes float32 and bfloat16, and on CUDA float16: convert it with to(…)");
        }
    }

    private static void requireOpen(String what, Tensor tensor) {
        if (tensor == null || tensor.isNull() || !tensor.defined()) {
            throw new IllegalStateException(what + " is " + (tensor == null ? "null" : "closed, or was never set")
                    + ": no tensor to compute with");
        }
    }

    private static void requireRank(String what, Tensor tensor, int rank, String meaning) {
        if (tensor.dim() != rank) {
            throw new IllegalArgumentException(what + " has shape " + Arrays.toString(LibTorch.shape(tensor))
                    + ", expected " + rank + " dimensions: " + meaning);
        }
    }

    private static void requireSame(Device device, String first, Tensor tensor, String second) {
        Device other = deviceOf(tensor);
        if (!other.equals(device)) {
            throw new IllegalArgumentException(
                    first + " is on " + device + ", " + second + " on " + other + ": move one of them");
        }
    }

    private static Device deviceOf(Tensor tensor) {
        if (tensor.is_cpu()) {
            return Device.cpu();
        }
        if (tensor.is_cuda()) {
            return Device.cuda(tensor.device().index());
        }
        throw new IllegalArgumentException(
                "tensor is on " + tensor.device().str().getString() + ", the head runs on cpu and cuda");
    }

    static DenseView view(Tensor tensor) {
        ElementType type = switch (tensor.scalar_type().intern()) {
            case Float -> ElementType.FLOAT32;
            case BFloat16 -> ElementType.BFLOAT16;
            case Half -> ElementType.FLOAT16;
            case Int -> ElementType.INT32;
            case Byte, Bool -> ElementType.UINT8;
            default ->
                throw new IllegalArgumentException(
                        "no kernel takes " + tensor.scalar_type().intern());
        };
        // The address of an empty tensor is null.
        Pointer data = tensor.data_ptr();
        return DenseView.of(data == null ? 0 : data.address(), type, deviceOf(tensor), LibTorch.shape(tensor));
    }
}
