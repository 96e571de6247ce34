/* Choosing the k best of many floats; what sparsify_top_k and csr_top_k share. */
#ifndef LEXVLA_CORE_SELECT_H
#define LEXVLA_CORE_SELECT_H

#include <cstdint>

namespace lexvla {

/** The rank of a float: greater means before. NaN is before everything; 0 for what is not positive, which is never kept. */
static constexpr uint32_t rank_of(uint32_t bits) {
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return UINT32_MAX;  // NaN of either sign
  return bits == magnitude ? magnitude : 0;        // positive floats order as their bits do
}

/** Where the k best of a row end: kept is whatever ranks above `rank`, and of those that equal it the first `ties`. */
struct Cut {
  uint32_t rank;
  int64_t ties;
};

/** The cut that keeps min(k, number of positive or NaN values); `values` has n. */
Cut cut_of(const float *values, int64_t n, int64_t k);

/** The k best values in order: value descending, NaN first, ties by index ascending. Returns how many there are. */
int64_t best_of(const float *values, int64_t n, int64_t k, int32_t *indexes, float *best);

}  // namespace lexvla

#endif
