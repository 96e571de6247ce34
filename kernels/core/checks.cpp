#include "checks.h"

#include <cfloat>
#include <cinttypes>
#include <cstdio>
#include <initializer_list>

#include "failure.h"
#include "index_layout.h"
#include "packed.h"

namespace lexvla::checks {
namespace {

void executor(const lexvla_exec *exec) {
  if (exec == nullptr) fail(LEXVLA_INVALID_ARGUMENT, "exec is NULL: pass a lexvla_exec, {LEXVLA_CPU} for the host");
  if (exec->device < LEXVLA_CPU) {
    fail(LEXVLA_INVALID_ARGUMENT, "exec.device is %" PRId32 ": LEXVLA_CPU (-1) or the ordinal of a CUDA device", exec->device);
  }
  if (exec->threads < 0) {
    fail(LEXVLA_INVALID_ARGUMENT, "exec.threads is %" PRId32 ", at least 0: 0 uses every core", exec->threads);
  }
  if (exec->workspace_bytes < 0) {
    fail(LEXVLA_INVALID_ARGUMENT, "exec.workspace_bytes is %" PRId64 ", at least 0", exec->workspace_bytes);
  }
  if (exec->math != LEXVLA_MATH_FLOAT32 && exec->math != LEXVLA_MATH_TF32) {
    fail(LEXVLA_INVALID_ARGUMENT, "exec.math is %" PRId32 ": LEXVLA_MATH_FLOAT32 (0) or LEXVLA_MATH_TF32 (1)", exec->math);
  }
  if (exec->device >= 0 && lexvla_has_cuda() == 0) {
    fail(LEXVLA_UNSUPPORTED, "exec.device is %" PRId32 " but this build has no CUDA kernels: build with LEXVLA_CUDA=ON (Maven: -Pcuda)",
        exec->device);
  }
}

int64_t element_bytes(int32_t type) {
  if (type == LEXVLA_FLOAT32) return 4;
  if (type == LEXVLA_BFLOAT16 || type == LEXVLA_FLOAT16) return 2;
  fail(LEXVLA_INVALID_ARGUMENT, "type is %" PRId32 ": LEXVLA_FLOAT32 (0), LEXVLA_BFLOAT16 (1) or LEXVLA_FLOAT16 (2)", type);
}

void size(const char *name, int64_t value, int64_t limit = INT64_MAX) {
  if (value < 0) fail(LEXVLA_INVALID_ARGUMENT, "%s is %" PRId64 ", at least 0", name, value);
  if (value > limit) fail(LEXVLA_INVALID_ARGUMENT, "%s is %" PRId64 ", limit %" PRId64, name, value, limit);
}

/** An array that must be there unless it has no elements, and whose bytes must be countable. */
void array(const char *name, const void *pointer, std::initializer_list<int64_t> shape, int64_t bytes) {
  int64_t total = bytes;
  for (const int64_t extent : shape) {
    if (extent == 0) return;
  }
  for (const int64_t extent : shape) {
    if (total > INT64_MAX / extent) {
      fail(LEXVLA_INVALID_ARGUMENT, "%s has more than 2^63 bytes (last extent %" PRId64 ")", name, extent);
    }
    total *= extent;
  }
  if (pointer == nullptr) fail(LEXVLA_INVALID_ARGUMENT, "%s is NULL, but has %" PRId64 " elements", name, total / bytes);
  if (reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) != 0) {
    fail(LEXVLA_INVALID_ARGUMENT, "%s is at %p, not a multiple of its element's %" PRId64 " bytes", name, pointer, bytes);
  }
}

void optional_array(const char *name, const void *pointer, std::initializer_list<int64_t> shape, int64_t bytes) {
  if (pointer != nullptr) array(name, pointer, shape, bytes);
}

/** The ids of one sparse row: ascending, within the vocabulary. `row` < 0 names the query instead. */
void ids_ascend(const char *name, int64_t row, const int32_t *ids, int64_t entries, int64_t words) {
  // One branch per row, not per entry: this loop has to keep up with memory.
  int32_t wrong = entries > 0 && (ids[0] < 0 || ids[entries - 1] >= words);
  for (int64_t i = 1; i < entries; ++i) wrong |= ids[i] <= ids[i - 1];
  if (wrong == 0) return;
  char where[32] = "";
  if (row >= 0) std::snprintf(where, sizeof where, "row %" PRId64 ": ", row);
  for (int64_t i = 0; i < entries; ++i) {
    if (ids[i] < 0 || ids[i] >= words) {
      fail(LEXVLA_INVALID_ARGUMENT, "%s: %sid %" PRId32 " at entry %" PRId64 ", limit %" PRId64 " words", name, where, ids[i], i, words);
    }
    if (i > 0 && ids[i] <= ids[i - 1]) {
      fail(LEXVLA_INVALID_ARGUMENT, "%s: %sid %" PRId32 " follows %" PRId32 " at entry %" PRId64 ": sort the ids and merge equal ones",
          name, where, ids[i], ids[i - 1], i);
    }
  }
}

void csr(const lexvla_exec *exec, const char *name, const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows,
    int64_t words) {
  if (rows == 0) return;
  array(name, offsets, {rows + 1}, 4);
  if (exec->device != LEXVLA_CPU) return;
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t begin = offsets[row], end = offsets[row + 1];
    if (begin < 0 || end < begin) {
      fail(LEXVLA_INVALID_ARGUMENT, "%s: row %" PRId64 " is from %" PRId32 " to %" PRId32 ": offsets must not be negative nor descend",
          name, row, begin, end);
    }
    if (begin == end) continue;
    if (ids == nullptr || weights == nullptr) {
      fail(LEXVLA_INVALID_ARGUMENT, "%s: row %" PRId64 " has entries, but ids or weights is NULL", name, row);
    }
    ids_ascend(name, row, ids + begin, end - begin, words);
  }
}

