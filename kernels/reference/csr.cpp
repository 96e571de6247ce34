#include <algorithm>
#include <vector>

#include "elements.h"

namespace lexvla::reference {
namespace {

/** Dot product of two sparse vectors with ascending ids, by walking both. */
double sparse_dot(const int32_t *a_ids, const float *a_weights, int64_t a_size, const int32_t *b_ids, const float *b_weights,
    int64_t b_size) {
  double sum = 0;
  int64_t i = 0, j = 0;
  while (i < a_size && j < b_size) {
    if (a_ids[i] < b_ids[j]) {
      ++i;
    } else if (a_ids[i] > b_ids[j]) {
      ++j;
    } else {
      sum += double{a_weights[i++]} * b_weights[j++];
    }
  }
  return sum;
}

}  // namespace

void csr_dot(const lexvla_exec *, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t, float *products) {
  for (int64_t i = 0; i < a_rows; ++i) {
    for (int64_t j = 0; j < b_rows; ++j) {
      products[i * b_rows + j] = static_cast<float>(sparse_dot(a_ids + a_offsets[i], a_weights + a_offsets[i],
          a_offsets[i + 1] - a_offsets[i], b_ids + b_offsets[j], b_weights + b_offsets[j], b_offsets[j + 1] - b_offsets[j]));
    }
  }
}

void csr_top_k(const lexvla_exec *, const int32_t *query_ids, const float *query_weights, int64_t query_size, const int32_t *offsets,
    const int32_t *ids, const float *weights, int64_t rows, int64_t, int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits) {
  std::vector<float> score(rows);
  std::vector<int32_t> order;
  for (int64_t j = 0; j < rows; ++j) {
    score[j] = static_cast<float>(sparse_dot(
        query_ids, query_weights, query_size, ids + offsets[j], weights + offsets[j], offsets[j + 1] - offsets[j]));
    if (!(score[j] <= 0)) order.push_back(static_cast<int32_t>(j));
  }
  std::stable_sort(order.begin(), order.end(), [&](int32_t i, int32_t j) { return ranks_before(score[i], score[j]); });
  *hits = std::min<int64_t>(k, order.size());
  for (int64_t i = 0; i < k; ++i) {
    hit_rows[i] = i < *hits ? order[i] : -1;
    hit_scores[i] = i < *hits ? score[order[i]] : 0;
  }
}

void index_size(const lexvla_exec *, int32_t, const int32_t *, const int32_t *, const float *, int64_t, int64_t, int64_t *bytes) {
  *bytes = 0;
}

void index_build(
    const lexvla_exec *, int32_t, const int32_t *, const int32_t *, const float *, int64_t, int64_t, int64_t, void *) {}

void index_check(
    const lexvla_exec *, const void *, int64_t, const int32_t *, const int32_t *, const float *, int64_t, int64_t) {}

void index_search(const lexvla_exec *exec, const void *, int64_t, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids, const float *query_weights, int64_t queries,
    int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits, lexvla_index_work *work) {
  for (int64_t q = 0; q < queries; ++q) {
    csr_top_k(exec, query_ids + query_offsets[q], query_weights + query_offsets[q], query_offsets[q + 1] - query_offsets[q], offsets, ids,
        weights, rows, words, k, hit_rows + q * k, hit_scores + q * k, hits + q);
  }
  if (work != nullptr) *work = {};
}

}  // namespace lexvla::reference
