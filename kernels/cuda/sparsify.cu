/*
 * sparsify_threshold and sparsify_top_k: a block per row counts what it keeps, one block makes offsets of the counts, a
 * block per row writes. top_k first finds each row's cut by radix selection, as core/select.cpp does on the host.
 */
#include "../core/failure.h"
#include "../core/select.h"
#include "launchers.h"
#include "select.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256, kScanThreads = 1024;

/** The rule of sparsify_threshold. */
struct Threshold {
  float threshold;
};

/** The rule of sparsify_top_k: where each row ends. */
struct Cuts {
  const RowCut *cuts;
};

/** Writes the entries that `keep(v, value)` names from `at` on, in order; all threads of the block call it. */
template <class Keep>
__device__ inline void write_row(const float *values, int64_t words, int64_t at, int64_t capacity, int32_t *ids, float *weights, Keep keep) {
  for (int64_t first = 0; first < words; first += kThreads) {
    const int64_t v = first + threadIdx.x;
    const float x = v < words ? values[v] : 0;
    const bool kept = keep(v < words, x);
    int total = 0;
    const int64_t entry = at + block_count_before<kThreads>(kept, &total);
    if (kept && entry < capacity) {
      ids[entry] = static_cast<int32_t>(v);
      weights[entry] = x;
    }
    at += total;
  }
}

__device__ inline bool reaches(float x, float threshold) { return x != 0 && !(x < threshold); }

__global__ void __launch_bounds__(kThreads)
    count_kernel(const float *values, int64_t rows, int64_t words, Threshold rule, int32_t *offsets) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    int kept = 0;
    for (int64_t v = threadIdx.x; v < words; v += kThreads) kept += reaches(values[b * words + v], rule.threshold);
    const int total = block_sum<kThreads>(kept);
    if (threadIdx.x == 0) offsets[b + 1] = total;
  }
}

__global__ void __launch_bounds__(kThreads)
    cut_kernel(const float *values, int64_t rows, int64_t words, int64_t k, RowCut *cuts, int32_t *offsets) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const RowCut cut = find_cut<kThreads>(values + b * words, words, k);
    if (threadIdx.x == 0) {
      cuts[b] = cut;
      offsets[b + 1] = static_cast<int32_t>(cut.kept);
    }
  }
}

/** Counts at offsets[1..rows] become offsets; one block. */
__global__ void __launch_bounds__(kScanThreads) scan_kernel(int64_t rows, int32_t *offsets) {
  int before = 0;
  for (int64_t first = 0; first < rows; first += kScanThreads) {
    const int64_t b = first + threadIdx.x;
    const int count = b < rows ? offsets[b + 1] : 0;
    int total = 0;
    const int sum = before + block_sum_before<kScanThreads>(count, &total) + count;
    if (b < rows) offsets[b + 1] = sum;
    before += total;
  }
  if (threadIdx.x == 0) offsets[0] = 0;
}

__global__ void __launch_bounds__(kThreads) threshold_kernel(const float *values, int64_t rows, int64_t words, Threshold rule,
    int64_t capacity, const int32_t *offsets, int32_t *ids, float *weights) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    write_row(values + b * words, words, offsets[b], capacity, ids, weights,
        [rule](bool inside, float x) { return inside && reaches(x, rule.threshold); });
  }
}

__global__ void __launch_bounds__(kThreads) top_k_kernel(const float *values, int64_t rows, int64_t words, Cuts rule, int64_t capacity,
    const int32_t *offsets, int32_t *ids, float *weights) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const RowCut cut = rule.cuts[b];
    int64_t ties = 0;  // met so far
    write_row(values + b * words, words, offsets[b], capacity, ids, weights,
        [cut, &ties](bool inside, float x) { return keeps<kThreads>(cut, inside, x, &ties); });
  }
}

void require_countable(int64_t rows, int64_t most) {
  if (most > 0 && rows > INT32_MAX / most) {
    fail(LEXVLA_CAPACITY, "%lld rows may keep %lld entries each, limit 2147483647 of 32-bit offsets: pass fewer rows",
        static_cast<long long>(rows), static_cast<long long>(most));
  }
}

}  // namespace

void sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  require_countable(rows, words);
  const Call call(*exec);
  if (call.only_asked()) return;
  const Threshold rule{threshold};
  call.launch("sparsify_threshold, count", count_kernel, grid_of(rows), kThreads, 0, values, rows, words, rule, offsets);
  call.launch("sparsify_threshold, offsets", scan_kernel, dim3(1), kScanThreads, 0, rows, offsets);
  if (ids == nullptr || rows == 0) return;
  call.launch("sparsify_threshold, entries", threshold_kernel, grid_of(rows), kThreads, 0, values, rows, words, rule, capacity, offsets,
      ids, weights);
}

void sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  require_countable(rows, smaller(k, words));
  const Call call(*exec, {rows * static_cast<int64_t>(sizeof(RowCut))});
  if (call.only_asked()) return;
  RowCut *const cuts = call.array<RowCut>(0);
  call.launch("sparsify_top_k, cuts", cut_kernel, grid_of(rows), kThreads, 0, values, rows, words, smaller(k, words), cuts, offsets);
  call.launch("sparsify_top_k, offsets", scan_kernel, dim3(1), kScanThreads, 0, rows, offsets);
  if (ids == nullptr || rows == 0) return;
  call.launch("sparsify_top_k, entries", top_k_kernel, grid_of(rows), kThreads, 0, values, rows, words, Cuts{cuts}, capacity, offsets, ids,
      weights);
}

}  // namespace lexvla::cuda