/** The weights of a CSR matrix that has passed its check: an index takes neither negative ones nor NaN nor infinities. */
void impacts_of(const char *name, const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t begin = offsets[row], end = offsets[row + 1];
    int32_t wrong = 0;
    for (int64_t e = begin; e < end; ++e) wrong |= !(weights[e] >= 0 && weights[e] <= FLT_MAX);
    for (int64_t e = begin; wrong != 0 && e < end; ++e) {
      if (weights[e] >= 0 && weights[e] <= FLT_MAX) continue;
      fail(LEXVLA_INVALID_ARGUMENT,
          "%s: row %" PRId64 ": the weight of id %" PRId32 " is %g, an index takes finite weights of at least 0: csr_top_k takes all", name,
          row, ids[e], static_cast<double>(weights[e]));
    }
  }
}

/** A matrix that is to have an index. */
void indexed(const lexvla_exec *exec, const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words) {
  executor(exec);
  size("rows", rows, INT32_MAX);
  size("words", words, kIndexWords);
  csr(exec, "rows", offsets, ids, weights, rows, words);
  if (exec->device == LEXVLA_CPU) impacts_of("rows", offsets, ids, weights, rows);
}

void index(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows,
    int64_t words) {
  if (impacts != LEXVLA_IMPACTS_8BIT && impacts != LEXVLA_IMPACTS_FLOAT32) {
    fail(LEXVLA_INVALID_ARGUMENT, "impacts is %" PRId32 ": LEXVLA_IMPACTS_8BIT (0) or LEXVLA_IMPACTS_FLOAT32 (1)", impacts);
  }
  indexed(exec, offsets, ids, weights, rows, words);
}

void sparsify(const lexvla_exec *exec, const char *name, const float *values, int64_t rows, int64_t words, int64_t capacity,
    const int32_t *offsets, const int32_t *ids, const float *weights) {
  executor(exec);
  size("rows", rows);
  size("words", words, INT32_MAX);
  size("capacity", capacity);
  array(name, values, {rows, words}, 4);
  if (rows == INT64_MAX) fail(LEXVLA_INVALID_ARGUMENT, "rows is %" PRId64 ": offsets cannot be counted", rows);
  array("offsets", offsets, {rows + 1}, 4);
  if ((ids == nullptr) != (weights == nullptr) && capacity > 0) {
    fail(LEXVLA_INVALID_ARGUMENT, "%s is NULL but %s is not: pass both, or neither to count only", ids == nullptr ? "ids" : "weights",
        ids == nullptr ? "weights" : "ids");
  }
}

void not_nan(float threshold) {
  if (threshold != threshold) fail(LEXVLA_INVALID_ARGUMENT, "threshold is NaN: pass a number, -inf keeps all but 0");
}

}  // namespace

void project_max_forward(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  executor(exec);
  const int64_t bytes = element_bytes(type);
  size("images", images);
  size("count", count, INT32_MAX);
  size("width", width);
  size("words", words, INT32_MAX);
  array("tokens", tokens, {images, count, width}, bytes);
  optional_array("mask", mask, {images, count}, 1);
  array("codebook", codebook, {words, width}, bytes);
  array("scores", scores, {images, words}, 4);
  optional_array("winners", winners, {images, words}, 4);
}

