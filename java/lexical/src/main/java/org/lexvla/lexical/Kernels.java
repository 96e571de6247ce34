package org.lexvla.lexical;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.lexvla.kernels.global.kernels;
import org.lexvla.lexical.NativeCall.Address;

/**
 * The kernels of the lexical head, as {@code kernels.h} defines them, for arrays that somebody else owns: tensors of
 * LibTorch, Arrow buffers, direct byte buffers.
 *
 * <p>B images of P tokens of width d, V words. All arrays are contiguous, row-major and on one device:
 *
 * <pre>
 *     score[b, v]      = max over p of tokens[b, p] · codebook[v]
 *     activation[b, v] = elu1p(score[b, v]) / l2-norm of the row
 * </pre>
 *
 * Types, shapes and devices are checked before the native call, and no output may overlap an input, or another output,
 * unless its method says so. What a method leaves open (ties, NaN, no tokens) is in {@code kernels.h}.
 *
 * <p>On CUDA the work is put on the thread's {@link CudaStream} and the call returns before it is done; a failure of the
 * work itself is reported by a later call. No kernel has run on a GPU yet: they are compiled, and tested on an emulation.
 *
 * <p>All methods may be called from several threads at once on different outputs. On the CPU the results are bitwise the
 * same for any number of threads.
 *
 * <p>Tokens and codebook may also be float16 where both are on CUDA.
 *
 * <p>Each method throws {@link IllegalArgumentException} for arrays that do not fit, {@link UnsupportedOperationException}
 * for a device that is not in this build or machine, {@link OutOfMemoryError} if the kernel gets no memory, and
 * {@link IllegalStateException} for what the CUDA runtime reports.
 */
public final class Kernels {
    private static volatile int threads = threadsOf(System.getenv("OMP_NUM_THREADS"));
    private static volatile boolean tf32;

    private Kernels() {}

    /**
     * Projects tokens on the codebook and keeps, for every word, the best raw score over the tokens of an image.
     *
     * @param tokens   [B, P, d], float32 or bfloat16
     * @param mask     [B, P] uint8, 0 = token takes no part; or null: all do
     * @param codebook [V, d], of the type of the tokens
     * @param scores   out, [B, V] float32; −∞ for an image without tokens
     * @param winners  out, [B, V] int32: the lowest token that attains the score, −1 if there is none; or null: not wanted
     */
    public static void projectMaxForward(
            DenseView tokens, DenseView mask, DenseView codebook, DenseView scores, DenseView winners) {
        Call call = new Call("projectMaxForward", "tokens", tokens, 3);
        long images = tokens.size(0);
        long count = tokens.size(1);
        long width = tokens.size(2);
        int type = call.kernelType();
        long words = call.words("codebook", codebook, width);
        call.optional("mask", mask, ElementType.UINT8, images, count);
        call.require("scores", scores, ElementType.FLOAT32, images, words);
        call.optional("winners", winners, ElementType.INT32, images, words);
        call.disjoint("scores", scores, tokens, mask, codebook, winners);
        call.disjoint("winners", winners, tokens, mask, codebook);

        Pointer t = Address.of(tokens);
        BytePointer m = Address.bytes(mask);
        Pointer c = Address.of(codebook);
        FloatPointer s = Address.floats(scores);
        IntPointer w = Address.ints(winners);
        call.run(exec -> kernels.lexvla_project_max_forward(exec, type, t, m, c, images, count, width, words, s, w));
    }

    /**
     * Bytes that {@link #packCodebook} needs for a codebook: about as many as the codebook has.
     *
     * @param type  of the codebook, float32 or bfloat16
     * @param words V
     * @param width d
     */
    public static long packedCodebookBytes(ElementType type, long words, long width) {
        int kernelType = kernelType("packedCodebookBytes: type is " + type, type);
        long[] bytes = new long[1];
        NativeCall.run(
                Device.cpu(),
                threads,
                exec -> kernels.lexvla_packed_codebook_bytes(exec, kernelType, width, words, bytes));
        return bytes[0];
    }

    /**
     * Writes a codebook in the order in which {@link #projectMaxForwardPacked} reads it: for a codebook that is used again.
     * For this process only; changes of the codebook do not reach it. On the host only.
     *
     * @param codebook [V, d] float32 or bfloat16
     * @param packed   out, uint8, at least {@link #packedCodebookBytes} long
     */
    public static void packCodebook(DenseView codebook, DenseView packed) {
        Call call = new Call("packCodebook", "codebook", codebook, 2);
        int type = call.kernelType();
        call.requireBytes("packed", packed);
        call.disjoint("packed", packed, codebook);
        long words = codebook.size(0);
        long width = codebook.size(1);
        Pointer c = Address.of(codebook);
        Pointer p = Address.of(packed);
        call.run(exec -> kernels.lexvla_pack_codebook(exec, type, c, width, words, packed.bytes(), p));
    }

