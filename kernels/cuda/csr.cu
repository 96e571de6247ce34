/*
 * csr_dot and csr_top_k. A row of `a` (the query) is laid out densely in shared memory, and each warp multiplies the entries
 * of a row of `b` with what it finds there. A word that only `b` has meets a 0: harmless unless its weight is infinite or NaN,
 * and then the product is NaN; so a product that is not finite is computed once more by walking both rows. Vocabularies that
 * shared memory cannot hold are walked altogether. With exec.math TF32, many rows of both and a dense enough `b`, both are
 * laid out densely in device memory and multiplied on tensor cores; how dense `b` is, only the device knows, so the kernels of
 * both ways are launched, and one of them finds that it has nothing to do. csr_top_k then chooses among all scores: hits.cu.
 */
#include "hits.h"
#include "launchers.h"
#include "sm80_tile.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kRowsPerBlock = 512;
/** Rows of both from which on laying them out densely is thought of: a tile of tensor cores. */
constexpr int64_t kLeastDenseRows = 128;
/**
 * Entries of `b` per row and word from which on it is done. An estimate, to be measured: a look-up in shared memory, some
 * 5e12 a second, costs as much as 40 multiply-adds of TF32 by mma.sync, some 2e14 a second.
 */
constexpr double kDenseFrom = 1.0 / 40;

/** A sparse matrix; or, without offsets, one row of `size` entries. */
struct Csr {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;
  int64_t size;

  __device__ int64_t first(int64_t row) const { return offsets != nullptr ? offsets[row] : 0; }
  __device__ int64_t end(int64_t row) const { return offsets != nullptr ? offsets[row + 1] : size; }
};

__device__ inline float walk_entries(const int32_t *a_ids, const float *a_weights, int64_t a_size, const int32_t *b_ids, const float *b_weights,
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

/** The product of a row of each, by walking both. */
__device__ inline float walk(const Csr &a, int64_t i, const Csr &b, int64_t j) {
  const int64_t a_first = a.first(i), b_first = b.first(j);
  return walk_entries(a.ids + a_first, a.weights + a_first, a.end(i) - a_first, b.ids + b_first, b.weights + b_first, b.end(j) - b_first);
}

/** Whether b is dense enough to be laid out so. */
__device__ inline bool is_dense(const Csr &b, int64_t b_rows, int64_t words) {
  return static_cast<double>(b.end(b_rows - 1) - b.first(0)) >= kDenseFrom * static_cast<double>(b_rows) * static_cast<double>(words);
}

/** What both ways of a product are told. */
struct Ways {
  bool choice;  // whether there are both
  __device__ bool is_sparse(const Csr &b, int64_t b_rows, int64_t words) const { return !choice || !is_dense(b, b_rows, words); }
};

/** One product per thread, by walking. */
__global__ void __launch_bounds__(kThreads) walk_kernel(Ways ways, Csr a, int64_t a_rows, Csr b, int64_t b_rows, int64_t words, float *products) {
  if (!ways.is_sparse(b, b_rows, words)) return;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < a_rows * b_rows; at += int64_t{gridDim.x} * kThreads) {
    products[at] = walk(a, at / b_rows, b, at % b_rows);
  }
}

/** A block per row of a and kRowsPerBlock rows of b, a warp per product. */
__global__ void __launch_bounds__(kThreads) dense_kernel(
    Ways ways, Csr a, int64_t a_rows, Csr b, int64_t b_rows, int64_t words, float *products) {
  if (!ways.is_sparse(b, b_rows, words)) return;
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
      if (!(sum - sum == 0)) sum = walk(a, i, b, j);
      products[i * b_rows + j] = sum;
    }
  }
}

/** Lays out the rows of a matrix as [rows, width], if b is dense enough; a block per row. */
__global__ void __launch_bounds__(kThreads) lay_out_kernel(Csr m, int64_t rows, Csr b, int64_t b_rows, int64_t words, int64_t width, float *dense) {
  if (!is_dense(b, b_rows, words)) return;
  for (int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
    for (int64_t v = threadIdx.x; v < width; v += kThreads) dense[i * width + v] = 0;
    __syncthreads();
    for (int64_t e = m.first(i) + static_cast<int64_t>(threadIdx.x); e < m.end(i); e += kThreads) {
      if (m.ids[e] >= 0 && m.ids[e] < words) dense[i * width + m.ids[e]] = m.weights[e];
    }
  }
}

