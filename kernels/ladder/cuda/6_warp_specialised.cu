/*
 * One warp group only fetches, through a ring of four stages, and gives its registers to the two that multiply 64 words each
 * with the same tokens.
 */
#include "wgmma_tile.h"

using namespace ladder;

constexpr int kConsumers = 2, kStages = 4, kThreads = 128 * (kConsumers + 1);
constexpr int kWordTile = 64 * kConsumers, kWordBytes = kWordTile * kSwizzleBytes, kStageBytes = kWordBytes + kRowBytes;

__global__ void __launch_bounds__(kThreads, 1)
    kernel(const __grid_constant__ TensorMap codes, const __grid_constant__ TensorMap tokens, unsigned *best) {
  LEXVLA_DYNAMIC_SHARED(shared);
  uint64_t *const full = reinterpret_cast<uint64_t *>(shared + kStages * kStageBytes), *const empty = full + kStages;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(full + stage, 1);
      init_barrier(empty + stage, kConsumers);
    }
    fence_barriers();
  }
  __syncthreads();
  const int group = threadIdx.x / 128;
  if (group == 0) {
    give_registers<40>();
    for (int step = 0; threadIdx.x == 0 && step < kSteps; ++step) {
      const int stage = step % kStages;
      char *const words = shared + stage * kStageBytes;
      wait_for(empty + stage, step / kStages % 2 ^ 1);
      arrive_expecting(full + stage, kStageBytes);
      copy_box(words, codes, step * kDepth, static_cast<int>(blockIdx.y) * kWordTile, full + stage);
      copy_box(words + kWordBytes, tokens, step * kDepth, static_cast<int>(blockIdx.x) * kTokens, full + stage);
    }
  } else {
    take_registers<232>();
    const auto release = [&](int step) {
      if (threadIdx.x % 128 == 0) arrive_at(empty + step % kStages, 0);
    };
    float sum[kSums];
    for (int step = 0; step < kSteps; ++step) {
      const char *const words = shared + step % kStages * kStageBytes;
      wait_for(full + step % kStages, step / kStages % 2);
      begin_products();
      multiply(sum, words + (group - 1) * 64 * kSwizzleBytes, words + kWordBytes, step > 0);
      commit_products();
      wait_for_products<1>();
      if (step > 0) release(step - 1);
    }
    wait_for_products<0>();
    finish(sum, int64_t{blockIdx.y} * kWordTile + (group - 1) * 64, blockIdx.x, best);
  }
}

int main() {
  return climb("6 one warp group fetches, two multiply", 9, [](const Problem &p) {
    launch(kernel, dim3(kImages, kWords / kWordTile), kThreads, kStages * kStageBytes + 2 * kStages * 8,
        tensor_map<Bf16>(p.device_codebook, kWords, kWidth, kWordTile), tensor_map<Bf16>(p.device_tokens, kImages * kTokens, kWidth, kTokens),
        p.best);
  });
}