    /**
     * {@link #projectMaxForward} from a packed codebook; bitwise the same result.
     *
     * @param tokens  [B, P, d], of the type that the codebook had
     * @param mask    [B, P] uint8, 0 = token takes no part; or null: all do
     * @param packed  uint8, what {@link #packCodebook} wrote in this process
     * @param scores  out, [B, V] float32
     * @param winners out, [B, V] int32; or null: not wanted
     */
    public static void projectMaxForwardPacked(
            DenseView tokens, DenseView mask, DenseView packed, DenseView scores, DenseView winners) {
        Call call = new Call("projectMaxForwardPacked", "tokens", tokens, 3);
        long images = tokens.size(0);
        long count = tokens.size(1);
        long width = tokens.size(2);
        int type = call.kernelType();
        call.requireBytes("packed", packed);
        call.optional("mask", mask, ElementType.UINT8, images, count);
        long words = scores != null && scores.dimensions() == 2 ? scores.size(1) : -1;
        call.require("scores", scores, ElementType.FLOAT32, images, words);
        call.optional("winners", winners, ElementType.INT32, images, words);
        call.disjoint("scores", scores, tokens, mask, packed, winners);
        call.disjoint("winners", winners, tokens, mask, packed);

        Pointer t = Address.of(tokens);
        BytePointer m = Address.bytes(mask);
        Pointer p = Address.of(packed);
        FloatPointer s = Address.floats(scores);
        IntPointer w = Address.ints(winners);
        call.run(exec -> kernels.lexvla_project_max_forward_packed(
                exec, type, t, m, p, packed.bytes(), images, count, width, words, s, w));
    }

    /**
     * Bytes that {@link #screenCodebook} needs for a codebook.
     *
     * @param type  of the codebook, float32 or bfloat16
     * @param words V
     * @param width d, at most 65536
     */
    public static long screenCodebookBytes(ElementType type, long words, long width) {
        int kernelType = kernelType("screenCodebookBytes: type is " + type, type);
        long[] bytes = new long[1];
        NativeCall.run(
                Device.cpu(),
                threads,
                exec -> kernels.lexvla_screen_codebook_bytes(exec, kernelType, width, words, bytes));
        return bytes[0];
    }

    /**
     * Writes a codebook in 8 bits for {@link #projectMaxForwardScreened}. As {@link #packCodebook} in all else.
     *
     * @param codebook [V, d] float32 or bfloat16
     * @param screen   out, uint8, at least {@link #screenCodebookBytes} long
     */
    public static void screenCodebook(DenseView codebook, DenseView screen) {
        Call call = new Call("screenCodebook", "codebook", codebook, 2);
        int type = call.kernelType();
        call.requireBytes("screen", screen);
        call.disjoint("screen", screen, codebook);
        long words = codebook.size(0);
        long width = codebook.size(1);
        Pointer c = Address.of(codebook);
        Pointer p = Address.of(screen);
        call.run(exec -> kernels.lexvla_screen_codebook(exec, type, c, width, words, screen.bytes(), p));
    }

