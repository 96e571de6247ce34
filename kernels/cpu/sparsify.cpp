/*
 * sparsify_threshold and sparsify_top_k: each row is counted, the counts are summed to offsets, each row is written. A
 * row of a vocabulary is mostly not kept, so what is skipped is skipped a stretch at a time.
 */
#include "../core/select.h"
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

constexpr int64_t kStretch = 64;

inline uint32_t bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

/** Keeps what is not 0 and not below the threshold. */
struct AboveThreshold {
  float threshold;

  bool operator()(float x) const { return (x != 0) & !(x < threshold); }

  int64_t count(const float *row, int64_t words) const {
    int64_t n = 0;
    for (int64_t v = 0; v < words; ++v) n += (*this)(row[v]);
    return n;
  }

  void write(const float *row, int64_t words, int32_t *ids, float *weights) const {
    int64_t n = 0;
    for (int64_t first = 0; first < words; first += kStretch) {
      const int64_t end = smaller(first + kStretch, words);
      int32_t any = 0;
      for (int64_t v = first; v < end; ++v) any |= (*this)(row[v]);
      if (any == 0) continue;
      for (int64_t v = first; v < end; ++v) {
        if (!(*this)(row[v])) continue;
        ids[n] = static_cast<int32_t>(v);
        weights[n++] = row[v];
      }
    }
  }
};

/** Keeps the k best that are positive or NaN. */
struct Best {
  int64_t k;

  int64_t count(const float *row, int64_t words) const {
    int64_t n = 0;
    for (int64_t v = 0; v < words; ++v) n += !(row[v] <= 0);
    return smaller(n, k);
  }

  void write(const float *row, int64_t words, int32_t *ids, float *weights) const {
    if (k == 0) return;
    const Cut cut = cut_of(row, words, k);
    int64_t n = 0, ties = cut.ties;
    for (int64_t v = 0; v < words; ++v) {
      const uint32_t rank = rank_of(bits_of(row[v]));
      if (rank < cut.rank || rank == 0) continue;
      if (rank == cut.rank && ties-- <= 0) continue;
      ids[n] = static_cast<int32_t>(v);
      weights[n++] = row[v];
    }
  }
};

template <class Rule>
void compress(const lexvla_exec &exec, const float *values, int64_t rows, int64_t words, const Rule &rule, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  const int threads = job_threads(exec, rows, 2.0 * static_cast<double>(rows) * static_cast<double>(words));
  parallel(threads, rows, [&](int, int64_t b) { offsets[b + 1] = static_cast<int32_t>(rule.count(values + b * words, words)); });
  int64_t entries = 0;
  offsets[0] = 0;
  for (int64_t b = 0; b < rows; ++b) {
    entries += offsets[b + 1];
    if (entries > INT32_MAX) {
      fail(LEXVLA_CAPACITY, "rows 0 to %lld keep %lld entries, limit 2147483647 of 32-bit offsets: pass fewer rows",
          static_cast<long long>(b), static_cast<long long>(entries));
    }
    offsets[b + 1] = static_cast<int32_t>(entries);
  }
  if (ids == nullptr || weights == nullptr) return;
  if (entries > capacity) {
    fail(LEXVLA_CAPACITY, "%lld entries are kept, capacity %lld: come back with at least offsets[rows]",
        static_cast<long long>(entries), static_cast<long long>(capacity));
  }
  parallel(threads, rows,
      [&](int, int64_t b) { rule.write(values + b * words, words, ids + offsets[b], weights + offsets[b]); });
}

}  // namespace

void sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  compress(*exec, values, rows, words, AboveThreshold{threshold}, capacity, offsets, ids, weights);
}

void sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  compress(*exec, values, rows, words, Best{k}, capacity, offsets, ids, weights);
}

}  // namespace lexvla::LEXVLA_ISA
