/*
 * The kernels of LexVLA: one C interface for the plain reference, the CPU and CUDA.
 *
 * What is computed: X[p] are the tokens of a picture (or the one token of a text), Z[v] the codes of the words.
 *
 *     score[v]      = max over p of X[p] . Z[v]              project_max
 *     activation[v] = elu1p(score[v]) / l2-norm              activate_normalize
 *     kept          = the words above a threshold, or the k strongest, as CSR
 *
 *     elu1p(x) = x + 1 for x >= 0, exp(x) for x < 0          (computed as exp, never as elu + 1, which cancels)
 *
 * The score tensor of size images * tokens * words is never stored by the fast paths.
 *
 * Rules that hold for every function
 * ----------------------------------
 * Layout     All arrays are dense, row-major, without padding: element (i, j) of [n, m] is at i * m + j. The last
 *            index named is the fastest. Strided input is the caller's to copy.
 * Types      `type` names the element type of tokens and codebook. Everything else has the type in its prototype;
 *            scores, activations and gradients are always float32, accumulated in at least float32.
 *            A bfloat16 or float16 is passed as its 16 bits. The instruction set avx512bf16 takes a bfloat16 or a partial sum below
 *            2^-126 in magnitude (denormal) as 0 in the products of tokens and codebook; the others keep it.
 * Alignment  Natural alignment of the element (float32: 4 bytes, bfloat16, float16: 2) suffices. More is never assumed.
 * Aliasing   An output overlaps no input and no other output, unless its description says otherwise.
 * Outputs    Every element of every output is written, also for empty sums; no output is read before it is written
 *            (except by the functions that say they add).
 * Sizes      A size of 0 is valid unless its description says otherwise: the outputs that remain are written. A
 *            negative size is an error. Pointers of arrays with no elements may be NULL.
 * NaN, inf   NaN in an input reaches every output that depends on it. Infinities follow IEEE 754.
 * Device     `exec` says where: host pointers for LEXVLA_CPU, device pointers of that device for CUDA.
 * CUDA       Work is put on exec.stream and nothing waits for it; nothing is allocated when a workspace is passed. What
 *            only the contents of arrays show is therefore not refused: a winner outside [-1, count) contributes nothing,
 *            entries of a CSR beyond the capacity are not written (offsets are), a CSR whose ids do not ascend gives
 *            wrong sums but touches nothing outside the arrays. Failures of the work itself are reported by a later call.
 * Results    On the CPU bitwise the same for any number of threads, on CUDA from run to run on the same device.
 *            Different instruction sets and devices may differ by rounding.
 * Errors     0 (LEXVLA_OK) or one of lexvla_status; then lexvla_last_error() of the same thread says what, where and
 *            which limit, and the outputs are undefined. No exception crosses this interface.
 * Threads    Every function may be called from several threads at once on different outputs.
 *
 * The reference (lexvla/reference.h) has the same signatures under lexvla_reference_*, accumulates in double and is
 * the specification: the tests compare every implementation with it.
 */
#ifndef LEXVLA_KERNELS_H
#define LEXVLA_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LEXVLA_API __declspec(dllexport)
#else
#define LEXVLA_API __attribute__((visibility("default")))
#endif

/** What a function returns. */
typedef enum lexvla_status {
  LEXVLA_OK = 0,
  /** A size, pointer, type or option is not valid; the message says which. */
  LEXVLA_INVALID_ARGUMENT = 1,
  /** The result does not fit the capacity the caller gave, or the 32-bit offsets of CSR. */
  LEXVLA_CAPACITY = 2,
  /** Memory for temporary use could not be had. */
  LEXVLA_OUT_OF_MEMORY = 3,
  /** The device, or this operation on it, is not in this build or not in this machine. */
  LEXVLA_UNSUPPORTED = 4,
  /** The CUDA runtime reported an error; the message carries its text. */
  LEXVLA_CUDA_ERROR = 5
} lexvla_status;

/** Element type of tokens and codebook. */
typedef enum lexvla_type {
  LEXVLA_FLOAT32 = 0,
  LEXVLA_BFLOAT16 = 1,
  /** IEEE 754 binary16. CUDA only: on the CPU LEXVLA_UNSUPPORTED. */
  LEXVLA_FLOAT16 = 2
} lexvla_type;

