#include <algorithm>
#include <vector>

#include "../core/failure.h"
#include "elements.h"

namespace lexvla::reference {
namespace {

/** Writes the CSR of the entries that keep(row, id) names: offsets always, ids and weights where they are wanted and fit. */
template <class Keep>
void compress(const float *values, int64_t rows, int64_t words, int64_t capacity, int32_t *offsets, int32_t *ids, float *weights,
    Keep keep) {
  int64_t entries = 0;
  for (int64_t b = 0; b < rows; ++b) {
    offsets[b] = static_cast<int32_t>(entries);
    for (int64_t v = 0; v < words; ++v) {
      if (!keep(b, v)) continue;
      if (ids != nullptr && entries < capacity) {
        ids[entries] = static_cast<int32_t>(v);
        weights[entries] = values[b * words + v];
      }
      ++entries;
    }
    if (entries > INT32_MAX) {
      fail(LEXVLA_CAPACITY, "rows 0 to %lld keep %lld entries, limit 2147483647 of 32-bit offsets: pass fewer rows",
          static_cast<long long>(b), static_cast<long long>(entries));
    }
  }
  offsets[rows] = static_cast<int32_t>(entries);
  if (ids != nullptr && entries > capacity) {
    fail(LEXVLA_CAPACITY, "%lld entries are kept, capacity %lld: come back with at least offsets[rows]",
        static_cast<long long>(entries), static_cast<long long>(capacity));
  }
}

}  // namespace

void sparsify_threshold(const lexvla_exec *, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  compress(values, rows, words, capacity, offsets, ids, weights, [&](int64_t b, int64_t v) {
    const float x = values[b * words + v];
    return x != 0 && !(x < threshold);
  });
}

void sparsify_top_k(const lexvla_exec *, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  std::vector<char> kept(rows * words);
  std::vector<int64_t> order;
  for (int64_t b = 0; b < rows; ++b) {
    const float *row = values + b * words;
    order.clear();
    for (int64_t v = 0; v < words; ++v) {
      if (!(row[v] <= 0)) order.push_back(v);
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return ranks_before(row[i], row[j]); });
    for (int64_t i = 0; i < std::min<int64_t>(k, order.size()); ++i) kept[b * words + order[i]] = 1;
  }
  compress(values, rows, words, capacity, offsets, ids, weights, [&](int64_t b, int64_t v) { return kept[b * words + v] != 0; });
}

void activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float threshold,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
  std::vector<float> activations(rows * words), norms(rows);
  activate_normalize_forward(exec, scores, rows, words, activations.data(), norms.data());
  sparsify_threshold(exec, activations.data(), rows, words, threshold, capacity, offsets, ids, weights);
}

void activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  std::vector<float> activations(rows * words), norms(rows);
  activate_normalize_forward(exec, scores, rows, words, activations.data(), norms.data());
  sparsify_top_k(exec, activations.data(), rows, words, k, capacity, offsets, ids, weights);
}

}  // namespace lexvla::reference
