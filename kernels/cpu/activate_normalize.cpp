/* activate_normalize, forward and backward: one task per row, two passes over it, sums in double. */
#include "activate.h"

namespace lexvla::LEXVLA_ISA {
namespace {

inline void backward_row(const float *grad_activations, const float *scores, float norm, int64_t words, float *grad_scores) {
  const double inverse = 1.0 / divisor(norm);
  double along = 0;  // (h . s) / n, by which each a is multiplied; 0 where the divisor is a constant
  if (norm > LEXVLA_NORM_EPS) {
    D products{};
    for_each_vector(words, [&](int64_t v, int64_t lanes) {
      products += widen(load_lanes(grad_activations + v, lanes, 0)) * widen(elu1p(load_lanes(scores + v, lanes, kNothing)));
    });
    along = sum(products) * inverse * inverse;
  }
  for_each_vector(words, [&](int64_t v, int64_t lanes) {
    const F score = load_lanes(scores + v, lanes, kNothing);
    const D grad = widen(load_lanes(grad_activations + v, lanes, 0)) - widen(elu1p(score)) * along;
    store_lanes(grad_scores + v, lanes, narrow(grad * inverse * widen(elu1p_slope(score))));
  });
}

}  // namespace

void activate_normalize_forward(
    const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float *activations, float *norms) {
  const int threads = job_threads(*exec, rows, 20.0 * static_cast<double>(rows) * static_cast<double>(words));
  parallel(threads, rows, [&](int, int64_t b) { norms[b] = activate_row(scores + b * words, words, activations + b * words); });
}

void activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations, const float *scores, const float *norms,
    int64_t rows, int64_t words, float *grad_scores) {
  const int threads = job_threads(*exec, rows, 40.0 * static_cast<double>(rows) * static_cast<double>(words));
  parallel(threads, rows, [&](int, int64_t b) {
    backward_row(grad_activations + b * words, scores + b * words, norms[b], words, grad_scores + b * words);
  });
}

}  // namespace lexvla::LEXVLA_ISA
