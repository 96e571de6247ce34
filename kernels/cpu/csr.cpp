/*
 * csr_dot and csr_top_k. A few rows of `a` are laid out densely, interleaved so that all their weights of one word are one
 * vector; a row of `b` then multiplies each of its entries with one such vector: no gather, kLanes products at a time.
 *
 * A word that only `b` has meets a 0 there. That is harmless unless its weight is infinite or NaN, and then the product is
 * NaN: so a product that is not finite is computed once more by walking both rows.
 */
#include "../core/select.h"
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** Dense rows beyond this many words would leave the cache: such products are walked. */
constexpr int64_t kDenseWords = int64_t{1} << 21;
constexpr int64_t kRowsPerTask = 256;

/** A sparse matrix. */
struct Csr {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;

  int64_t size(int64_t row) const { return offsets[row + 1] - offsets[row]; }
};

float walk(const int32_t *a_ids, const float *a_weights, int64_t a_size, const int32_t *b_ids, const float *b_weights, int64_t b_size) {
  float total = 0;
  for (int64_t i = 0, j = 0; i < a_size && j < b_size;) {
    const int32_t x = a_ids[i], y = b_ids[j];
    if (x == y) total += a_weights[i] * b_weights[j];
    i += x <= y;
    j += y <= x;
  }
  return total;
}

inline bool is_finite(float x) { return x - x == 0; }

/** Products of up to kLanes rows of a with rows [first, end) of b. */
void products_of(const Csr &a, int64_t a_first, int64_t a_rows, const Csr &b, int64_t first, int64_t end, int64_t words, float *dense,
    float *products, int64_t stride) {
  const bool walked = dense == nullptr;
  if (!walked) {
    for (int64_t i = 0; i < words * kLanes; ++i) dense[i] = 0;
    for (int64_t lane = 0; lane < a_rows; ++lane) {
      for (int64_t e = a.offsets[a_first + lane]; e < a.offsets[a_first + lane + 1]; ++e) {
        dense[int64_t{a.ids[e]} * kLanes + lane] = a.weights[e];
      }
    }
  }
  for (int64_t j = first; j < end; ++j) {
    const int64_t size = b.size(j);
    const int32_t *ids = size > 0 ? b.ids + b.offsets[j] : nullptr;
    const float *weights = size > 0 ? b.weights + b.offsets[j] : nullptr;
    F total{};
    if (!walked) {
      F part[4] = {};
      int64_t e = 0;
      for (; e + 4 <= size; e += 4) {
        LEXVLA_UNROLL
        for (int u = 0; u < 4; ++u) part[u] += splat(weights[e + u]) * load(dense + int64_t{ids[e + u]} * kLanes);
      }
      for (; e < size; ++e) part[0] += splat(weights[e]) * load(dense + int64_t{ids[e]} * kLanes);
      total = (part[0] + part[1]) + (part[2] + part[3]);
    }
    for (int64_t lane = 0; lane < a_rows; ++lane) {
      float product = total[lane];
      if (walked || !is_finite(product)) {
        const int64_t row = a_first + lane, a_size = a.size(row);
        product = a_size == 0 ? 0 : walk(a.ids + a.offsets[row], a.weights + a.offsets[row], a_size, ids, weights, size);
      }
      products[lane * stride + j] = product;
    }
  }
}

void products(const lexvla_exec &exec, const Csr &a, int64_t a_rows, const Csr &b, int64_t b_rows, int64_t words, float *out) {
  if (a_rows == 0 || b_rows == 0) return;
  const int64_t groups = blocks_of(a_rows, kLanes), blocks = blocks_of(b_rows, kRowsPerTask);
  const double entries = static_cast<double>(b.offsets[b_rows]) - static_cast<double>(b.offsets[0]);
  const int threads = job_threads(exec, groups * blocks, static_cast<double>(groups) * (8.0 * entries + static_cast<double>(words)));
  const bool dense = words <= kDenseWords;
  const Buffer memory(dense ? larger(threads * words * kLanes, 1) * 4 : 4);
  parallel(threads, groups * blocks, [&](int slot, int64_t task) {
    const int64_t first = task % blocks * kRowsPerTask, lane_row = task / blocks * kLanes;
    products_of(a, lane_row, smaller(kLanes, a_rows - lane_row), b, first, smaller(first + kRowsPerTask, b_rows), words,
        dense ? static_cast<float *>(memory.data()) + slot * words * kLanes : nullptr, out + lane_row * b_rows, b_rows);
  });
}

}  // namespace

void csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t words, float *out) {
  products(*exec, {a_offsets, a_ids, a_weights}, a_rows, {b_offsets, b_ids, b_weights}, b_rows, words, out);
}

void csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  const int32_t query_offsets[2] = {0, static_cast<int32_t>(query_size)};
  const Buffer memory(larger(rows, 1) * 4);
  float *const scores = static_cast<float *>(memory.data());
  products(*exec, {query_offsets, query_ids, query_weights}, 1, {offsets, ids, weights}, rows, words, scores);
  *hits = best_of(scores, rows, smaller(k, rows), hit_rows, hit_scores);
  for (int64_t i = *hits; i < k; ++i) {
    hit_rows[i] = -1;
    hit_scores[i] = 0;
  }
}

}  // namespace lexvla::LEXVLA_ISA
