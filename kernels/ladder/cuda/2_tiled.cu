/*
 * A tile of 64 tokens x 128 words: both operands pass through shared memory, each thread keeps 8 x 8 sums in registers. The
 * kernel for what tensor cores do not take is this one: ../../cuda/score_tile.h.
 */
#include "../../cuda/score_tile.h"
#include "steps.h"

using namespace ladder;
using namespace lexvla::cuda;

__global__ void __launch_bounds__(kTileThreads, 2) kernel(const Bf16 *tokens, const Bf16 *codebook, unsigned *best) {
  __shared__ ScoreTileMemory memory;
  const int64_t row = int64_t{blockIdx.x} * kTileTokens, word = int64_t{blockIdx.y} * kTileWords;
  float sum[kPerThread][kPerThread];
  score_tile(tokens + row * kWidth, kTileTokens, codebook + word * kWidth, kTileWords, kWidth, memory, sum);
#pragma unroll
  for (int j = 0; j < kPerThread; ++j) {
    float most = sum[0][j];
#pragma unroll
    for (int i = 1; i < kPerThread; ++i) most = fmaxf(most, sum[i][j]);
    send(best, row / kTokens, word + tile_word(threadIdx.x, j), most);
  }
}

int main() {
  return climb("2 tiles in shared memory, sums in registers", 8, [](const Problem &p) {
    launch(kernel, dim3(kImages * kTokens / kTileTokens, kWords / kTileWords), kTileThreads, 0, p.device_tokens, p.device_codebook, p.best);
  });
}