    /**
     * {@link #projectMaxForward} for inference: all scores from 8 bits first, then those that may be the best and reach the
     * floor from tokens and codebook themselves.
     *
     * @param tokens     [B, P, d] float32 or bfloat16
     * @param mask       [B, P] uint8, 0 = token takes no part; or null: all do
     * @param codebook   [V, d], of the type of the tokens
     * @param screen     uint8, what {@link #screenCodebook} wrote of this codebook in this process
     * @param floor      scores below it need not be exact; −∞: all are
     * @param deviations width of the margin in standard deviations of the rounding to 8 bits, 0 or more; +∞: a proof, which
     *                   is wide
     * @param scores     out, [B, V] float32
     * @param winners    out, [B, V] int32; or null: not wanted
     * @return how many scores were computed twice
     */
    public static long projectMaxForwardScreened(
            DenseView tokens,
            DenseView mask,
            DenseView codebook,
            DenseView screen,
            float floor,
            float deviations,
            DenseView scores,
            DenseView winners) {
        Call call = new Call("projectMaxForwardScreened", "tokens", tokens, 3);
        long images = tokens.size(0);
        long count = tokens.size(1);
        long width = tokens.size(2);
        int type = call.kernelType();
        long words = call.words("codebook", codebook, width);
        call.requireBytes("screen", screen);
        call.optional("mask", mask, ElementType.UINT8, images, count);
        call.require("scores", scores, ElementType.FLOAT32, images, words);
        call.optional("winners", winners, ElementType.INT32, images, words);
        call.disjoint("scores", scores, tokens, mask, codebook, screen, winners);
        call.disjoint("winners", winners, tokens, mask, codebook, screen);

        Pointer t = Address.of(tokens);
        BytePointer m = Address.bytes(mask);
        Pointer c = Address.of(codebook);
        Pointer p = Address.of(screen);
        FloatPointer s = Address.floats(scores);
        IntPointer w = Address.ints(winners);
        try (LongPointer recomputed = new LongPointer(1)) {
            call.run(exec -> kernels.lexvla_project_max_forward_screened(
                    exec,
                    type,
                    t,
                    m,
                    c,
                    p,
                    screen.bytes(),
                    images,
                    count,
                    width,
                    words,
                    floor,
                    deviations,
                    s,
                    w,
                    recomputed));
            return recomputed.get();
        }
    }

    /**
     * Leaves winners out whose gradient is small beside the largest of their image, for a {@link #projectMaxBackward} that is
     * faster and no longer exact: what its gradients then lack is bounded in {@code kernels.h}.
     *
     * @param gradScores [B, V] float32
     * @param winners    [B, V] int32
     * @param share      winners with |gradient| below this share of the image's largest become −1; 0 (none) to 1
     * @param filtered   out, [B, V] int32; may be {@code winners} itself
     */
    public static void filterWinners(DenseView gradScores, DenseView winners, double share, DenseView filtered) {
        Call call = new Call("filterWinners", "gradScores", gradScores, 2);
        long images = gradScores.size(0);
        long words = gradScores.size(1);
        call.require("gradScores", gradScores, ElementType.FLOAT32, images, words);
        call.require("winners", winners, ElementType.INT32, images, words);
        call.require("filtered", filtered, ElementType.INT32, images, words);
        call.disjoint("filtered", filtered, gradScores);
        call.disjointOrSame("filtered", filtered, winners);

        FloatPointer g = Address.floats(gradScores);
        IntPointer w = Address.ints(winners);
        IntPointer f = Address.ints(filtered);
        call.run(exec -> kernels.lexvla_filter_winners(exec, g, w, images, words, (float) share, f));
    }

    /**
     * Gradients of {@link #projectMaxForward}: only the winning token of each (image, word) has one. Deterministic.
     *
     * @param gradScores   [B, V] float32
     * @param winners      [B, V] int32, as the forward wrote them
     * @param tokens       [B, P, d], as in the forward
     * @param codebook     [V, d], as in the forward
     * @param gradTokens   out, [B, P, d] float32, overwritten; or null: not wanted
     * @param gradCodebook out, [V, d] float32; or null: not wanted
     * @param addCodebook  whether gradCodebook is added to (several micro-batches) instead of overwritten
     */
    public static void projectMaxBackward(
            DenseView gradScores,
            DenseView winners,
            DenseView tokens,
            DenseView codebook,
            DenseView gradTokens,
            DenseView gradCodebook,
            boolean addCodebook) {
        Call call = new Call("projectMaxBackward", "tokens", tokens, 3);
        long images = tokens.size(0);
        long count = tokens.size(1);
        long width = tokens.size(2);
        int type = call.kernelType();
        long words = call.words("codebook", codebook, width);
        call.require("gradScores", gradScores, ElementType.FLOAT32, images, words);
        call.require("winners", winners, ElementType.INT32, images, words);
        call.optional("gradTokens", gradTokens, ElementType.FLOAT32, images, count, width);
        call.optional("gradCodebook", gradCodebook, ElementType.FLOAT32, words, width);
        call.disjoint("gradTokens", gradTokens, gradScores, winners, tokens, codebook, gradCodebook);
        call.disjoint("gradCodebook", gradCodebook, gradScores, winners, tokens, codebook);

        FloatPointer g = Address.floats(gradScores);
        IntPointer w = Address.ints(winners);
        Pointer t = Address.of(tokens);
        Pointer c = Address.of(codebook);
        FloatPointer gt = Address.floats(gradTokens);
        FloatPointer gc = Address.floats(gradCodebook);
        int add = addCodebook ? 1 : 0;
        call.run(exec ->
                kernels.lexvla_project_max_backward(exec, type, g, w, t, c, images, count, width, words, gt, gc, add));
    }

