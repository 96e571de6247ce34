/*
 * sparsify_threshold and sparsify_top_k, of values and of scores that are activated on the way: a block per row counts what it
 * keeps, one block makes offsets of the counts, a block per row writes. top_k first finds each row's cut by radix selection,
 * as core/select.cpp does on the host. Activated values are computed anew wherever they are looked at, never stored.
 */
#include "../core/failure.h"
#include "../core/select.h"
#include "launchers.h"
#include "select.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256, kScanThreads = 1024;

/** Rows of values, as they are. */
struct Values {
  const float *values;
  int64_t words;
  __device__ float at(int64_t b, int64_t v) const { return values[b * words + v]; }
};

/** Rows of scores, activated. */
struct Scores {
  const float *scores;
  const double *inverses;
  int64_t words;
  __device__ float at(int64_t b, int64_t v) const { return activation(scores[b * words + v], inverses[b]); }
};

__global__ void __launch_bounds__(kThreads) scale_kernel(const float *scores, int64_t rows, int64_t words, double *inverses) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const RowScale scale = scale_of<kThreads>(scores + b * words, words);
    if (threadIdx.x == 0) inverses[b] = scale.inverse;
  }
}

/** Where entries go. */
struct Entries {
  int64_t capacity;
  const int32_t *offsets;
  int32_t *ids;
  float *weights;
};

/** Writes the values of row b that `keep(inside, value)` names, in order; all threads of the block call it. */
template <class Source, class Keep>
__device__ inline void write_row(const Source &source, int64_t b, const Entries &out, Keep keep) {
  int64_t at = out.offsets[b];
  for (int64_t first = 0; first < source.words; first += kThreads) {
    const int64_t v = first + threadIdx.x;
    const float x = v < source.words ? source.at(b, v) : 0;
    const bool kept = keep(v < source.words, x);
    int total = 0;
    const int64_t entry = at + block_count_before<kThreads>(kept, &total);
    if (kept && entry < out.capacity) {
      out.ids[entry] = static_cast<int32_t>(v);
      out.weights[entry] = x;
    }
    at += total;
  }
}

__device__ inline bool reaches(float x, float threshold) { return x != 0 && !(x < threshold); }

template <class Source>
__global__ void __launch_bounds__(kThreads) count_kernel(Source source, int64_t rows, float threshold, int32_t *offsets) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    int kept = 0;
    for (int64_t v = threadIdx.x; v < source.words; v += kThreads) kept += reaches(source.at(b, v), threshold);
    const int total = block_sum<kThreads>(kept);
    if (threadIdx.x == 0) offsets[b + 1] = total;
  }
}

template <class Source>
__global__ void __launch_bounds__(kThreads) cut_kernel(Source source, int64_t rows, int64_t k, RowCut *cuts, int32_t *offsets) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const RowCut cut = find_cut<kThreads>([source, b](int64_t v) { return source.at(b, v); }, source.words, k);
    if (threadIdx.x == 0) {
      cuts[b] = cut;
      offsets[b + 1] = static_cast<int32_t>(cut.kept);
    }
  }
}

/** Counts at offsets[1..rows] become offsets; one block. */
__global__ void __launch_bounds__(kScanThreads) scan_kernel(int64_t rows, int32_t *offsets) { make_offsets<kScanThreads>(rows, offsets); }

template <class Source>
__global__ void __launch_bounds__(kThreads) threshold_kernel(Source source, int64_t rows, float threshold, Entries out) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    write_row(source, b, out, [threshold](bool inside, float x) { return inside && reaches(x, threshold); });
  }
}

template <class Source>
__global__ void __launch_bounds__(kThreads) top_k_kernel(Source source, int64_t rows, const RowCut *cuts, Entries out) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const RowCut cut = cuts[b];
    int64_t ties = 0;  // met so far
    write_row(source, b, out, [cut, &ties](bool inside, float x) { return keeps<kThreads>(cut, inside, x, &ties); });
  }
}

void require_countable(int64_t rows, int64_t most) {
  if (most > 0 && rows > INT32_MAX / most) {
    fail(LEXVLA_CAPACITY, "%lld rows may keep %lld entries each, limit 2147483647 of 32-bit offsets: pass fewer rows",
        static_cast<long long>(rows), static_cast<long long>(most));
  }
}

template <class Source>
void by_threshold(const Call &call, const Source &source, int64_t rows, float threshold, int64_t capacity, int32_t *offsets, int32_t *ids,
    float *weights) {
  call.launch("count_kernel", count_kernel<Source>, grid_of(rows), kThreads, 0, source, rows, threshold, offsets);
  call.launch("scan_kernel", scan_kernel, dim3(1), kScanThreads, 0, rows, offsets);
  if (ids == nullptr || rows == 0) return;
  call.launch("threshold_kernel", threshold_kernel<Source>, grid_of(rows), kThreads, 0, source, rows, threshold,
      Entries{capacity, offsets, ids, weights});
}

template <class Source>
void by_rank(const Call &call, const Source &source, int64_t rows, int64_t k, int64_t capacity, RowCut *cuts, int32_t *offsets, int32_t *ids,
    float *weights) {
  call.launch("cut_kernel", cut_kernel<Source>, grid_of(rows), kThreads, 0, source, rows, smaller(k, source.words), cuts, offsets);
  call.launch("scan_kernel", scan_kernel, dim3(1), kScanThreads, 0, rows, offsets);
  if (ids == nullptr || rows == 0) return;
  call.launch("top_k_kernel", top_k_kernel<Source>, grid_of(rows), kThreads, 0, source, rows, cuts,
      Entries{capacity, offsets, ids, weights});
}

/** The scores as a source; their scales are computed into `inverses`. */
Scores activated(const Call &call, const float *scores, int64_t rows, int64_t words, double *inverses) {
  if (rows > 0) call.launch("scale_kernel", scale_kernel, grid_of(rows), kThreads, 0, scores, rows, words, inverses);
  return {scores, inverses, words};
}

}  // namespace

void sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  require_countable(rows, words);
  const Call call(*exec);
  if (call.only_asked()) return;
  by_threshold(call, Values{values, words}, rows, threshold, capacity, offsets, ids, weights);
}

void sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  require_countable(rows, smaller(k, words));
  const Call call(*exec, {rows * static_cast<int64_t>(sizeof(RowCut))});
  if (call.only_asked()) return;
  by_rank(call, Values{values, words}, rows, k, capacity, call.array<RowCut>(0), offsets, ids, weights);
}

void activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float threshold,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
  require_countable(rows, words);
  const Call call(*exec, {rows * 8});
  if (call.only_asked()) return;
  by_threshold(call, activated(call, scores, rows, words, call.array<double>(0)), rows, threshold, capacity, offsets, ids, weights);
}

void activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  require_countable(rows, smaller(k, words));
  const Call call(*exec, {rows * 8, rows * static_cast<int64_t>(sizeof(RowCut))});
  if (call.only_asked()) return;
  by_rank(call, activated(call, scores, rows, words, call.array<double>(0)), rows, k, capacity, call.array<RowCut>(1), offsets, ids, weights);
}

}  // namespace lexvla::cuda
