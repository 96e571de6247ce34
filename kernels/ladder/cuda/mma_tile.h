/* A tile of 128 words x 128 tokens by mma.sync, its operands in the form of ../../cuda/sm80_project_max.h in shared memory. */
#ifndef LEXVLA_LADDER_CUDA_MMA_TILE_H
#define LEXVLA_LADDER_CUDA_MMA_TILE_H

#include "../../cuda/ptx.h"
#include "../../cuda/sm80_project_max.h"
#include "steps.h"

namespace ladder {

using namespace lexvla::cuda;
using namespace lexvla::cuda::sm80;

constexpr int kTilesM = kWarpWords / 16, kTilesN = kWarpRows / 8;

/** sum += the words . rows of a stage */
__device__ inline void multiply(const char *stage, float (&sum)[kTilesM][kTilesN][4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int k = 0; k < kLineBytes / 32; ++k) {
    uint32_t a[kTilesM][4], b[kTilesN / 2][4];
#pragma unroll
    for (int m = 0; m < kTilesM; ++m) {
      load_matrices(a[m], stage + chunk_at(warp / 4 * kWarpWords + m * 16 + lane % 16, k * 2 + lane / 16));
    }
#pragma unroll
    for (int n = 0; n < kTilesN / 2; ++n) {
      load_matrices(b[n], stage + kOperandBytes + chunk_at(warp % 4 * kWarpRows + n * 16 + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
    }
#pragma unroll
    for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
      for (int n = 0; n < kTilesN; ++n) multiply_16x8(Bf16{}, sum[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
    }
  }
}

/** The best of the tile's rows, which are of one picture. */
__device__ inline void finish(const float (&sum)[kTilesM][kTilesN][4], int64_t first_word, int64_t image, unsigned *best) {
#pragma unroll
  for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float most = -INFINITY;
#pragma unroll
      for (int n = 0; n < kTilesN; ++n) most = fmaxf(most, fmaxf(sum[m][n][half * 2], sum[m][n][half * 2 + 1]));
      for (int lanes = 1; lanes <= 2; lanes *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, lanes));
      if (threadIdx.x % 4 == 0) send(best, image, first_word + word_of(threadIdx.x, m, half * 2), most);
    }
  }
}

}  // namespace ladder

#endif
