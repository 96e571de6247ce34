/* elu1p and l2-normalisation of one row: what activate_normalize and the sparsification of raw scores share, bit for bit. */
#ifndef LEXVLA_CPU_ACTIVATE_H
#define LEXVLA_CPU_ACTIVATE_H

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

/** Activations of a row of scores, which may be the same memory; returns the norm. Two passes, the sum in double. */
inline float activate_row(const float *scores, int64_t words, float *activations) {
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

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
