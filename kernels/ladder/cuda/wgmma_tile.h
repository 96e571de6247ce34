/* Tiles of 64 words x 256 tokens, a picture, by wgmma; operands by the tensor memory accelerator, 64 elements of the depth at a time. */
#ifndef LEXVLA_LADDER_CUDA_WGMMA_TILE_H
#define LEXVLA_LADDER_CUDA_WGMMA_TILE_H

#include "../../cuda/tensor_map.h"
#include "steps.h"

namespace ladder {

using namespace lexvla::cuda;

constexpr int kDepth = kSwizzleBytes / 2, kSteps = kWidth / kDepth, kSums = kTokens / 2;
constexpr int kRowBytes = kTokens * kSwizzleBytes;

/** sum = or += 64 words . 256 tokens over kDepth. */
__device__ inline void multiply(float (&sum)[kSums], const char *words, const char *rows, bool add) {
  const uint64_t a = descriptor_of(words), b = descriptor_of(rows);
#pragma unroll
  for (int k = 0; k < kSwizzleBytes / kProductBytes; ++k) multiply_64x256(Bf16{}, sum, a + k * 2, b + k * 2, add || k > 0);
}

/** The best over the rows for the two words of a thread; the threads of a quad share the rows. */
__device__ inline void finish(const float (&sum)[kSums], int64_t first_word, int64_t image, unsigned *best) {
  const int thread = threadIdx.x % 128;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float most = -INFINITY;
#pragma unroll
    for (int i = 0; i < kSums / 4; ++i) most = fmaxf(most, fmaxf(sum[i * 4 + half * 2], sum[i * 4 + half * 2 + 1]));
    for (int lanes = 1; lanes <= 2; lanes *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, lanes));
    if (thread % 4 == 0) send(best, image, first_word + thread / 32 * 16 + thread % 32 / 4 + half * 8, most);
  }
}

}  // namespace ladder

#endif
