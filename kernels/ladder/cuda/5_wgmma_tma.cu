/*
 * Hopper: one warp group multiplies 64 x 256 x 16 at a time straight from shared memory, which one thread has filled by two
 * bulk copies. Nothing overlaps yet.
 */
#include "wgmma_tile.h"

using namespace ladder;

constexpr int kWordTile = 64, kWordBytes = kWordTile * kSwizzleBytes;

__global__ void __launch_bounds__(128, 1)
    kernel(const __grid_constant__ TensorMap codes, const __grid_constant__ TensorMap tokens, unsigned *best) {
  LEXVLA_DYNAMIC_SHARED(shared);
  char *const words = shared, *const rows = shared + kWordBytes;
  uint64_t *const full = reinterpret_cast<uint64_t *>(rows + kRowBytes);
  if (threadIdx.x == 0) {
    init_barrier(full, 1);
    fence_barriers();
  }
  __syncthreads();
  float sum[kSums];
  for (int step = 0; step < kSteps; ++step) {
    if (threadIdx.x == 0) {
      arrive_expecting(full, kWordBytes + kRowBytes);
      copy_box(words, codes, step * kDepth, static_cast<int>(blockIdx.y) * kWordTile, full);
      copy_box(rows, tokens, step * kDepth, static_cast<int>(blockIdx.x) * kTokens, full);
    }
    wait_for(full, step % 2);
    begin_products();
    multiply(sum, words, rows, step > 0);
    commit_products();
    wait_for_products<0>();
    __syncthreads();  // what was copied has been read
  }
  finish(sum, int64_t{blockIdx.y} * kWordTile, blockIdx.x, best);
}

int main() {
  return climb("5 wgmma, operands by bulk copies", 9, [](const Problem &p) {
    launch(kernel, dim3(kImages, kWords / kWordTile), 128, kWordBytes + kRowBytes + 8, tensor_map<Bf16>(p.device_codebook, kWords, kWidth, kWordTile),
        tensor_map<Bf16>(p.device_tokens, kImages * kTokens, kWidth, kTokens), p.best);
  });
}
