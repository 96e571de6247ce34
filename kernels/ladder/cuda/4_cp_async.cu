/* Copies that do not pass through registers, by cp.async, three parts of the depth ahead of the multiplication. */
#include "mma_tile.h"

using namespace ladder;

__global__ void __launch_bounds__(kThreads, 1) kernel(const Bf16 *tokens, const Bf16 *codebook, unsigned *best) {
  LEXVLA_DYNAMIC_SHARED(stages);
  const int64_t first_row = int64_t{blockIdx.x} * kRows, first_word = int64_t{blockIdx.y} * sm80::kWords;
  constexpr int kSteps = kWidth / sm80::kDepth<Bf16>;
  const auto load = [&](int step) {
    char *const stage = stages + step % kStages * kStageBytes;
    for (int at = threadIdx.x; step < kSteps && at < sm80::kWords * kLineBytes / kChunk; at += kThreads) {
      const int line = at / (kLineBytes / kChunk), chunk = at % (kLineBytes / kChunk), k = step * sm80::kDepth<Bf16> + chunk * 8;
      copy_16_async(stage + chunk_at(line, chunk), codebook + (first_word + line) * kWidth + k, true);
      copy_16_async(stage + kOperandBytes + chunk_at(line, chunk), tokens + (first_row + line) * kWidth + k, true);
    }
    commit_copies();
  };
  float sum[kTilesM][kTilesN][4] = {};
  for (int step = 0; step < kStages - 1; ++step) load(step);
  for (int step = 0; step < kSteps; ++step) {
    wait_for_copies<kStages - 2>();
    __syncthreads();  // everybody's copies are there, and the stage that is loaded next has been read
    load(step + kStages - 1);
    multiply_stage<Bf16>(stages + step % kStages * kStageBytes, sum);
  }
  wait_for_copies<0>();
  finish(sum, first_word, first_row / kTokens, best);
}

int main() {
  return climb("4 operands by cp.async, a ring of four stages", 8, [](const Problem &p) {
    launch(kernel, dim3(kImages * kTokens / kRows, ladder::kWords / sm80::kWords), kThreads, kSharedBytes, p.device_tokens,
        p.device_codebook, p.best);
  });
}