/** How precisely products of float32 are taken where tensor cores could do it faster. */
typedef enum lexvla_math {
  /** As float32. */
  LEXVLA_MATH_FLOAT32 = 0,
  /**
   * CUDA: project_max_forward may round tokens and codebook, and csr_dot weights, to TF32 first (11 bits, relative error 2^-11
   * each); the sums are float32 all the same. CPU, and what has no such kernel: as float32.
   */
  LEXVLA_MATH_TF32 = 1
} lexvla_math;

/** How an index keeps the weights of its rows; exact hits come of either. */
typedef enum lexvla_impacts {
  /** 8 bits each, in steps of 1/255 of the word's largest weight in a block of rows. */
  LEXVLA_IMPACTS_8BIT = 0,
  /** A float each: larger and slower to read, fewer products to compute again. */
  LEXVLA_IMPACTS_FLOAT32 = 1
} lexvla_impacts;

/** lexvla_exec.device for the host; a CUDA device is its ordinal, 0 or more. */
#define LEXVLA_CPU (-1)

/** Where and with what an operation runs. */
typedef struct lexvla_exec {
  /** LEXVLA_CPU, or the ordinal of a CUDA device. */
  int32_t device;
  /** CPU: threads to use, the caller's included; 0 = one per core this process may run on. CUDA: ignored. */
  int32_t threads;
  /** CUDA: the cudaStream_t to run on, NULL for the default stream; the call returns before the work is done. CPU: ignored. */
  void *stream;
  /**
   * CUDA: memory of the device for temporary use, at a multiple of 256 bytes; in use until the work on the stream is done.
   * NULL: taken from the device's memory pool and given back in stream order (cudaMallocAsync). CPU: ignored.
   */
  void *workspace;
  /** Size of workspace; less than the call needs is LEXVLA_INVALID_ARGUMENT. */
  int64_t workspace_bytes;
  /**
   * NULL; or where to write how many bytes of workspace this very call, with all its arguments, needs. Nothing else is
   * done then and no output is written (the workspace query of LAPACK). On the CPU the answer is 0.
   */
  int64_t *workspace_needed;
  /** One of lexvla_math. */
  int32_t math;
} lexvla_exec;

/** What lexvla_index_search did, summed over its queries. */
typedef struct lexvla_index_work {
  /** Entries of the matrix that the queries' words have in the blocks that were read: one product each. */
  int64_t postings;
  /** Bytes of the index that were read for them. */
  int64_t bytes;
  /** Rows of the matrix that were read, to compute their products exactly. */
  int64_t rows;
  /** Blocks of rows, counted once per query, that could hold no hit and were not read. */
  int64_t skipped;
} lexvla_index_work;

/** The norm by which a row is divided is at least this (the eps of torch's normalize). */
#define LEXVLA_NORM_EPS 1e-12f

/** Version of this interface as major * 10000 + minor * 100 + patch. */
LEXVLA_API int32_t lexvla_version(void);

/** What went wrong in this thread's last failing call: what, where, limit. Empty if none failed. Valid until the next failing call of this thread. */
LEXVLA_API const char *lexvla_last_error(void);

/**
 * The instruction set the CPU kernels run with: "portable", "avx2", "avx512", "avx512vnni" or "avx512bf16". The fastest that the
 * machine has, or the one that the environment variable LEXVLA_MAX_ISA names if it has that, or else the best below it
 * (read once, at the first call of any function). Any other value is refused by every operation on the CPU, with
 * LEXVLA_INVALID_ARGUMENT. "avx512bf16" is taken unasked only where its dot product is faster than widening: on AMD.
 */
LEXVLA_API const char *lexvla_active_isa(void);

/** 1 if CUDA kernels are in this build, else 0. Says nothing about the machine. */
LEXVLA_API int32_t lexvla_has_cuda(void);

/**
 * Projects tokens on the codebook and keeps, for every word, the best score over the tokens of an image (SPEC: the raw
 * score before elu1p, which is monotone and so may follow the maximum).
 *
 *     scores[b, v]  = max over p with mask[b, p] != 0 of  sum_k tokens[b, p, k] * codebook[v, k]
 *     winners[b, v] = the p that attains it
 *
 * Ties: the lowest p. NaN: if any unmasked score of (b, v) is NaN, scores is NaN and winners the lowest such p.
 * No token (count 0, or all masked): scores = -inf, winners = -1. width 0: every score is 0.
 *
 * @param exec     where to run; not NULL
 * @param type     of tokens and codebook
 * @param tokens   [images, count, width]
 * @param mask     [images, count] of 0 or not 0, or NULL: no token is masked
 * @param codebook [words, width]
 * @param scores   out, [images, words]
 * @param winners  out, [images, words], or NULL: not wanted
 */
