/*
 * Sparsification: of values as they are (sparsify_*), and of raw scores that are activated and normalised on the way
 * (activate_sparsify_*), of which a row lies in cache for as long as it is looked at.
 *
 * With room for all that could be kept, each row is read once: written where the row would be if all before it were full, then
 * moved up. With less, the rows are counted first.
 */
#include "../core/select.h"
#include "activate.h"

namespace lexvla::LEXVLA_ISA {
namespace {

inline uint32_t bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

/** A bit for each lane of a mask. */
inline uint32_t bits_of(I mask) {
#if LEXVLA_LANES == 16
  return static_cast<uint16_t>(__builtin_ia32_cvtd2mask512(mask));
#elif LEXVLA_LANES == 8
  return static_cast<uint32_t>(__builtin_ia32_movmskps256(reinterpret_cast<F>(mask)));
#elif defined(__SSE__)
  return static_cast<uint32_t>(__builtin_ia32_movmskps(reinterpret_cast<F>(mask)));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(mask[i] & 1) << i;
  return bits;
#endif
}

/** Calls take(id) for every entry whose lane keep(values) sets, ids ascending. A lane of 0 must not be kept. */
template <class Keep, class Take>
inline void for_each_kept(const float *row, int64_t words, const Keep &keep, const Take &take) {
  for_each_vector(words, [&](int64_t v, int64_t lanes) {
    for (uint32_t bits = bits_of(keep(load_lanes(row + v, lanes, 0))); bits != 0; bits &= bits - 1) take(v + __builtin_ctz(bits));
  });
}

/** How many entries keep(values) sets. */
template <class Keep>
inline int64_t count_kept(const float *row, int64_t words, const Keep &keep) {
  int64_t n = 0;
  for_each_vector(words, [&](int64_t v, int64_t lanes) { n += __builtin_popcount(bits_of(keep(load_lanes(row + v, lanes, 0)))); });
  return n;
}

/** Keeps what is not 0 and not below the threshold. */
struct AboveThreshold {
  float threshold;

  I operator()(F x) const { return (x != F{}) & ~(x < splat(threshold)); }

  int64_t most(int64_t words) const { return words; }

  int64_t count(const float *row, int64_t words) const { return count_kept(row, words, *this); }

  int64_t write(const float *row, int64_t words, int32_t *ids, float *weights) const {
    int64_t n = 0;
    for_each_kept(row, words, *this, [&](int64_t v) {
      ids[n] = static_cast<int32_t>(v);
      weights[n++] = row[v];
    });
    return n;
  }
};

/** Keeps the k best that are positive or NaN. */
struct Best {
  int64_t k;

  int64_t most(int64_t words) const { return smaller(words, k); }

  int64_t count(const float *row, int64_t words) const {
    return smaller(count_kept(row, words, [](F x) { return ~(x <= F{}); }), k);
  }

  int64_t write(const float *row, int64_t words, int32_t *ids, float *weights) const {
    if (k == 0) return 0;
    const Cut cut = cut_of(row, words, k);
    int64_t n = 0, ties = cut.ties;
    // What ranks at least as high as the cut, in the order of floats: NaN passes both.
    float least = 0;
    const uint32_t least_bits = cut.rank == UINT32_MAX ? 0x7f800000u : cut.rank;
    __builtin_memcpy(&least, &least_bits, sizeof least);
    const auto candidate = [least](F x) { return ~(x < splat(least)) & ~(x <= F{}); };
    for_each_kept(row, words, candidate, [&](int64_t v) {
      const uint32_t rank = rank_of(bits_of(row[v]));
      if (rank < cut.rank || (rank == cut.rank && ties-- <= 0)) return;
      ids[n] = static_cast<int32_t>(v);
      weights[n++] = row[v];
    });
    return n;
  }
};

/** Rows that are there. */
struct Values {
  const float *values;
  int64_t words;

  int64_t scratch() const { return 0; }
  double work() const { return 2; }
  const float *row(int64_t b, float *) const { return values + b * words; }
};

/** Rows that are made of scores, one at a time. */
struct Activated {
  const float *scores;
  int64_t words;

  int64_t scratch() const { return words; }
  double work() const { return 20; }
  const float *row(int64_t b, float *scratch) const {
    activate_row(scores + b * words, words, scratch);
    return scratch;
  }
};

/** Makes of the counts in offsets[1 .. rows] their sums; returns the last. */
int64_t sum_offsets(int64_t rows, int32_t *offsets) {
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
  return entries;
}

template <class Source, class Rule>
void compress(const lexvla_exec &exec, const Source &source, int64_t rows, const Rule &rule, int64_t capacity, int32_t *offsets,
    int32_t *ids, float *weights) {
  const int64_t words = source.words, most = rule.most(words);
  const int threads = job_threads(exec, rows, source.work() * static_cast<double>(rows) * static_cast<double>(words));
  const Buffer memory(larger(threads * source.scratch(), 1) * 4);
  const auto row_of = [&](int slot, int64_t b) { return source.row(b, static_cast<float *>(memory.data()) + slot * source.scratch()); };
  const bool wanted = ids != nullptr && weights != nullptr;
  if (wanted && (most == 0 || rows <= capacity / most)) {
    parallel(threads, rows, [&](int slot, int64_t b) {
      offsets[b + 1] = static_cast<int32_t>(rule.write(row_of(slot, b), words, ids + b * most, weights + b * most));
    });
    sum_offsets(rows, offsets);
    for (int64_t b = 1; b < rows; ++b) {
      const uint64_t bytes = static_cast<uint64_t>(offsets[b + 1] - offsets[b]) * 4;
      __builtin_memmove(ids + offsets[b], ids + b * most, bytes);
      __builtin_memmove(weights + offsets[b], weights + b * most, bytes);
    }
    return;
  }
  parallel(threads, rows, [&](int slot, int64_t b) { offsets[b + 1] = static_cast<int32_t>(rule.count(row_of(slot, b), words)); });
  const int64_t entries = sum_offsets(rows, offsets);
  if (!wanted) return;
  if (entries > capacity) {
    fail(LEXVLA_CAPACITY, "%lld entries are kept, capacity %lld: come back with at least offsets[rows]",
        static_cast<long long>(entries), static_cast<long long>(capacity));
  }
  parallel(threads, rows, [&](int slot, int64_t b) { rule.write(row_of(slot, b), words, ids + offsets[b], weights + offsets[b]); });
}

}  // namespace

void sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  compress(*exec, Values{values, words}, rows, AboveThreshold{threshold}, capacity, offsets, ids, weights);
}

void sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  compress(*exec, Values{values, words}, rows, Best{k}, capacity, offsets, ids, weights);
}

void activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float threshold,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
  compress(*exec, Activated{scores, words}, rows, AboveThreshold{threshold}, capacity, offsets, ids, weights);
}

void activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  compress(*exec, Activated{scores, words}, rows, Best{k}, capacity, offsets, ids, weights);
}

}  // namespace lexvla::LEXVLA_ISA
