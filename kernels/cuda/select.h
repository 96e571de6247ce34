/* The k best of a row of floats, chosen by one block; the order of values is that of core/select.h. */
#ifndef LEXVLA_CUDA_SELECT_H
#define LEXVLA_CUDA_SELECT_H

#include "../core/select.h"
#include "elements.h"

namespace lexvla::cuda {

/** Kept is whatever ranks above `rank`, and of those that equal it the first `ties`; `kept` in all. */
struct RowCut {
  uint32_t rank;
  int32_t ties;
  int64_t kept;
};

/** The cut that keeps min(k, number of positive or NaN values) of value(0 .. n - 1). All threads of the block call it and get it. */
template <int kThreads, class Value>
__device__ inline RowCut find_cut(const Value &value, int64_t n, int64_t k) {
  __shared__ int counts[2048];
  __shared__ int chosen, still_wanted;
  constexpr int kShifts[] = {21, 10, 0};
  constexpr int kBits[] = {11, 11, 10};
  if (k == 0) return {UINT32_MAX, 0, 0};
  uint32_t prefix = 0, known = 0;
  int wanted = static_cast<int>(k);
  for (int pass = 0; pass < 3; ++pass) {
    const int bins = 1 << kBits[pass];
    __syncthreads();
    for (int i = threadIdx.x; i < bins; i += kThreads) counts[i] = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < n; i += kThreads) {
      const uint32_t key = rank_of(__float_as_uint(value(i)));
      if (key != 0 && (key & known) == prefix) atomicAdd(&counts[key >> kShifts[pass] & (bins - 1)], 1);
    }
    __syncthreads();
    // Each thread has some neighbouring bins, the first thread the highest ones; in one thread's the k-th value lies.
    const int per = bins / kThreads, highest = bins - 1 - static_cast<int>(threadIdx.x) * per;
    int mine = 0, total = 0;
    for (int i = 0; i < per; ++i) mine += counts[highest - i];
    int above = block_sum_before<kThreads>(mine, &total);
    if (total < wanted) return {0, 0, total};  // fewer than k in all; only in the first pass
    if (above < wanted && wanted <= above + mine) {
      int bin = highest;
      while (above + counts[bin] < wanted) above += counts[bin--];
      chosen = bin;
      still_wanted = wanted - above;
    }
    __syncthreads();
    wanted = still_wanted;
    prefix |= static_cast<uint32_t>(chosen) << kShifts[pass];
    known |= static_cast<uint32_t>(bins - 1) << kShifts[pass];
  }
  return {prefix, wanted, k};
}

/**
 * Whether this thread's value is kept; the threads have consecutive values, and all of the block call it.
 *
 * @param ties of the cut's rank met in earlier calls; counted on
 */
template <int kThreads>
__device__ inline bool keeps(const RowCut &cut, bool inside, float x, int64_t *ties) {
  const uint32_t key = inside ? rank_of(__float_as_uint(x)) : 0;
  const bool tie = key == cut.rank && key != 0;
  int total = 0;
  const int64_t before = *ties + block_count_before<kThreads>(tie, &total);
  *ties += total;
  return inside && (tie ? before < cut.ties : key > cut.rank);
}

}  // namespace lexvla::cuda

#endif
