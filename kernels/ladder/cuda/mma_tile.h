/* A tile of 128 words x 128 tokens by mma.sync, as the library has it (../../cuda/sm80_tile.h), and its end. */
#ifndef LEXVLA_LADDER_CUDA_MMA_TILE_H
#define LEXVLA_LADDER_CUDA_MMA_TILE_H

#include "../../cuda/sm80_tile.h"
#include "steps.h"

namespace ladder {

using namespace lexvla::cuda;
using namespace lexvla::cuda::sm80;

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
