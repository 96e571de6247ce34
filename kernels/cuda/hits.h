/* The best of all scores, in order: what csr_top_k and index_search end with. */
#ifndef LEXVLA_CUDA_HITS_H
#define LEXVLA_CUDA_HITS_H

#include "call.h"
#include "elements.h"

namespace lexvla::cuda {

/** Space for keys that a query needs: a power of two that is at least min(k, rows). */
inline int64_t keys_for(int64_t rows, int64_t k) {
  int64_t keys = 1;
  while (keys < smaller(k, rows)) keys *= 2;
  return keys;
}

/**
 * Hits of each query from its scores: NaN first, the greater score, of equal ones the lower row; only those above 0 or NaN.
 *
 * @param scores [queries, rows]
 * @param keys   space, [queries, keys_for(rows, k)]
 * @param hit_rows,hit_scores,hits as in lexvla_index_search
 */
void choose_hits(const Call &call, const float *scores, int64_t queries, int64_t rows, int64_t k, uint64_t *keys, int32_t *hit_rows,
    float *hit_scores, int64_t *hits);

}  // namespace lexvla::cuda

#endif