namespace {

/** What is packed is read here, so it must be on the host. */
void host_only(const lexvla_exec *exec) {
  if (exec->device != LEXVLA_CPU) {
    fail(LEXVLA_UNSUPPORTED, "exec.device is %" PRId32 ": codebooks are packed for the CPU only, CUDA takes them as they are",
        exec->device);
  }
}

/** Type and shape of a codebook, of which no packed form may pass 2^62 bytes. */
void packable(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words) {
  executor(exec);
  host_only(exec);
  element_bytes(type);
  if (type == LEXVLA_FLOAT16) fail(LEXVLA_UNSUPPORTED, "type is LEXVLA_FLOAT16 (2), which the CPU has no kernels for: codebooks are packed for it alone");
  size("width", width, INT64_MAX >> 34);
  size("words", words, INT32_MAX);
}

void screenable(int64_t width) { size("width", width, 65536); }

}  // namespace

void packed_codebook_bytes(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words, int64_t *bytes) {
  packable(exec, type, width, words);
  array("bytes", bytes, {1}, 8);
}

void pack_codebook(
    const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words, int64_t capacity, void *packed) {
  packable(exec, type, width, words);
  array("codebook", codebook, {words, width}, element_bytes(type));
  size("capacity", capacity);
  if (packed == nullptr) fail(LEXVLA_INVALID_ARGUMENT, "packed is NULL");
}

void project_max_forward_packed(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *packed,
    int64_t packed_bytes, int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  packable(exec, type, width, words);
  size("packed_bytes", packed_bytes);
  size("images", images);
  size("count", count, INT32_MAX);
  array("tokens", tokens, {images, count, width}, element_bytes(type));
  optional_array("mask", mask, {images, count}, 1);
  packed::check(packed, packed_bytes, type, width, words);
  array("scores", scores, {images, words}, 4);
  optional_array("winners", winners, {images, words}, 4);
}

void screen_codebook_bytes(const lexvla_exec *exec, int32_t type, int64_t width, int64_t words, int64_t *bytes) {
  packable(exec, type, width, words);
  screenable(width);
  array("bytes", bytes, {1}, 8);
}

void screen_codebook(
    const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words, int64_t capacity, void *screen) {
  packable(exec, type, width, words);
  screenable(width);
  array("codebook", codebook, {words, width}, element_bytes(type));
  size("capacity", capacity);
  if (screen == nullptr) fail(LEXVLA_INVALID_ARGUMENT, "screen is NULL");
}

void project_max_forward_screened(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    const void *screen, int64_t screen_bytes, int64_t images, int64_t count, int64_t width, int64_t words, float floor, float deviations,
    float *scores, int32_t *winners, int64_t *) {
  packable(exec, type, width, words);
  screenable(width);
  size("screen_bytes", screen_bytes);
  size("images", images);
  size("count", count, INT32_MAX);
  array("tokens", tokens, {images, count, width}, element_bytes(type));
  optional_array("mask", mask, {images, count}, 1);
  array("codebook", codebook, {words, width}, element_bytes(type));
  packed::check(screen, screen_bytes, type, width, words);
  if (floor != floor) fail(LEXVLA_INVALID_ARGUMENT, "floor is NaN: pass a number, -inf makes every score exact");
  if (!(deviations >= 0)) {
    fail(LEXVLA_INVALID_ARGUMENT, "deviations is %g, at least 0: INFINITY makes the margin a proof", static_cast<double>(deviations));
  }
  array("scores", scores, {images, words}, 4);
  optional_array("winners", winners, {images, words}, 4);
}

void filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images, int64_t words, float share,
    int32_t *filtered) {
  executor(exec);
  size("images", images);
  size("words", words, INT32_MAX);
  array("grad_scores", grad_scores, {images, words}, 4);
  array("winners", winners, {images, words}, 4);
  if (!(share >= 0 && share <= 1)) {
    fail(LEXVLA_INVALID_ARGUMENT, "share is %g, from 0 (all are kept) to 1", static_cast<double>(share));
  }
  array("filtered", filtered, {images, words}, 4);
}

void project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t) {
  executor(exec);
  const int64_t bytes = element_bytes(type);
  size("images", images);
  size("count", count, INT32_MAX);
  size("width", width);
  size("words", words, INT32_MAX);
  array("grad_scores", grad_scores, {images, words}, 4);
  array("winners", winners, {images, words}, 4);
  array("tokens", tokens, {images, count, width}, bytes);
  array("codebook", codebook, {words, width}, bytes);
  optional_array("grad_tokens", grad_tokens, {images, count, width}, 4);
  optional_array("grad_codebook", grad_codebook, {words, width}, 4);
  if (exec->device != LEXVLA_CPU) return;
  for (int64_t i = 0; i < images * words; ++i) {
    if (winners[i] < -1 || winners[i] >= count) {
      fail(LEXVLA_INVALID_ARGUMENT, "winners[%" PRId64 ", %" PRId64 "] is %" PRId32 ", limit %" PRId64 " tokens: pass what the forward wrote",
          i / words, i % words, winners[i], count);
    }
  }
}