LEXVLA_API int32_t lexvla_project_max_forward(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners);

/**
 * Bytes that a packed codebook takes: about as many as the codebook itself.
 *
 * @param type  of the codebook
 * @param bytes out, [1]
 */
LEXVLA_API int32_t lexvla_packed_codebook_bytes(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words, int64_t *bytes);

/**
 * Writes a codebook in the order in which project_max_forward_packed reads it. Worth it where the same codebook is used
 * again: with few tokens a call, most of the time of project_max_forward is spent on this.
 *
 * The layout belongs to the instruction set that is active, the type and the shape; a head before it names them. It is
 * for this process, not for files; in memory it may be moved by multiples of 64 bytes. Changes of the codebook do not
 * reach it. Host only.
 *
 * @param codebook [words, width]
 * @param capacity bytes at `packed`; less than lexvla_packed_codebook_bytes says is LEXVLA_CAPACITY
 * @param packed   out, [capacity] bytes of any alignment; not NULL. Only the bytes that are needed are written
 */
LEXVLA_API int32_t lexvla_pack_codebook(const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words,
    int64_t capacity, void *packed);

/**
 * project_max_forward from a packed codebook: bitwise the same result.
 *
 * @param packed       as lexvla_pack_codebook wrote it, for the same type, width and words; anything else is
 *                     LEXVLA_INVALID_ARGUMENT
 * @param packed_bytes bytes at `packed`
 */
LEXVLA_API int32_t lexvla_project_max_forward_packed(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask,
    const void *packed, int64_t packed_bytes, int64_t images, int64_t count, int64_t width, int64_t words, float *scores,
    int32_t *winners);

/**
 * Bytes that the screen of a codebook takes: a quarter of the float32 codebook where the machine has VNNI, else as many.
 *
 * @param bytes out, [1]
 */
LEXVLA_API int32_t lexvla_screen_codebook_bytes(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words, int64_t *bytes);

/**
 * Writes the screen of a codebook: its words in 8 bits, and how far each is from them. As lexvla_pack_codebook in all else.
 *
 * @param width at most 65536, so that scores of 8 bits add up in 32
 */
LEXVLA_API int32_t lexvla_screen_codebook(const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words,
    int64_t capacity, void *screen);

/**
 * project_max_forward for inference, by screening: every score is first computed from 8 bits, together with a margin within
 * which the true score lies; the tokens that may have the best score, and that may reach the floor with it, are then
 * scored again from tokens and codebook themselves.
 *
 *     margin[p, v] = min(error(X[p]),  deviations * step(X[p]) / sqrt(12)) * |Z[v]|
 *                  + min(error(Z[v]),  deviations * step(Z[v]) / sqrt(12)) * |X[p]|          (and a little for rounding)
 *
 * error is the l2-distance of a vector to its 8 bits, step the unit of these (largest magnitude / 127).
 *
 * With deviations = INFINITY the margin is a proof (Cauchy-Schwarz): scores at or above the floor, and their winners, are
 * those of project_max_forward but for the order of summation; and what is below the floor, truly is. The proof is wide: it
 * lets many tokens through. With less, rounding errors are taken as independent, uniform in +-step / 2: the true score is
 * further off than the margin where that many of their standard deviations are exceeded (6: about once in 10^9). Then a
 * winner may be missed, by a token whose true score is not better by more than the excess. 0 takes the best of the screen.
 *
 * Scores below the floor may be those of the screen, off by up to two margins. Ties, masks, images without tokens, threads,
 * as in project_max_forward. Where a number of a token or word is not finite or beyond 1e15, all scores with it are exact.
 *
 * @param codebook   [words, width], as it was given to lexvla_screen_codebook
 * @param screen     as lexvla_screen_codebook wrote it, for the same type, width and words
 * @param floor      scores below it need not be exact; -inf: all are. Not NaN
 * @param deviations 0 or more, or INFINITY; not NaN
 * @param recomputed out, [1]: how many scores were computed twice; or NULL
 */
