/*
 * project_max_backward, destination-owned: whoever writes a row of a gradient sums all that falls on it, in ascending
 * order, in registers; no atomics, no zeroing, no order that depends on threads.
 *
 *   grad_tokens     the words of an image sorted by their winner (stable, so ascending); then each token sums the
 *                   codes of the words it has won
 *   grad_codebook   each word sums the winning token of every image
 *
 * Tasks go column slice by column slice, so that the slice of the codebook (or of the tokens) that all tasks of the
 * moment gather from stays in the last-level cache.
 */
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

constexpr int64_t kSlice = 256;
constexpr int64_t kWordsPerTask = 64;

/** out[c] = (or += if add) sum over i < n of weights[i] * matrix[rows[i] * stride + c], for vectors * kLanes columns c. */
template <int vectors, class T>
inline void gather_strip(const float *weights, const int64_t *rows, int64_t n, const T *matrix, int64_t stride, float *out, bool add) {
  F total[vectors] = {};
  for (int64_t i = 0; i < n; ++i) {
    const F weight = splat(weights[i]);
    const T *row = matrix + rows[i] * stride;
    LEXVLA_UNROLL
    for (int u = 0; u < vectors; ++u) total[u] += weight * load(row + u * kLanes);
  }
  LEXVLA_UNROLL
  for (int u = 0; u < vectors; ++u) store(out + u * kLanes, add ? load(out + u * kLanes) + total[u] : total[u]);
}

template <class T>
inline void gather(const float *weights, const int64_t *rows, int64_t n, const T *matrix, int64_t stride, int64_t columns, float *out,
    bool add) {
  int64_t c = 0;
  for (; c + 8 * kLanes <= columns; c += 8 * kLanes) gather_strip<8>(weights, rows, n, matrix + c, stride, out + c, add);
  for (; c + kLanes <= columns; c += kLanes) gather_strip<1>(weights, rows, n, matrix + c, stride, out + c, add);
  for (; c < columns; ++c) {
    float total = 0;
    for (int64_t i = 0; i < n; ++i) total += weights[i] * value(matrix[rows[i] * stride + c]);
    out[c] = add ? out[c] + total : total;
  }
}

/** The words of one image by winner: those of token p are order[begin[p] .. begin[p + 1]), ascending. */
void sort_by_winner(const float *grads, const int32_t *winners, int64_t words, int64_t count, int64_t *begin, int64_t *order,
    float *weights) {
  for (int64_t p = 0; p <= count; ++p) begin[p] = 0;
  for (int64_t v = 0; v < words; ++v) begin[winners[v] + 1] += winners[v] >= 0;
  for (int64_t p = 0; p < count; ++p) begin[p + 1] += begin[p];
  for (int64_t v = 0; v < words; ++v) {
    if (winners[v] < 0) continue;
    const int64_t at = begin[winners[v]]++;
    order[at] = v;
    weights[at] = grads[v];
  }
  for (int64_t p = count; p > 0; --p) begin[p] = begin[p - 1];  // each begin has moved to its end
  begin[0] = 0;
}

template <class T>
void tokens_gradient(const lexvla_exec &exec, const float *grad_scores, const int32_t *winners, const T *codebook, int64_t images,
    int64_t count, int64_t width, int64_t words, float *grad_tokens) {
  const Buffer begin_memory(larger(images * (count + 1), 1) * 8), order_memory(larger(images * words, 1) * 8),
      weight_memory(larger(images * words, 1) * 4);
  int64_t *const begin = static_cast<int64_t *>(begin_memory.data()), *const order = static_cast<int64_t *>(order_memory.data());
  float *const weights = static_cast<float *>(weight_memory.data());
  const double entries = static_cast<double>(images) * static_cast<double>(words);
  parallel(job_threads(exec, images, 10.0 * entries), images, [&](int, int64_t b) {
    sort_by_winner(grad_scores + b * words, winners + b * words, words, count, begin + b * (count + 1), order + b * words,
        weights + b * words);
  });
  const int64_t tasks = blocks_of(width, kSlice) * images;
  parallel(job_threads(exec, tasks, 2.0 * entries * static_cast<double>(width)), tasks, [&](int, int64_t task) {
    const int64_t b = task % images, column = task / images * kSlice, columns = smaller(kSlice, width - column);
    for (int64_t p = 0; p < count; ++p) {
      const int64_t from = begin[b * (count + 1) + p], to = begin[b * (count + 1) + p + 1];
      gather(weights + b * words + from, order + b * words + from, to - from, codebook + column, width, columns,
          grad_tokens + (b * count + p) * width + column, false);
    }
  });
}

template <class T>
void codebook_gradient(const lexvla_exec &exec, const float *grad_scores, const int32_t *winners, const T *tokens, int64_t images,
    int64_t count, int64_t width, int64_t words, float *grad_codebook, bool add) {
  const int64_t word_blocks = blocks_of(words, kWordsPerTask), tasks = blocks_of(width, kSlice) * word_blocks;
  const int threads = job_threads(
      exec, tasks, 2.0 * static_cast<double>(images) * static_cast<double>(words) * static_cast<double>(width));
  const Buffer row_memory(larger(threads * images, 1) * 8), weight_memory(larger(threads * images, 1) * 4);
  parallel(threads, tasks, [&](int slot, int64_t task) {
    const int64_t column = task / word_blocks * kSlice, columns = smaller(kSlice, width - column);
    const int64_t first = task % word_blocks * kWordsPerTask, end = smaller(first + kWordsPerTask, words);
    int64_t *const rows = static_cast<int64_t *>(row_memory.data()) + slot * images;
    float *const weights = static_cast<float *>(weight_memory.data()) + slot * images;
    for (int64_t v = first; v < end; ++v) {
      int64_t n = 0;
      for (int64_t b = 0; b < images; ++b) {
        const int64_t p = winners[b * words + v];
        if (p < 0) continue;
        rows[n] = b * count + p;
        weights[n++] = grad_scores[b * words + v];
      }
      gather(weights, rows, n, tokens + column, width, columns, grad_codebook + v * width + column, add);
    }
  });
}

template <class T>
void backward(const lexvla_exec &exec, const float *grad_scores, const int32_t *winners, const T *tokens, const T *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook, bool add) {
  if (grad_tokens != nullptr && images > 0 && count > 0 && width > 0) {
    tokens_gradient(exec, grad_scores, winners, codebook, images, count, width, words, grad_tokens);
  }
  if (grad_codebook != nullptr && words > 0 && width > 0) {
    codebook_gradient(exec, grad_scores, winners, tokens, images, count, width, words, grad_codebook, add);
  }
}

}  // namespace

void project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t add_codebook) {
  if (type == LEXVLA_FLOAT32) {
    backward(*exec, grad_scores, winners, static_cast<const float *>(tokens), static_cast<const float *>(codebook), images, count,
        width, words, grad_tokens, grad_codebook, add_codebook != 0);
  } else {
    backward(*exec, grad_scores, winners, static_cast<const Bf16 *>(tokens), static_cast<const Bf16 *>(codebook), images, count, width,
        words, grad_tokens, grad_codebook, add_codebook != 0);
  }
}

}  // namespace lexvla::LEXVLA_ISA
