/* Tensor cores: the same way through shared memory, now read by ldmatrix and multiplied by mma.sync, 16 x 8 x 16 a warp. */
#include "mma_tile.h"

using namespace ladder;

__global__ void __launch_bounds__(kThreads, 1) kernel(const Bf16 *tokens, const Bf16 *codebook, unsigned *best) {
  LEXVLA_DYNAMIC_SHARED(stage);
  const int64_t first_row = int64_t{blockIdx.x} * kRows, first_word = int64_t{blockIdx.y} * sm80::kWords;
  float sum[kTilesM][kTilesN][4] = {};
  for (int64_t k = 0; k < kWidth; k += sm80::kDepth<Bf16>) {
    __syncthreads();  // the part before has been read
    for (int at = threadIdx.x; at < sm80::kWords * kLineBytes / kChunk; at += kThreads) {
      const int line = at / (kLineBytes / kChunk), chunk = at % (kLineBytes / kChunk);
      *reinterpret_cast<uint4 *>(stage + chunk_at(line, chunk)) =
          *reinterpret_cast<const uint4 *>(codebook + (first_word + line) * kWidth + k + chunk * 8);
      *reinterpret_cast<uint4 *>(stage + kOperandBytes + chunk_at(line, chunk)) =
          *reinterpret_cast<const uint4 *>(tokens + (first_row + line) * kWidth + k + chunk * 8);
    }
    __syncthreads();
    multiply_stage<Bf16>(stage, sum);
  }
  finish(sum, first_word, first_row / kTokens, best);
}

int main() {
  return climb("3 tensor cores by mma.sync", 8, [](const Problem &p) {
    launch(kernel, dim3(kImages * kTokens / kRows, ladder::kWords / sm80::kWords), kThreads, kStageBytes, p.device_tokens, p.device_codebook,
        p.best);
  });
}
