/* Sparse matrices for the tests of what takes them. */
#ifndef LEXVLA_TESTS_CSR_H
#define LEXVLA_TESTS_CSR_H

#include "support.h"

namespace lexvla::tests {

struct Csr {
  Input<int32_t> offsets, ids;
  Input<float> weights;
  int64_t rows;

  Csr magnitudes() const {
    std::vector<float> absolute(weights.data(), weights.data() + weights.size());
    for (float &x : absolute) x = std::fabs(x);
    return {copy(offsets), copy(ids), absolute, rows};
  }

  template <class T>
  static Input<T> copy(const Input<T> &input) {
    return std::vector<T>(input.data(), input.data() + input.size());
  }
};

/** Rows of random length, some empty; the offsets begin at `start`, as those of a slice do. */
inline Csr random_csr(Random &random, int64_t rows, int64_t words, double density, int64_t start = 0) {
  std::vector<int32_t> offsets{static_cast<int32_t>(start)}, ids(start, -7);  // ids before the slice are no business of ours
  std::vector<float> weights(start, kNaN);
  for (int64_t row = 0; row < rows; ++row) {
    const double share = row % 5 == 3 ? 0 : row % 5 == 4 ? std::min(1.0, 4 * density) : density;
    for (int64_t v = 0; v < words; ++v) {
      if (!random.chance(share)) continue;
      ids.push_back(static_cast<int32_t>(v));
      weights.push_back(random.normal());
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  return {offsets, ids, weights, rows};
}

/** One row that is no slice. */
inline Csr row_of(std::vector<int32_t> ids, std::vector<float> weights) {
  return {std::vector<int32_t>{0, static_cast<int32_t>(ids.size())}, ids, weights, 1};
}

}  // namespace lexvla::tests

#endif
