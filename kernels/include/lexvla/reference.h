/*
 * The reference of every kernel: plain loops that accumulate in double, on the host, in one thread. It is the
 * specification in code: readable, slow, and what every implementation is compared with.
 *
 * Each function takes the arguments of the function of the same name in kernels.h, means the same and refuses the same.
 */
#ifndef LEXVLA_REFERENCE_H
#define LEXVLA_REFERENCE_H

#include <lexvla/kernels.h>

#ifdef __cplusplus
extern "C" {
#endif

/** lexvla_project_max_forward in double, rounded once. */
LEXVLA_API int32_t lexvla_reference_project_max_forward(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners);

/** Bytes of the reference's layout: a head, and the codebook as it is. */
LEXVLA_API int32_t lexvla_reference_packed_codebook_bytes(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words, int64_t *bytes);

/** Copies the codebook behind a head. */
LEXVLA_API int32_t lexvla_reference_pack_codebook(const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words,
    int64_t capacity, void *packed);

/** lexvla_reference_project_max_forward from what lexvla_reference_pack_codebook wrote. */
LEXVLA_API int32_t lexvla_reference_project_max_forward_packed(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask,
    const void *packed, int64_t packed_bytes, int64_t images, int64_t count, int64_t width, int64_t words, float *scores,
    int32_t *winners);

/** Bytes of the reference's screen: a head only. */
LEXVLA_API int32_t lexvla_reference_screen_codebook_bytes(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words, int64_t *bytes);

/** Writes the head. */
LEXVLA_API int32_t lexvla_reference_screen_codebook(const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words,
    int64_t capacity, void *screen);

/** lexvla_reference_project_max_forward: every score, whatever the floor, is exact. recomputed counts all unmasked tokens. */
LEXVLA_API int32_t lexvla_reference_project_max_forward_screened(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask,
    const void *codebook, const void *screen, int64_t screen_bytes, int64_t images, int64_t count, int64_t width, int64_t words,
    float floor, float deviations, float *scores, int32_t *winners, int64_t *recomputed);

/** lexvla_project_max_backward in double, rounded once. */
LEXVLA_API int32_t lexvla_reference_filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images,
    int64_t words, float share, int32_t *filtered);
LEXVLA_API int32_t lexvla_reference_project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores,
    const int32_t *winners, const void *tokens, const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words,
    float *grad_tokens, float *grad_codebook, int32_t add_codebook);

/** lexvla_activate_normalize_forward in double, rounded once. */
LEXVLA_API int32_t lexvla_reference_activate_normalize_forward(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words,
    float *activations, float *norms);

/** lexvla_activate_normalize_backward in double, rounded once. */
LEXVLA_API int32_t lexvla_reference_activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations,
    const float *scores, const float *norms, int64_t rows, int64_t words, float *grad_scores);

/** lexvla_token_activations in double, rounded once. */
LEXVLA_API int32_t lexvla_reference_token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook,
    int64_t count, int64_t width, int64_t words, float *activations, float *norms);

/** lexvla_sparsify_threshold; exact. */
LEXVLA_API int32_t lexvla_reference_sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words,
    float threshold, int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/** lexvla_sparsify_top_k; exact. */
LEXVLA_API int32_t lexvla_reference_sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/** lexvla_activate_sparsify_threshold: the reference of its two parts, one after the other. */
LEXVLA_API int32_t lexvla_reference_activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows,
    int64_t words, float threshold, int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/** lexvla_activate_sparsify_top_k: the reference of its two parts, one after the other. */
LEXVLA_API int32_t lexvla_reference_activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows,
    int64_t words, int64_t k, int64_t capacity, int32_t *offsets, int32_t *ids, float *weights);

/** lexvla_csr_dot in double, rounded once. */
LEXVLA_API int32_t lexvla_reference_csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids,
    const float *a_weights, int64_t a_rows, const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows,
    int64_t words, float *products);

/** lexvla_csr_top_k in double, rounded once before ranking. */
LEXVLA_API int32_t lexvla_reference_csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights,
    int64_t query_size, const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k,
    int32_t *hit_rows, float *hit_scores, int64_t *hits);

/** lexvla_index_size; the reference needs no index, so 0. */
LEXVLA_API int32_t lexvla_reference_index_size(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words, int64_t *bytes);

/** lexvla_index_build; writes nothing. */
LEXVLA_API int32_t lexvla_reference_index_build(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words, int64_t bytes, void *index);

/** lexvla_index_check of what the reference needs, the matrix: does not look at the index. */
LEXVLA_API int32_t lexvla_reference_index_check(const lexvla_exec *exec, const void *index, int64_t bytes, const int32_t *offsets,
    const int32_t *ids, const float *weights, int64_t rows, int64_t words);

/** lexvla_index_search as lexvla_reference_csr_top_k of every query; does not look at the index, and counts no work. */
LEXVLA_API int32_t lexvla_reference_index_search(const lexvla_exec *exec, const void *index, int64_t bytes, const int32_t *offsets,
    const int32_t *ids, const float *weights, int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids,
    const float *query_weights, int64_t queries, int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits,
    lexvla_index_work *work);

#ifdef __cplusplus
}
#endif

#endif