LEXVLA_API int32_t lexvla_project_max_forward_screened(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask,
    const void *codebook, const void *screen, int64_t screen_bytes, int64_t images, int64_t count, int64_t width, int64_t words,
    float floor, float deviations, float *scores, int32_t *winners, int64_t *recomputed);

/**
 * Leaves out of the winners those whose gradient is small beside the largest of their image, for a project_max_backward that
 * is faster and no longer exact: with filtered winners it leaves out
 *
 *     (b, v) with |grad_scores[b, v]| < share * max over w of |grad_scores[b, w]|
 *
 * so what a gradient of tokens [b, p, k] lacks is less than share * max|grad_scores[b, :]| * (sum of |codebook[v, k]| over the
 * words left out that p won), and likewise for the codebook. 2^-9 is what rounding to bfloat16 does to the largest.
 *
 * @param grad_scores [images, words]; what is NaN is never left out, and no maximum
 * @param winners     [images, words]
 * @param share       0 (nothing is left out) to 1
 * @param filtered    out, [images, words]: winners, or -1 where left out; may be winners itself
 */
LEXVLA_API int32_t lexvla_filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images,
    int64_t words, float share, int32_t *filtered);

/**
 * Gradients of project_max_forward. Only the winning token of each (image, word) has a gradient:
 *
 *     grad_tokens[b, winners[b, v], :] += grad_scores[b, v] * codebook[v, :]
 *     grad_codebook[v, :]              += grad_scores[b, v] * tokens[b, winners[b, v], :]
 *
 * Deterministic: one owner sums an element in one order: images ascending, words ascending (on CUDA maybe in parts, ascending).
 * A winner of -1 contributes nothing. A winner outside [-1, count) is LEXVLA_INVALID_ARGUMENT.
 *
 * @param grad_scores   [images, words]
 * @param winners       [images, words], as the forward wrote them
 * @param tokens        [images, count, width], as in the forward
 * @param codebook      [words, width], as in the forward
 * @param grad_tokens   out, [images, count, width], overwritten; or NULL: not wanted
 * @param grad_codebook out, [words, width], or NULL: not wanted
 * @param add_codebook  0: grad_codebook is overwritten; not 0: added to (gradients of several micro-batches)
 */
LEXVLA_API int32_t lexvla_project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners,
    const void *tokens, const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens,
    float *grad_codebook, int32_t add_codebook);

/**
 * elu1p and l2-normalisation of each row.
 *
 *     a[b, v] = elu1p(scores[b, v]),   norms[b] = sqrt(sum_v a[b, v]^2),   activations[b, v] = a[b, v] / max(norms[b], LEXVLA_NORM_EPS)
 *
 * The sum is in double. A row whose every a underflows to 0 (or of scores -inf) gives a row of 0 and norm 0. A NaN
 * score makes the norm and the whole row NaN; a score of +inf makes that entry NaN and the others 0.
 *
 * @param scores      [rows, words]
 * @param activations out, [rows, words]; may be scores itself
 * @param norms       out, [rows]
 */
LEXVLA_API int32_t lexvla_activate_normalize_forward(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words,
    float *activations, float *norms);

/**
 * Gradient of activate_normalize_forward.
 *
 *     n = max(norms[b], LEXVLA_NORM_EPS),  s = elu1p(scores[b]) / n,  h = grad_activations[b]
 *     da = (h - s * (h . s)) / n   if norms[b] > LEXVLA_NORM_EPS,   else h / n     (the norm is then a constant)
 *     grad_scores[b, v] = da[v] * (1 if scores[b, v] >= 0 else exp(scores[b, v]))
 *
 * The dot product is in double. Where exp underflows to 0 the gradient is 0, never NaN.
 *
 * @param grad_activations [rows, words]
 * @param scores           [rows, words], as given to the forward
 * @param norms            [rows], as the forward wrote them
 * @param grad_scores      out, [rows, words]; may be grad_activations itself
 */
LEXVLA_API int32_t lexvla_activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations, const float *scores,
    const float *norms, int64_t rows, int64_t words, float *grad_scores);