void activate_normalize_forward(
    const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float *activations, float *norms) {
  executor(exec);
  size("rows", rows);
  size("words", words);
  array("scores", scores, {rows, words}, 4);
  array("activations", activations, {rows, words}, 4);
  array("norms", norms, {rows}, 4);
}

void activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations, const float *scores, const float *norms,
    int64_t rows, int64_t words, float *grad_scores) {
  executor(exec);
  size("rows", rows);
  size("words", words);
  array("grad_activations", grad_activations, {rows, words}, 4);
  array("scores", scores, {rows, words}, 4);
  array("norms", norms, {rows}, 4);
  array("grad_scores", grad_scores, {rows, words}, 4);
}

void token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook, int64_t count, int64_t width,
    int64_t words, float *activations, float *norms) {
  executor(exec);
  const int64_t bytes = element_bytes(type);
  size("count", count);
  size("width", width);
  size("words", words, INT32_MAX);
  array("tokens", tokens, {count, width}, bytes);
  array("codebook", codebook, {words, width}, bytes);
  array("activations", activations, {count, words}, 4);
  array("norms", norms, {count}, 4);
}

void sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  sparsify(exec, "values", values, rows, words, capacity, offsets, ids, weights);
  not_nan(threshold);
}

void sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  sparsify(exec, "values", values, rows, words, capacity, offsets, ids, weights);
  size("k", k);
}

void activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float threshold,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
  sparsify(exec, "scores", scores, rows, words, capacity, offsets, ids, weights);
  not_nan(threshold);
}

void activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  sparsify(exec, "scores", scores, rows, words, capacity, offsets, ids, weights);
  size("k", k);
}

void csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t words, float *products) {
  executor(exec);
  size("a_rows", a_rows, INT32_MAX);
  size("b_rows", b_rows, INT32_MAX);
  size("words", words, INT32_MAX);
  csr(exec, "a", a_offsets, a_ids, a_weights, a_rows, words);
  csr(exec, "b", b_offsets, b_ids, b_weights, b_rows, words);
  array("products", products, {a_rows, b_rows}, 4);
}

void csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  executor(exec);
  size("query_size", query_size, INT32_MAX);
  size("rows", rows, INT32_MAX);
  size("words", words, INT32_MAX);
  size("k", k);
  array("query_ids", query_ids, {query_size}, 4);
  array("query_weights", query_weights, {query_size}, 4);
  if (exec->device == LEXVLA_CPU) ids_ascend("query", -1, query_ids, query_size, words);
  csr(exec, "rows", offsets, ids, weights, rows, words);
  array("hit_rows", hit_rows, {k}, 4);
  array("hit_scores", hit_scores, {k}, 4);
  array("hits", hits, {1}, 8);
}

void index_size(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t *bytes) {
  index(exec, impacts, offsets, ids, weights, rows, words);
  array("bytes", bytes, {1}, 8);
}

void index_build(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t bytes, void *memory) {
  index(exec, impacts, offsets, ids, weights, rows, words);
  size("bytes", bytes);
  array("index", memory, {bytes / 8}, 8);
}

void index_check(const lexvla_exec *exec, const void *memory, int64_t bytes, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words) {
  indexed(exec, offsets, ids, weights, rows, words);
  size("bytes", bytes);
  array("index", memory, {bytes / 8}, 8);
}

void index_search(const lexvla_exec *exec, const void *memory, int64_t bytes, const int32_t *offsets, const int32_t *, const float *,
    int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids, const float *query_weights, int64_t queries,
    int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits, lexvla_index_work *work) {
  executor(exec);
  size("bytes", bytes);
  array("index", memory, {bytes / 8}, 8);
  size("rows", rows, INT32_MAX);
  size("words", words, kIndexWords);
  if (rows > 0) array("offsets", offsets, {rows + 1}, 4);
  size("queries", queries, INT32_MAX);
  size("k", k);
  csr(exec, "queries", query_offsets, query_ids, query_weights, queries, words);
  if (exec->device == LEXVLA_CPU) impacts_of("queries", query_offsets, query_ids, query_weights, queries);
  array("hit_rows", hit_rows, {queries, k}, 4);
  array("hit_scores", hit_scores, {queries, k}, 4);
  array("hits", hits, {queries}, 8);
  optional_array("work", work, {1}, 8);
}

}  // namespace lexvla::checks
