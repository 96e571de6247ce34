/* activate_normalize, forward and backward: one task per row, two passes over it, sums in double. */
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** What a row is divided by; a NaN norm stays NaN. */
inline double divisor(double norm) { return norm < static_cast<double>(LEXVLA_NORM_EPS) ? static_cast<double>(LEXVLA_NORM_EPS) : norm; }

inline D widen(F x) { return __builtin_convertvector(x, D); }
inline F narrow(D x) { return __builtin_convertvector(x, F); }

/** Calls step(loaded, i, lanes) for every vector of a row; lanes < kLanes in the last one. */
template <class Step>
inline void for_each_vector(int64_t words, const Step &step) {
  int64_t v = 0;
  for (; v + kLanes <= words; v += kLanes) step(v, int64_t{kLanes});
  if (v < words) step(v, words - v);
}

inline F load_lanes(const float *p, int64_t lanes, float fill) { return lanes == kLanes ? load(p) : load_first(p, lanes, fill); }

inline void store_lanes(float *p, int64_t lanes, F x) {
  if (lanes == kLanes) {
    store(p, x);
  } else {
    store_first(p, lanes, x);
  }
}

/** exp of it is 0: what a missing lane of scores is filled with. */
constexpr float kNothing = -__builtin_inff();

inline float forward_row(const float *scores, int64_t words, float *activations) {
  D squares{};
  for_each_vector(words, [&](int64_t v, int64_t lanes) {
    const F a = elu1p(load_lanes(scores + v, lanes, kNothing));
    squares += widen(a) * widen(a);
    store_lanes(activations + v, lanes, a);
  });
  const double norm = __builtin_sqrt(sum(squares));
  const D inverse = splat(1.0 / divisor(norm));
  for_each_vector(words, [&](int64_t v, int64_t lanes) {
    store_lanes(activations + v, lanes, narrow(widen(load_lanes(activations + v, lanes, 0)) * inverse));
  });
  return static_cast<float>(norm);
}

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
  parallel(threads, rows, [&](int, int64_t b) { norms[b] = forward_row(scores + b * words, words, activations + b * words); });
}

void activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations, const float *scores, const float *norms,
    int64_t rows, int64_t words, float *grad_scores) {
  const int threads = job_threads(*exec, rows, 40.0 * static_cast<double>(rows) * static_cast<double>(words));
  parallel(threads, rows, [&](int, int64_t b) {
    backward_row(grad_activations + b * words, scores + b * words, norms[b], words, grad_scores + b * words);
  });
}

}  // namespace lexvla::LEXVLA_ISA
