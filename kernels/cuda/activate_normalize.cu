/* activate_normalize, forward and backward: one block per row, two passes over it, sums in double. */
#include "launchers.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    forward_kernel(const float *scores, int64_t rows, int64_t words, float *activations, float *norms) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const RowScale scale = scale_of<kThreads>(scores + b * words, words);
    // Each thread reads what only it overwrites: activations may be scores.
    for (int64_t v = threadIdx.x; v < words; v += kThreads) activations[b * words + v] = activation(scores[b * words + v], scale.inverse);
    if (threadIdx.x == 0) norms[b] = static_cast<float>(scale.norm);
  }
}

__global__ void __launch_bounds__(kThreads) backward_kernel(
    const float *grad_activations, const float *scores, const float *norms, int64_t rows, int64_t words, float *grad_scores) {
  for (int64_t b = blockIdx.x; b < rows; b += gridDim.x) {
    const float norm = norms[b];
    const double inverse = 1.0 / divisor(norm);
    double along = 0;  // (h . s) / n, by which each a is multiplied; 0 where the divisor is a constant
    if (norm > LEXVLA_NORM_EPS) {
      double products = 0;
      for (int64_t v = threadIdx.x; v < words; v += kThreads) {
        products += static_cast<double>(grad_activations[b * words + v]) * elu1p(scores[b * words + v]);
      }
      along = block_sum<kThreads>(products) * inverse * inverse;
    }
    for (int64_t v = threadIdx.x; v < words; v += kThreads) {
      const float score = scores[b * words + v];
      const double grad = grad_activations[b * words + v] - elu1p(score) * along;
      grad_scores[b * words + v] = static_cast<float>(grad * inverse * elu1p_slope(score));
    }
  }
}

}  // namespace

void activate_normalize_forward(
    const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float *activations, float *norms) {
  const Call call(*exec);
  if (call.only_asked() || rows == 0) return;
  call.launch("forward_kernel", forward_kernel, grid_of(rows), kThreads, 0, scores, rows, words, activations, norms);
}

void activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations, const float *scores, const float *norms,
    int64_t rows, int64_t words, float *grad_scores) {
  const Call call(*exec);
  if (call.only_asked() || rows == 0) return;
  call.launch("backward_kernel", backward_kernel, grid_of(rows), kThreads, 0, grad_activations, scores, norms, rows, words,
      grad_scores);
}

}  // namespace lexvla::cuda