/** products = a . b^T of what was laid out, if anything was; a block per tile. */
__global__ void __launch_bounds__(sm80::kThreads, 1) matrix_kernel(Csr a, const float *dense_a, int64_t a_rows, Csr b, const float *dense_b,
    int64_t b_rows, int64_t words, int64_t width, float *products) {
  if (!is_dense(b, b_rows, words)) return;
  using namespace sm80;
  LEXVLA_DYNAMIC_SHARED(stages);
  const int64_t steps = blocks_of(width, sm80::kDepth<float>), across = blocks_of(b_rows, kRows);
  for (int64_t task = blockIdx.x; task < blocks_of(a_rows, kWords) * across; task += gridDim.x) {
    const int64_t first_a = task / across * kWords, first_b = task % across * kRows;
    const auto load = [&](int64_t step) {
      if (step < steps) {
        load_stage(stages + step % kStages * kStageBytes, dense_a, first_a, a_rows, dense_b, first_b, b_rows, width,
            step * sm80::kDepth<float>);
      }
      commit_copies();
    };
    __syncthreads();  // the tile before has read all its stages
    for (int64_t step = 0; step < kStages - 1; ++step) load(step);
    float sum[kTilesM][kTilesN][4] = {};
    for (int64_t step = 0; step < steps; ++step) {
      wait_for_copies<kStages - 2>();
      __syncthreads();  // everybody's copies are there, and the stage that is loaded next has been read
      load(step + kStages - 1);
      multiply_stage<float>(stages + step % kStages * kStageBytes, sum);
    }
    wait_for_copies<0>();
#pragma unroll
    for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
      for (int n = 0; n < kTilesN; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int64_t row = first_a + word_of(threadIdx.x, m, i), column = first_b + row_of(threadIdx.x, n, i);
          if (row >= a_rows || column >= b_rows) continue;
          const float product = sum[m][n][i];
          products[row * b_rows + column] = product - product == 0 ? product : walk(a, row, b, column);
        }
      }
    }
  }
}

void multiply(const Call &call, Ways ways, const Csr &a, int64_t a_rows, const Csr &b, int64_t b_rows, int64_t words, float *products) {
  if (a_rows == 0 || b_rows == 0) return;
  if (words * 4 <= attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, call.device())) {
    call.launch("dense_kernel", dense_kernel, grid_of(a_rows * blocks_of(b_rows, kRowsPerBlock)), kThreads, static_cast<size_t>(words) * 4, ways,
        a, a_rows, b, b_rows, words, products);
  } else {
    call.launch("walk_kernel", walk_kernel, grid_of(blocks_of(a_rows * b_rows, kThreads)), kThreads, 0, ways, a, a_rows, b, b_rows, words,
        products);
  }
}

}  // namespace

void csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t words, float *products) {
  const Ways ways{exec->math == LEXVLA_MATH_TF32 && a_rows >= kLeastDenseRows && b_rows >= kLeastDenseRows && words > 0};
  const int64_t width = blocks_of(words, 4) * 4;  // rows of whole chunks of 16 bytes
  const Call call(*exec, {ways.choice ? a_rows * width * 4 : 0, ways.choice ? b_rows * width * 4 : 0});
  if (call.only_asked()) return;
  const Csr a{a_offsets, a_ids, a_weights, 0}, b{b_offsets, b_ids, b_weights, 0};
  multiply(call, ways, a, a_rows, b, b_rows, words, products);
  if (!ways.choice) return;
  float *const dense_a = call.array<float>(0), *const dense_b = call.array<float>(1);
  call.launch("lay_out_kernel", lay_out_kernel, grid_of(a_rows), kThreads, 0, a, a_rows, b, b_rows, words, width, dense_a);
  call.launch("lay_out_kernel", lay_out_kernel, grid_of(b_rows), kThreads, 0, b, b_rows, b, b_rows, words, width, dense_b);
  call.launch("matrix_kernel", matrix_kernel, grid_of(blocks_of(a_rows, sm80::kWords) * blocks_of(b_rows, sm80::kRows)), sm80::kThreads,
      sm80::kSharedBytes, a, dense_a, a_rows, b, dense_b, b_rows, words, width, products);
}

void csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  const Call call(*exec, {rows * 4, keys_for(rows, k) * 8});
  if (call.only_asked()) return;
  float *const scores = call.array<float>(0);
  multiply(call, Ways{false}, Csr{nullptr, query_ids, query_weights, query_size}, 1, Csr{offsets, ids, weights, 0}, rows, words, scores);
  choose_hits(call, scores, 1, rows, k, call.array<uint64_t>(1), hit_rows, hit_scores, hits);
}

}  // namespace lexvla::cuda