    /**
     * elu1p and l2-normalisation of each row. A row that underflows to 0 gives zeros and norm 0.
     *
     * @param scores      [B, V] float32
     * @param activations out, [B, V] float32; may be {@code scores} itself
     * @param norms       out, [B] float32
     */
    public static void activateNormalizeForward(DenseView scores, DenseView activations, DenseView norms) {
        Call call = new Call("activateNormalizeForward", "scores", scores, 2);
        long rows = scores.size(0);
        long words = scores.size(1);
        call.require("scores", scores, ElementType.FLOAT32, rows, words);
        call.require("activations", activations, ElementType.FLOAT32, rows, words);
        call.require("norms", norms, ElementType.FLOAT32, rows);
        call.disjointOrSame("activations", activations, scores);
        call.disjoint("norms", norms, scores, activations);

        FloatPointer s = Address.floats(scores);
        FloatPointer a = Address.floats(activations);
        FloatPointer n = Address.floats(norms);
        call.run(exec -> kernels.lexvla_activate_normalize_forward(exec, s, rows, words, a, n));
    }

    /**
     * Gradient of {@link #activateNormalizeForward}. Where exp underflows to 0 it is 0, never NaN.
     *
     * @param gradActivations [B, V] float32
     * @param scores          [B, V] float32, as given to the forward
     * @param norms           [B] float32, as the forward wrote them
     * @param gradScores      out, [B, V] float32; may be {@code gradActivations} itself
     */
    public static void activateNormalizeBackward(
            DenseView gradActivations, DenseView scores, DenseView norms, DenseView gradScores) {
        Call call = new Call("activateNormalizeBackward", "scores", scores, 2);
        long rows = scores.size(0);
        long words = scores.size(1);
        call.require("scores", scores, ElementType.FLOAT32, rows, words);
        call.require("gradActivations", gradActivations, ElementType.FLOAT32, rows, words);
        call.require("norms", norms, ElementType.FLOAT32, rows);
        call.require("gradScores", gradScores, ElementType.FLOAT32, rows, words);
        call.disjointOrSame("gradScores", gradScores, gradActivations);
        call.disjoint("gradScores", gradScores, scores, norms);

        FloatPointer g = Address.floats(gradActivations);
        FloatPointer s = Address.floats(scores);
        FloatPointer n = Address.floats(norms);
        FloatPointer gs = Address.floats(gradScores);
        call.run(exec -> kernels.lexvla_activate_normalize_backward(exec, g, s, n, rows, words, gs));
    }

    /**
     * The lexical representation of every token by itself, not pooled.
     *
     * @param tokens      [N, d], float32 or bfloat16
     * @param codebook    [V, d], of the type of the tokens
     * @param activations out, [N, V] float32
     * @param norms       out, [N] float32
     */
    public static void tokenActivations(DenseView tokens, DenseView codebook, DenseView activations, DenseView norms) {
        Call call = new Call("tokenActivations", "tokens", tokens, 2);
        long count = tokens.size(0);
        long width = tokens.size(1);
        int type = call.kernelType();
        long words = call.words("codebook", codebook, width);
        call.require("activations", activations, ElementType.FLOAT32, count, words);
        call.require("norms", norms, ElementType.FLOAT32, count);
        call.disjoint("activations", activations, tokens, codebook, norms);
        call.disjoint("norms", norms, tokens, codebook);

        Pointer t = Address.of(tokens);
        Pointer c = Address.of(codebook);
        FloatPointer a = Address.floats(activations);
        FloatPointer n = Address.floats(norms);
        call.run(exec -> kernels.lexvla_token_activations(exec, type, t, c, count, width, words, a, n));
    }

    /** The instruction set of the CPU kernels: {@code portable}, {@code avx2}, {@code avx512}, {@code avx512vnni} or {@code
     * avx512bf16}. */
    public static String activeIsa() {
        return kernels.lexvla_active_isa().getString();
    }

    /** Whether this build has CUDA kernels; says nothing about the machine. */
    public static boolean hasCuda() {
        return kernels.lexvla_has_cuda() != 0;
    }

    /** Version of the native interface as major · 10000 + minor · 100 + patch. */
    public static int version() {
        return kernels.lexvla_version();
    }

    /** Threads that a CPU kernel uses, the caller's included. */
    public static int threads() {
        int set = threads;
        return set == 0 ? Runtime.getRuntime().availableProcessors() : set;
    }