/**
 * The lexical representation of every token by itself, not pooled: elu1p and l2-normalisation of tokens . codebook^T.
 *
 * @param tokens      [count, width]
 * @param codebook    [words, width]
 * @param activations out, [count, words]
 * @param norms       out, [count]
 */
LEXVLA_API int32_t lexvla_token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook,
    int64_t count, int64_t width, int64_t words, float *activations, float *norms);

/**
 * Keeps the entries of each row that reach a threshold, as CSR: row b is ids[offsets[b] .. offsets[b + 1]) with its
 * weights, ids ascending. An entry is kept iff it is not 0 and not below the threshold: equality is kept, NaN is kept
 * (so that it is seen), 0 is never kept.
 *
 * Called with ids and weights NULL it only counts: offsets[rows] is then the capacity to come back with.
 *
 * @param values    [rows, words]
 * @param threshold not NaN
 * @param capacity  entries that ids and weights can hold; less than needed is LEXVLA_CAPACITY with offsets written
 * @param offsets   out, [rows + 1]; more than 2^31 - 1 entries is LEXVLA_CAPACITY, without offsets
 * @param ids       out, [capacity], or NULL; undefined from offsets[rows] on
 * @param weights   out, [capacity], NULL iff ids is; undefined from offsets[rows] on
 */
LEXVLA_API int32_t lexvla_sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/**
 * Keeps the k largest entries of each row, as CSR with ids ascending. Ties: the lowest id. NaN counts as larger than
 * every number. 0 and negative entries are never kept, so a row may have fewer than k.
 *
 * @param values   [rows, words]
 * @param k        0 or more; more than words keeps all that are positive
 * @param capacity entries that ids and weights can hold, as in lexvla_sparsify_threshold; rows * min(k, words) always suffices
 */
LEXVLA_API int32_t lexvla_sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/**
 * activate_normalize_forward and sparsify_threshold in one, without the dense activations in memory: of each row of scores the
 * activations that reach the threshold, which applies to the normalised value. The weights have the bits of the activations
 * that the two give one after the other, on the same instruction set.
 *
 * With a capacity of rows * words each row is read once; with less it is read and activated twice, to count and to write.
 *
 * @param scores    [rows, words], as project_max_forward writes them
 * @param threshold not NaN; 0 or less keeps all that is not 0
 * @param capacity  entries that ids and weights can hold, as in lexvla_sparsify_threshold
 * @param offsets   out, [rows + 1], as ids and weights as in lexvla_sparsify_threshold
 */
LEXVLA_API int32_t lexvla_activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words,
    float threshold, int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/**
 * activate_normalize_forward and sparsify_top_k in one, as lexvla_activate_sparsify_threshold is of its two. The k are chosen by
 * activation: scores that differ may have equal ones, of which the lowest ids are kept. Each row is read once with a capacity of
 * rows * min(k, words).
 *
 * @param scores [rows, words], as project_max_forward writes them
 * @param k      0 or more, as in lexvla_sparsify_top_k
 */
LEXVLA_API int32_t lexvla_activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, int64_t k,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/**
 * All dot products of the rows of two CSR matrices: products[i, j] = sum over the words in both of a and b.
 * Accumulated in at least float32; 0 where no word is shared. On the CPU one sum by ascending word, so a product does not
 * depend on what other rows there are.
 *
 * The ids of a row must be strictly ascending and in [0, words), offsets ascending and not negative (they need not start
 * at 0: a slice keeps its parent's); otherwise LEXVLA_INVALID_ARGUMENT names the row. Of a matrix without rows the
 * offsets are not read and may be NULL. A word that only one of two rows has adds nothing, whatever its weight.
 *
 * @param a_offsets [a_rows + 1], indexes a_ids and a_weights
 * @param b_offsets [b_rows + 1], indexes b_ids and b_weights
 * @param words     size of the vocabulary
 * @param products  out, [a_rows, b_rows]
 */
LEXVLA_API int32_t lexvla_csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights,
    int64_t a_rows, const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t words,
    float *products);

/**
 * The k rows of a CSR matrix with the largest dot product with one sparse query; exact.
 * Only rows with a product above 0 (or NaN, which ranks first) are hits. Order: product descending, then row ascending.
 *
 * @param query_ids     [query_size], strictly ascending, in [0, words)
 * @param query_weights [query_size]
 * @param offsets       [rows + 1], with ids and weights as in lexvla_csr_dot
 * @param k             0 or more
 * @param hit_rows      out, [k]; entries from hits[0] on are -1
 * @param hit_scores    out, [k]; entries from hits[0] on are 0
 * @param hits          out, [1]: how many of the k there are
 */
