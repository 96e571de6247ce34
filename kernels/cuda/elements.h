/* What the CUDA kernels share: element types, elu1p, the order of scores, sums over a block. */
#ifndef LEXVLA_CUDA_ELEMENTS_H
#define LEXVLA_CUDA_ELEMENTS_H

#include <lexvla/kernels.h>

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>

#include "../core/half.h"

namespace lexvla::cuda {

/** A bfloat16: the upper half of a float. */
struct Bf16 {
  uint16_t bits;
};

/** A binary16. */
struct Half {
  uint16_t bits;
};

__host__ __device__ inline float value(float x) { return x; }
__device__ inline float value(Bf16 x) { return __uint_as_float(uint32_t{x.bits} << 16); }
#if defined(__CUDACC__)
__device__ inline float value(Half x) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
  return wide;
}
#else
inline float value(Half x) { return widened_half(x.bits); }
#endif

/** Calls body with an element of a lexvla_type, for its C++ type. */
template <class Body>
void with_type(int32_t type, const Body &body) {
  if (type == LEXVLA_FLOAT32) {
    body(float{});
  } else if (type == LEXVLA_BFLOAT16) {
    body(Bf16{});
  } else {
    body(Half{});
  }
}

/** x + 1 for x >= 0, else exp(x); NaN for NaN. expf without fast-math is within one unit in the last place. */
__device__ inline float elu1p(float x) { return x < 0 ? expf(x) : x + 1; }

/** The derivative of elu1p; NaN for NaN. */
__device__ inline float elu1p_slope(float x) { return x < 0 ? expf(x) : x >= 0 ? 1.0f : x; }

/** What a row is divided by; a NaN norm stays NaN. */
__device__ inline double divisor(double norm) { return norm < double{LEXVLA_NORM_EPS} ? double{LEXVLA_NORM_EPS} : norm; }

/** A score and the token it comes from; no token: -1. */
struct Candidate {
  float score;
  int32_t token;
};

/** The one that project_max takes of two: NaN before numbers, the greater, of equal ones the lower token. A total order, so
 *  candidates may be joined in any order. */
__host__ __device__ inline bool precedes(Candidate a, Candidate b) {
  if (a.token < 0 || b.token < 0) return a.token >= 0;
  const bool a_nan = a.score != a.score, b_nan = b.score != b.score;
  if (a_nan || b_nan) return a_nan && (!b_nan || a.token < b.token);
  return a.score > b.score || (a.score == b.score && a.token < b.token);
}

__host__ __device__ constexpr int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }
__host__ __device__ constexpr int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }

/** The sum of x over the kThreads threads of the block, to all of them; always in the same order. */
template <int kThreads, class T>
__device__ inline T block_sum(T x) {
  __shared__ T of_warp[kThreads / 32];
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(0xffffffffu, x, lanes);
  __syncthreads();  // an earlier sum has been read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
  __syncthreads();
  T total = 0;
  for (int warp = 0; warp < kThreads / 32; ++warp) total += of_warp[warp];
  return total;
}

/** What the warps before this thread's have of `of_warp_value`, of which each warp's last lane brings the warp's; *total gets all. */
template <int kThreads>
__device__ inline int sum_of_warps_before(int of_warp_value, int *total) {
  __shared__ int of_warp[kThreads / 32];
  const unsigned warp = threadIdx.x / 32;
  __syncthreads();  // an earlier sum has been read
  if (threadIdx.x % 32 == 31) of_warp[warp] = of_warp_value;
  __syncthreads();
  int before = 0, all = 0;
  for (unsigned w = 0; w < kThreads / 32; ++w) {
    if (w < warp) before += of_warp[w];
    all += of_warp[w];
  }
  *total = all;
  return before;
}

/** The sum of x over the threads before this one; *total gets the sum over all. */
template <int kThreads>
__device__ inline int block_sum_before(int x, int *total) {
  const unsigned lane = threadIdx.x % 32;
  int sum = x;
  for (unsigned lanes = 1; lanes < 32; lanes *= 2) {
    const int below = __shfl_up_sync(0xffffffffu, sum, lanes);
    if (lane >= lanes) sum += below;
  }
  return sum_of_warps_before<kThreads>(sum, total) + sum - x;
}

/** How many of the threads before this one say yes; *total gets how many of all. */
template <int kThreads>
__device__ inline int block_count_before(bool yes, int *total) {
  const unsigned votes = __ballot_sync(0xffffffffu, yes);
  return sum_of_warps_before<kThreads>(__popc(votes), total) + __popc(votes & ((1u << threadIdx.x % 32) - 1));
}

/** Counts at offsets[1..n] become offsets of a CSR; all threads of one block call it. */
template <int kThreads>
__device__ inline void make_offsets(int64_t n, int32_t *offsets) {
  int before = 0;
  for (int64_t first = 0; first < n; first += kThreads) {
    const int64_t i = first + threadIdx.x;
    const int count = i < n ? offsets[i + 1] : 0;
    int total = 0;
    const int sum = before + block_sum_before<kThreads>(count, &total) + count;
    if (i < n) offsets[i + 1] = sum;
    before += total;
  }
  if (threadIdx.x == 0) offsets[0] = 0;
}

/** What the activations of a row of scores are multiplied with, and their norm; to all threads of the block. */
struct RowScale {
  double inverse, norm;
};

template <int kThreads>
__device__ inline RowScale scale_of(const float *scores, int64_t words) {
  double squares = 0;
  for (int64_t v = threadIdx.x; v < words; v += kThreads) {
    const double a = elu1p(scores[v]);
    squares += a * a;
  }
  const double norm = sqrt(block_sum<kThreads>(squares));
  return {1.0 / divisor(norm), norm};
}

/** The activation of a score in a row of that scale: the same bits wherever it is computed. */
__device__ inline float activation(float score, double inverse) { return static_cast<float>(elu1p(score) * inverse); }

}  // namespace lexvla::cuda

#endif
