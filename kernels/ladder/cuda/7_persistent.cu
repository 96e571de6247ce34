/*
 * The library's kernel: clusters of two blocks that share the tokens they fetch, stay, and take tiles in an order that keeps
 * both operands in L2; winners, masks and any shape besides. ../../cuda/sm90_project_max.cu.
 */
#include <lexvla/kernels.h>

#include "steps.h"

using namespace ladder;

/** The scores in the form that the other steps leave them in. */
__global__ void __launch_bounds__(256) order_kernel(const float *scores, unsigned *best) {
  const int64_t i = blockIdx.x * int64_t{256} + threadIdx.x;
  if (i < int64_t{kImages} * kWords) best[i] = ordered(__float_as_uint(scores[i]));
}

int main() {
  float *scores = nullptr;
  void *workspace = nullptr;
  int64_t needed = 0;
  lexvla_exec exec{};
  return climb("7 persistent clusters: the library's kernel", 9, [&](const Problem &p) {
    const auto call = [&] {
      const int32_t status = lexvla_project_max_forward(
          &exec, LEXVLA_BFLOAT16, p.device_tokens, nullptr, p.device_codebook, kImages, kTokens, kWidth, kWords, scores, nullptr);
      if (status != LEXVLA_OK) {
        std::printf("%s\n", lexvla_last_error());
        std::exit(1);
      }
    };
    if (scores == nullptr) {
      require(cudaMalloc(reinterpret_cast<void **>(&scores), int64_t{kImages} * kWords * 4), "cudaMalloc");
      exec.workspace_needed = &needed;
      call();
      exec.workspace_needed = nullptr;
      require(cudaMalloc(&workspace, static_cast<size_t>(needed)), "cudaMalloc");
      exec.workspace = workspace;
      exec.workspace_bytes = needed;
    }
    call();
    launch(order_kernel, dim3((kImages * kWords + 255) / 256), 256, 0, scores, p.best);
  });
}