LEXVLA_API int32_t lexvla_csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits);

/**
 * Bytes that lexvla_index_build needs for a matrix (CUDA: 0, and there is nothing to build or to check): about 2 to 3 per entry with 8-bit impacts and 5 to 6 with floats, and
 * 16 for each word of each block of 8192 rows.
 *
 * @param impacts one of lexvla_impacts
 * @param offsets [rows + 1], with ids and weights as in lexvla_csr_dot
 * @param weights finite and at least 0, else LEXVLA_INVALID_ARGUMENT: such matrices are for lexvla_csr_top_k
 * @param words   size of the vocabulary, at most 2^22
 * @param bytes   out, [1]
 */
LEXVLA_API int32_t lexvla_index_size(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words, int64_t *bytes);

/**
 * Writes an inverted index of the rows of a CSR matrix: for every word the rows that have it, with their impacts. The index
 * finds, the matrix decides: lexvla_index_search takes both. It holds no address, so it may be copied and moved, and is
 * read by any instruction set; its numbers are in the byte order of the machine.
 *
 * @param bytes at least what lexvla_index_size says, else LEXVLA_CAPACITY
 * @param index out, [bytes] of which the first lexvla_index_size are written; at a multiple of 8
 */
LEXVLA_API int32_t lexvla_index_build(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words, int64_t bytes, void *index);

/**
 * Whether memory that was read or mapped from elsewhere, as from a file, is an index of this matrix, whole and unharmed. If so
 * it is LEXVLA_OK, and lexvla_index_search is as safe with the two as with an index that has just been built: its head, the
 * place of every list, every row that a list names, and the matrix as in lexvla_index_build are looked at, so that nothing
 * outside the arrays can be touched, whatever the bytes are. A checksum of all bytes and a digest of all entries of the matrix
 * find accidental damage and another matrix. Else LEXVLA_INVALID_ARGUMENT says what is wrong.
 *
 * An index is stored as the bytes that lexvla_index_size says, which are the same for the same matrix on every machine of the
 * same byte order, and may be mapped read-only. It costs one reading of both. What changes afterwards is not noticed.
 *
 * @param index [bytes], at a multiple of 8; bytes beyond the index are not looked at
 */
LEXVLA_API int32_t lexvla_index_check(const lexvla_exec *exec, const void *index, int64_t bytes, const int32_t *offsets,
    const int32_t *ids, const float *weights, int64_t rows, int64_t words);

/**
 * For each of several queries the k rows with the largest dot product; exact, whatever the impacts. A product is summed in
 * double by ascending word and rounded once, so hits and scores are those of lexvla_reference_csr_top_k, bit for bit:
 * only rows with a product above 0, product descending, then row ascending.
 *
 * The matrix must be the one that the index was built from: its sizes are compared with the index, its contents are not
 * looked at again, but for the rows whose products are computed. An index that comes from elsewhere must have passed
 * lexvla_index_check.
 *
 * CUDA reads no index: it reads the matrix once for as many queries as go through together, at most 256; `bytes` is 0 then
 * and `index` NULL. Its workspace has 4 bytes for each row and query of a pass: fewer queries a call need less.
 *
 * @param index         [bytes], as lexvla_index_build wrote it
 * @param query_offsets [queries + 1], with query_ids and query_weights as in lexvla_csr_dot; weights finite and at least 0
 * @param k             0 or more
 * @param hit_rows      out, [queries, k]; entries of query q from hits[q] on are -1
 * @param hit_scores    out, [queries, k]; entries of query q from hits[q] on are 0
 * @param hits          out, [queries]: how many of the k there are
 * @param work          out, [1], or NULL: not wanted
 */
LEXVLA_API int32_t lexvla_index_search(const lexvla_exec *exec, const void *index, int64_t bytes, const int32_t *offsets,
    const int32_t *ids, const float *weights, int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids,
    const float *query_weights, int64_t queries, int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits,
    lexvla_index_work *work);

#ifdef __cplusplus
}
#endif

#endif
