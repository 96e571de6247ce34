/*
 * csr_dot and csr_top_k. A row of `a` (the query) is laid out densely in shared memory, and each warp multiplies the entries
 * of a row of `b` with what it finds there. A word that only `b` has meets a 0: harmless unless its weight is infinite or NaN,
 * and then the product is NaN; so a product that is not finite is computed once more by walking both rows. Vocabularies that
 * shared memory cannot hold are walked altogether. csr_top_k then chooses among all scores: hits.cu.
 */
#include "hits.h"
#include "launchers.h"
#include "ptx.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kRowsPerBlock = 512;

/** A sparse matrix; or, without offsets, one row of `size` entries. */
struct Csr {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;
  int64_t size;

  __device__ int64_t first(int64_t row) const { return offsets != nullptr ? offsets[row] : 0; }
  __device__ int64_t end(int64_t row) const { return offsets != nullptr ? offsets[row + 1] : size; }
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

/** One product per thread, by walking. */
__global__ void __launch_bounds__(kThreads) walk_kernel(Csr a, int64_t a_rows, Csr b, int64_t b_rows, float *products) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < a_rows * b_rows; at += int64_t{gridDim.x} * kThreads) {
    const int64_t i = at / b_rows, j = at % b_rows;
    const int64_t a_first = a.first(i), b_first = b.first(j);
    products[at] = walk(a.ids + a_first, a.weights + a_first, a.end(i) - a_first, b.ids + b_first, b.weights + b_first, b.end(j) - b_first);
  }
}

/** A block per row of a and kRowsPerBlock rows of b, a warp per product. */
__global__ void __launch_bounds__(kThreads) dense_kernel(Csr a, int64_t a_rows, Csr b, int64_t b_rows, int64_t words, float *products) {
  LEXVLA_DYNAMIC_SHARED(shared);
  float *const dense = reinterpret_cast<float *>(shared);
  const int64_t parts = blocks_of(b_rows, kRowsPerBlock);
  const int lane = threadIdx.x % 32;
  for (int64_t task = blockIdx.x; task < a_rows * parts; task += gridDim.x) {
    const int64_t i = task / parts, first = task % parts * kRowsPerBlock, a_first = a.first(i), a_end = a.end(i);
    __syncthreads();  // the row before has been used
    for (int64_t v = threadIdx.x; v < words; v += kThreads) dense[v] = 0;
    __syncthreads();
    for (int64_t e = a_first + threadIdx.x; e < a_end; e += kThreads) {
      if (a.ids[e] >= 0 && a.ids[e] < words) dense[a.ids[e]] = a.weights[e];
    }
    __syncthreads();
    for (int64_t j = first + threadIdx.x / 32; j < smaller(first + kRowsPerBlock, b_rows); j += kThreads / 32) {
      const int64_t b_first = b.first(j), b_end = b.end(j);
      float sum = 0;
      for (int64_t e = b_first + lane; e < b_end; e += 32) {
        if (b.ids[e] >= 0 && b.ids[e] < words) sum = fmaf(b.weights[e], dense[b.ids[e]], sum);
      }
      for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
      if (lane != 0) continue;
      if (!(sum - sum == 0)) sum = walk(a.ids + a_first, a.weights + a_first, a_end - a_first, b.ids + b_first, b.weights + b_first, b_end - b_first);
      products[i * b_rows + j] = sum;
    }
  }
}

void multiply(const char *name, const Call &call, const Csr &a, int64_t a_rows, const Csr &b, int64_t b_rows, int64_t words, float *products) {
  if (a_rows == 0 || b_rows == 0) return;
  if (words * 4 <= attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, call.device())) {
    call.launch(name, dense_kernel, grid_of(a_rows * blocks_of(b_rows, kRowsPerBlock)), kThreads, static_cast<size_t>(words) * 4, a, a_rows, b,
        b_rows, words, products);
  } else {
    call.launch(name, walk_kernel, grid_of(blocks_of(a_rows * b_rows, kThreads)), kThreads, 0, a, a_rows, b, b_rows, products);
  }
}

}  // namespace

void csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t words, float *products) {
  const Call call(*exec);
  if (call.only_asked()) return;
  multiply("csr_dot", call, Csr{a_offsets, a_ids, a_weights, 0}, a_rows, Csr{b_offsets, b_ids, b_weights, 0}, b_rows, words, products);
}

void csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  const Call call(*exec, {rows * 4, keys_for(rows, k) * 8});
  if (call.only_asked()) return;
  float *const scores = call.array<float>(0);
  multiply("csr_top_k, scores", call, Csr{nullptr, query_ids, query_weights, query_size}, 1, Csr{offsets, ids, weights, 0}, rows, words, scores);
  choose_hits(call, "csr_top_k, hits", scores, 1, rows, k, call.array<uint64_t>(1), hit_rows, hit_scores, hits);
}

}  // namespace lexvla::cuda