    /**
     * Sets the threads that each CPU kernel uses from now on, in all of this process. Until then they are as many as
     * {@code OMP_NUM_THREADS} says, by which LibTorch goes, too; without it one per core.
     *
     * @param n 1 or more; 0 for one per core
     */
    public static void setThreads(int n) {
        if (n < 0) {
            throw new IllegalArgumentException("threads is " + n + ", must be at least 1, or 0 for one per core");
        }
        threads = n;
    }

    /**
     * Whether {@link #projectMaxForward} of float32 may, on CUDA, round tokens and codebook to TF32 (11 bits, relative error
     * 2⁻¹¹ each) to use tensor cores; sums stay float32. Off at first: float32 is then exact. In all of this process.
     */
    public static void allowTf32(boolean allowed) {
        tf32 = allowed;
    }

    /** What {@link #allowTf32} has set. */
    public static boolean allowsTf32() {
        return tf32;
    }

    /** The number that OpenMP takes for the outermost level, the first of a list; 0 where there is none that it would take. */
    static int threadsOf(String setting) {
        if (setting == null) {
            return 0;
        }
        try {
            return Math.max(0, Integer.parseInt(setting.split(",", 2)[0].trim()));
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    /** As it is passed to the kernels: 0 for one per core. */
    static int requestedThreads() {
        return threads;
    }

    private static int kernelType(String what, ElementType type) {
        return switch (type) {
            case FLOAT32 -> kernels.LEXVLA_FLOAT32;
            case BFLOAT16 -> kernels.LEXVLA_BFLOAT16;
            case FLOAT16 -> kernels.LEXVLA_FLOAT16;
            default -> throw new IllegalArgumentException(what + ", expected FLOAT32, BFLOAT16 or, on CUDA, FLOAT16");
        };
    }

    /** The checks of one operation; its first array decides the device. */
    private static final class Call {
        private final String operation;
        private final DenseView first;
        private final String firstName;

        Call(String operation, String firstName, DenseView first, int dimensions) {
            this.operation = operation;
            this.first = first;
            this.firstName = firstName;
            if (first == null) {
                throw new IllegalArgumentException(operation + ": " + firstName + " is null");
            }
            if (first.dimensions() != dimensions) {
                throw new IllegalArgumentException(
                        operation + ": " + firstName + " is " + first + ", expected " + dimensions + " dimensions");
            }
        }

        int kernelType() {
            return Kernels.kernelType(operation + ": " + firstName + " is " + first, first.type());
        }

        /** A run of bytes. */
        void requireBytes(String name, DenseView view) {
            require(name, view, ElementType.UINT8, view == null ? 0 : view.elements());
        }

        /** Checks a codebook against the width of the tokens, and returns its number of words. */
        long words(String name, DenseView codebook, long width) {
            if (codebook == null) {
                throw new IllegalArgumentException(operation + ": " + name + " is null");
            }
            long words = codebook.dimensions() == 2 ? codebook.size(0) : -1;
            if (words < 0
                    || codebook.size(1) != width
                    || codebook.type() != first.type()
                    || !codebook.device().equals(first.device())) {
                throw new IllegalArgumentException(operation + ": " + name + " is " + codebook + ", expected "
                        + first.type() + "[words, " + width + "] on " + first.device() + " as " + firstName + " is "
                        + first);
            }
            return words;
        }

        void require(String name, DenseView view, ElementType type, long... shape) {
            if (view == null) {
                throw new IllegalArgumentException(operation + ": " + name + " is null");
            }
            if (view.type() != type
                    || !Arrays.equals(view.shape(), shape)
                    || !view.device().equals(first.device())) {
                String sizes =
                        Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
                throw new IllegalArgumentException(operation + ": " + name + " is " + view + ", expected " + type
                        + sizes + " on " + first.device() + " as " + firstName + " is " + first);
            }
        }

        void optional(String name, DenseView view, ElementType type, long... shape) {
            if (view != null) {
                require(name, view, type, shape);
            }
        }

        void disjoint(String name, DenseView output, DenseView... others) {
            for (DenseView other : others) {
                if (output != null && other != null && output.overlaps(other)) {
                    throw new IllegalArgumentException(operation + ": the output " + name + ", " + output
                            + ", shares memory with another array, " + other + ": give it memory of its own");
                }
            }
        }

        void disjointOrSame(String name, DenseView output, DenseView input) {
            if (output.address() != input.address()) {
                disjoint(name, output, input);
            }
        }

        void run(NativeCall call) {
            NativeCall.run(first.device(), threads, call);
        }
    }
}
