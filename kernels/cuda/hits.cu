/*
 * A block per query cuts the scores at the k-th by radix selection, and sorts what is left.
 */
#include "hits.h"

#include "select.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 512;

/** The key by which hits are sorted, ascending: the greater rank first, then the lower row. No two rows have the same. */
__device__ inline uint64_t key_of(float score, int64_t row) {
  return uint64_t{~rank_of(__float_as_uint(score))} << 32 | static_cast<uint64_t>(row);
}

/** The hits of one query, by one block. `padded` keys. */
__device__ inline void hits_of(
    const float *scores, int64_t rows, int64_t k, int64_t padded, uint64_t *keys, int32_t *hit_rows, float *hit_scores, int64_t *hits) {
  const RowCut cut = find_cut<kThreads>([scores](int64_t j) { return scores[j]; }, rows, smaller(k, rows));
  int64_t found = 0, ties = 0;
  for (int64_t first = 0; first < rows; first += kThreads) {
    const int64_t j = first + threadIdx.x;
    const float score = j < rows ? scores[j] : 0;
    const bool kept = keeps<kThreads>(cut, j < rows, score, &ties);
    int total = 0;
    const int64_t at = found + block_count_before<kThreads>(kept, &total);
    if (kept) keys[at] = key_of(score, j);
    found += total;
  }
  for (int64_t i = found + threadIdx.x; i < padded; i += kThreads) keys[i] = UINT64_MAX;
  // Bitonic: runs of `size` are merged by comparing at distances size / 2, size / 4, ..., 1.
  for (int64_t size = 2; size <= padded; size *= 2) {
    for (int64_t distance = size / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (int64_t i = threadIdx.x; i < padded; i += kThreads) {
        const int64_t other = i ^ distance;
        if (other < i) continue;
        const uint64_t x = keys[i], y = keys[other];
        if ((x > y) == ((i & size) == 0)) {
          keys[i] = y;
          keys[other] = x;
        }
      }
    }
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < k; i += kThreads) {
    const int64_t row = i < found ? static_cast<int64_t>(keys[i] & 0xffffffffu) : -1;
    hit_rows[i] = static_cast<int32_t>(row);
    hit_scores[i] = row >= 0 ? scores[row] : 0;
  }
  if (threadIdx.x == 0) *hits = found;
}

__global__ void __launch_bounds__(kThreads) hits_kernel(const float *scores, int64_t queries, int64_t rows, int64_t k, int64_t padded,
    uint64_t *keys, int32_t *hit_rows, float *hit_scores, int64_t *hits) {
  for (int64_t q = blockIdx.x; q < queries; q += gridDim.x) {
    hits_of(scores + q * rows, rows, k, padded, keys + q * padded, hit_rows + q * k, hit_scores + q * k, hits + q);
    __syncthreads();  // what the block shares has been read
  }
}

}  // namespace

void choose_hits(const Call &call, const float *scores, int64_t queries, int64_t rows, int64_t k, uint64_t *keys, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  call.launch("hits_kernel", hits_kernel, grid_of(queries), kThreads, 0, scores, queries, rows, k, keys_for(rows, k), keys, hit_rows,
      hit_scores, hits);
}

}  // namespace lexvla::cuda
