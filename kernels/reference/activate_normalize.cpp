#include "elements.h"

namespace lexvla::reference {
namespace {

/** The divisor of a row; a NaN norm stays NaN. */
double divisor(double norm) { return norm < LEXVLA_NORM_EPS ? double{LEXVLA_NORM_EPS} : norm; }

}  // namespace

void activate_normalize_forward(
    const lexvla_exec *, const float *scores, int64_t rows, int64_t words, float *activations, float *norms) {
  for (int64_t b = 0; b < rows; ++b) {
    double squares = 0;
    for (int64_t v = 0; v < words; ++v) {
      const double a = elu1p(scores[b * words + v]);
      squares += a * a;
    }
    const double norm = std::sqrt(squares);
    for (int64_t v = 0; v < words; ++v) {
      activations[b * words + v] = static_cast<float>(elu1p(scores[b * words + v]) / divisor(norm));
    }
    norms[b] = static_cast<float>(norm);
  }
}

void activate_normalize_backward(const lexvla_exec *, const float *grad_activations, const float *scores, const float *norms,
    int64_t rows, int64_t words, float *grad_scores) {
  for (int64_t b = 0; b < rows; ++b) {
    const double n = divisor(norms[b]);
    double dot = 0;
    if (norms[b] > LEXVLA_NORM_EPS) {
      for (int64_t v = 0; v < words; ++v) dot += grad_activations[b * words + v] * (elu1p(scores[b * words + v]) / n);
    }
    for (int64_t v = 0; v < words; ++v) {
      const double x = scores[b * words + v];
      const double s = elu1p(x) / n;
      const double along = norms[b] > LEXVLA_NORM_EPS ? s * dot : 0.0;
      const double slope = x >= 0 ? 1.0 : std::exp(x);
      grad_scores[b * words + v] = static_cast<float>((grad_activations[b * words + v] - along) / n * slope);
    }
  }
}

void token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook, int64_t count, int64_t width,
    int64_t words, float *activations, float *norms) {
  (void)exec;
  for (int64_t i = 0; i < count; ++i) {
    double squares = 0;
    // Twice the same sums rather than a row of doubles: the reference favours few lines.
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t v = 0; v < words; ++v) {
        double score = 0;
        for (int64_t k = 0; k < width; ++k) score += element(tokens, type, i * width + k) * element(codebook, type, v * width + k);
        const double a = elu1p(score);
        if (pass == 0) {
          squares += a * a;
        } else {
          activations[i * words + v] = static_cast<float>(a / divisor(std::sqrt(squares)));
        }
      }
    }
    norms[i] = static_cast<float>(std::sqrt(squares));
  }
}

}  // namespace lexvla::reference
