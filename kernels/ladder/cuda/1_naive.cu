/* As it is written down: a thread has a word and a token, and sums over the width from device memory. */
#include "steps.h"

using namespace ladder;

__global__ void __launch_bounds__(256) kernel(const Bf16 *tokens, const Bf16 *codebook, unsigned *best) {
  const int64_t row = blockIdx.x, word = blockIdx.y * int64_t{256} + threadIdx.x;
  float sum = 0;
  for (int64_t k = 0; k < kWidth; ++k) {
    sum = fmaf(lexvla::cuda::value(tokens[row * kWidth + k]), lexvla::cuda::value(codebook[word * kWidth + k]), sum);
  }
  send(best, row / kTokens, word, sum);
}

int main() {
  return climb("1 naive", 8, [](const Problem &p) {
    launch(kernel, dim3(kImages * kTokens, kWords / 256), 256, 0, p.device_tokens, p.device_codebook, p.best);
  });
}
