/*
 * csr_dot and csr_top_k in their plain form: a thread per product walks both rows. csr_top_k then cuts all scores at the
 * k-th by radix selection and sorts what is left, in one block.
 */
#include "launchers.h"
#include "select.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256, kSortThreads = 512;

/** A sparse matrix. */
struct Csr {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;
};

__device__ inline float walk(const int32_t *a_ids, const float *a_weights, int64_t a_size, const int32_t *b_ids, const float *b_weights,
    int64_t b_size) {
  float total = 0;
  for (int64_t i = 0, j = 0; i < a_size && j < b_size;) {
    const int32_t x = a_ids[i], y = b_ids[j];
    if (x == y) total = fmaf(a_weights[i], b_weights[j], total);
    i += x <= y;
    j += y <= x;
  }
  return total;
}

__global__ void __launch_bounds__(kThreads) dot_kernel(Csr a, int64_t a_rows, Csr b, int64_t b_rows, float *products) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < a_rows * b_rows; at += int64_t{gridDim.x} * kThreads) {
    const int64_t i = at / b_rows, j = at % b_rows;
    const int64_t a_first = a.offsets[i], b_first = b.offsets[j];
    products[at] = walk(a.ids + a_first, a.weights + a_first, a.offsets[i + 1] - a_first, b.ids + b_first, b.weights + b_first,
        b.offsets[j + 1] - b_first);
  }
}

__global__ void __launch_bounds__(kThreads)
    query_kernel(const int32_t *query_ids, const float *query_weights, int64_t query_size, Csr matrix, int64_t rows, float *scores) {
  for (int64_t j = blockIdx.x * int64_t{kThreads} + threadIdx.x; j < rows; j += int64_t{gridDim.x} * kThreads) {
    const int64_t first = matrix.offsets[j];
    scores[j] = walk(query_ids, query_weights, query_size, matrix.ids + first, matrix.weights + first, matrix.offsets[j + 1] - first);
  }
}

/** The key by which hits are sorted, ascending: the greater rank first, then the lower row. No two rows have the same. */
__device__ inline uint64_t key_of(float score, int64_t row) {
  return uint64_t{~rank_of(__float_as_uint(score))} << 32 | static_cast<uint64_t>(row);
}

/** One block. keys: space for a power of two that is at least min(k, rows). */
__global__ void __launch_bounds__(kSortThreads) hits_kernel(
    const float *scores, int64_t rows, int64_t k, int64_t padded, uint64_t *keys, int32_t *hit_rows, float *hit_scores, int64_t *hits) {
  const RowCut cut = find_cut<kSortThreads>(scores, rows, smaller(k, rows));
  int64_t found = 0, ties = 0;
  for (int64_t first = 0; first < rows; first += kSortThreads) {
    const int64_t j = first + threadIdx.x;
    const float score = j < rows ? scores[j] : 0;
    const bool kept = keeps<kSortThreads>(cut, j < rows, score, &ties);
    int total = 0;
    const int64_t at = found + block_count_before<kSortThreads>(kept, &total);
    if (kept) keys[at] = key_of(score, j);
    found += total;
  }
  for (int64_t i = found + threadIdx.x; i < padded; i += kSortThreads) keys[i] = UINT64_MAX;
  // Bitonic: runs of `size` are merged by comparing at distances size / 2, size / 4, ..., 1.
  for (int64_t size = 2; size <= padded; size *= 2) {
    for (int64_t distance = size / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (int64_t i = threadIdx.x; i < padded; i += kSortThreads) {
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
  for (int64_t i = threadIdx.x; i < k; i += kSortThreads) {
    const int64_t row = i < found ? static_cast<int64_t>(keys[i] & 0xffffffffu) : -1;
    hit_rows[i] = static_cast<int32_t>(row);
    hit_scores[i] = row >= 0 ? scores[row] : 0;
  }
  if (threadIdx.x == 0) *hits = found;
}

}  // namespace

void csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t, float *products) {
  const Call call(*exec);
  if (call.only_asked() || a_rows == 0 || b_rows == 0) return;
  call.launch("csr_dot", dot_kernel, grid_of(blocks_of(a_rows * b_rows, kThreads)), kThreads, 0, Csr{a_offsets, a_ids, a_weights}, a_rows,
      Csr{b_offsets, b_ids, b_weights}, b_rows, products);
}

void csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  int64_t padded = 1;
  while (padded < smaller(k, rows)) padded *= 2;
  const Call call(*exec, {rows * 4, padded * 8});
  if (call.only_asked()) return;
  float *const scores = call.array<float>(0);
  if (rows > 0) {
    call.launch("csr_top_k, scores", query_kernel, grid_of(blocks_of(rows, kThreads)), kThreads, 0, query_ids, query_weights, query_size,
        Csr{offsets, ids, weights}, rows, scores);
  }
  call.launch("csr_top_k, hits", hits_kernel, dim3(1), kSortThreads, 0, scores, rows, k, padded, call.array<uint64_t>(1), hit_rows,
      hit_scores, hits);
}

}  // namespace lexvla::cuda
