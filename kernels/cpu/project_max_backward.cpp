/*
 * project_max_backward, destination-owned: a task owns a slice of the columns, of both gradients and for all words and
 * images, and walks the words once:
 *
 *     for each word v, for each image b:   grad_tokens[b, p]  += g * codebook[v]        p = winners[b, v], g = grad_scores[b, v]
 *                                          grad_codebook[v]   += g * tokens[b, p]
 *
 * The word's slice of codebook and gradient stays in registers over the images, so that each is read and written once. The
 * slice of the tokens and of their gradient, packed so that rows do not fall on the same cache sets, is as narrow as it must
 * be to stay in the second-level cache. No element is touched by two tasks: no atomics, and an order of summation (words
 * ascending, images ascending) that neither threads nor slices change.
 *
 * The bound is traffic: codebook once in, its gradient once out, memory; for each (word, image) one row of tokens in, one row of
 * their gradient in and out, second-level cache.
 */
#include "vector.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace lexvla::LEXVLA_ISA {
namespace {

/** Vectors of a word that are held in registers, twice. */
constexpr int kVectors = 4;
constexpr int64_t kStrip = kVectors * kLanes;
/** Columns of a slice at most: a kilobyte of a row of the codebook. */
constexpr int64_t kMostColumns = 256;
/** What the packed tokens and gradients of a slice may take of the second-level cache. */
constexpr int64_t kCacheBytes = int64_t{1200} << 10;
/** Words ahead of which the codebook is asked for: its rows are further apart than a prefetcher looks. */
constexpr int64_t kAhead = 8;

/** The winner of one (word, image): its row among the packed ones, or -1, and the gradient of its score. */
struct Won {
  int32_t row;
  float grad;
};

/** Writes a whole vector past the caches, which it would only empty: nobody reads the gradient soon. p is a multiple of its size. */
inline void stream(float *p, F x) {
#if LEXVLA_LANES == 16
  _mm512_stream_ps(p, reinterpret_cast<__m512>(x));
#elif LEXVLA_LANES == 8
  _mm256_stream_ps(p, reinterpret_cast<__m256>(x));
#else
  store(p, x);
#endif
}

/** Streamed writes become visible in order with others. */
inline void end_stream() {
#if defined(__AVX__)
  _mm_sfence();
#endif
}

/** One slice of one group of images. Rows of the packed arrays are stride columns apart, a multiple of kStrip. */
template <class T>
struct Slice {
  const Won *won;     // [words, images]
  int64_t images, words, width;
  const T *codebook;  // of the first column
  float *grad_codebook;
  const T *tokens;    // packed
  float *grad_tokens;  // packed
  int64_t stride, columns;
};

/**
 * A strip of one word: takes the gradient of its winners' tokens in and their part of its own.
 *
 * @param z    the word's codes, kStrip columns
 * @param out  the gradient of them, added to if add
 */
template <bool want_tokens, bool want_codebook, class T>
inline void word_strip(const Slice<T> &slice, const Won *won, int64_t column, const T *z, float *out, bool add, bool past_caches) {
  F code[kVectors], total[kVectors];
  if constexpr (want_tokens) {
    LEXVLA_UNROLL
    for (int u = 0; u < kVectors; ++u) code[u] = load(z + u * kLanes);
  }
  if constexpr (want_codebook) {
    LEXVLA_UNROLL
    for (int u = 0; u < kVectors; ++u) total[u] = add ? load(out + u * kLanes) : F{};
  }
  for (int64_t b = 0; b < slice.images; ++b) {
    if (won[b].row < 0) continue;
    const F grad = splat(won[b].grad);
    const int64_t at = won[b].row * slice.stride + column;
    if constexpr (want_codebook) {
      LEXVLA_UNROLL
      for (int u = 0; u < kVectors; ++u) total[u] += grad * load(slice.tokens + at + u * kLanes);
    }
    if constexpr (want_tokens) {
      float *const tokens = slice.grad_tokens + at;
      LEXVLA_UNROLL
      for (int u = 0; u < kVectors; ++u) store(tokens + u * kLanes, load(tokens + u * kLanes) + grad * code[u]);
    }
  }
  if constexpr (want_codebook) {
    LEXVLA_UNROLL
    for (int u = 0; u < kVectors; ++u) {
      if (past_caches) {
        stream(out + u * kLanes, total[u]);
      } else {
        store(out + u * kLanes, total[u]);
      }
    }
  }
}

/** The last strip of a word whose columns do not fill it, by way of one that they do. */
template <bool want_tokens, bool want_codebook, class T>
inline void ragged_strip(const Slice<T> &slice, const Won *won, int64_t column, const T *z, float *out, bool add) {
  const int64_t columns = slice.columns - column;
  T whole_z[kStrip] = {};
  float whole_out[kStrip] = {};
  for (int64_t c = 0; want_tokens && c < columns; ++c) whole_z[c] = z[c];
  for (int64_t c = 0; want_codebook && add && c < columns; ++c) whole_out[c] = out[c];
  word_strip<want_tokens, want_codebook>(slice, won, column, whole_z, whole_out, add, false);
  for (int64_t c = 0; want_codebook && c < columns; ++c) out[c] = whole_out[c];
}

template <bool want_tokens, bool want_codebook, class T>
void walk_words(const Slice<T> &slice, bool add) {
  const bool aligned = reinterpret_cast<uintptr_t>(slice.grad_codebook) % (kLanes * 4) == 0 && slice.width % kLanes == 0;
  const bool past_caches = want_codebook && aligned && !add;
  for (int64_t v = 0; v < slice.words; ++v) {
    const T *const z = slice.codebook + v * slice.width;
    float *const out = slice.grad_codebook + (want_codebook ? v * slice.width : 0);
    const Won *const won = slice.won + v * slice.images;
    if (want_tokens && v + kAhead < slice.words) {
      const char *const ahead = reinterpret_cast<const char *>(z + kAhead * slice.width);
      for (int64_t byte = 0; byte < slice.columns * static_cast<int64_t>(sizeof(T)); byte += 64) __builtin_prefetch(ahead + byte);
    }
    int64_t column = 0;
    for (; column + kStrip <= slice.columns; column += kStrip) {
      word_strip<want_tokens, want_codebook>(slice, won, column, z + column, out + column, add, past_caches);
    }
    if (column < slice.columns) ragged_strip<want_tokens, want_codebook>(slice, won, column, z + column, out + column, add);
  }
  if (past_caches) end_stream();
}

/** Rows of a matrix to packed rows of stride, the columns that are too many 0. */
template <class T>
void pack(const T *matrix, int64_t rows, int64_t width, int64_t columns, int64_t stride, T *packed) {
  for (int64_t row = 0; row < rows; ++row) {
    T *const out = packed + row * stride;
    __builtin_memcpy(out, matrix + row * width, static_cast<uint64_t>(columns) * sizeof(T));
    __builtin_memset(out + columns, 0, static_cast<uint64_t>(stride - columns) * sizeof(T));
  }
}

/** Columns of a slice, images of a group: as many columns as the cache takes for all images, but enough slices for the threads. */
struct Plan {
  int64_t columns, images;

  Plan(int64_t all_images, int64_t count, int64_t width, int64_t bytes_of_column, int64_t threads) {
    const int64_t row_bytes = larger(count * bytes_of_column, 1);
    columns = kMostColumns;
    while (columns > kStrip && (columns * row_bytes * all_images > kCacheBytes || blocks_of(width, columns) < 2 * threads)) columns /= 2;
    images = larger(smaller(all_images, kCacheBytes / (columns * row_bytes)), 1);
  }
};

template <class T>
void backward(const lexvla_exec &exec, const float *grad_scores, const int32_t *winners, const T *tokens, const T *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook, bool add) {
  const bool want_tokens = grad_tokens != nullptr && images * count * width > 0;
  const bool want_codebook = grad_codebook != nullptr && words * width > 0;
  if (!want_tokens && !want_codebook) return;

  const double entries = static_cast<double>(images) * static_cast<double>(words);
  const double work = 4.0 * entries * static_cast<double>(width) + static_cast<double>(words + images * count) * static_cast<double>(width);
  const int64_t most_tasks = blocks_of(width, kStrip);
  const int most_threads = job_threads(exec, most_tasks, work);
  const Plan plan(images, count, width, (want_tokens ? 4 : 0) + (want_codebook ? sizeof(T) : 0), most_threads);
  const int64_t tasks = blocks_of(width, plan.columns);
  const int threads = job_threads(exec, tasks, work);

  // The winners in the order of the walk: for each group of images [words, its images].
  const Buffer won_memory(larger(images * words, 1) * static_cast<int64_t>(sizeof(Won)));
  Won *const all_won = static_cast<Won *>(won_memory.data());
  const int64_t word_blocks = blocks_of(words, 1024);
  parallel(job_threads(exec, word_blocks, 2.0 * entries), word_blocks, [&](int, int64_t block) {
    const int64_t end = smaller((block + 1) * 1024, words);
    for (int64_t first = 0; first < images; first += plan.images) {
      const int64_t here = smaller(plan.images, images - first);
      for (int64_t v = block * 1024; v < end; ++v) {
        Won *const won = all_won + first * words + v * here;
        for (int64_t b = 0; b < here; ++b) {
          const int64_t i = (first + b) * words + v;
          won[b] = {winners[i] < 0 ? -1 : static_cast<int32_t>(b * count + winners[i]), grad_scores[i]};
        }
      }
    }
  });

  const int64_t rows = smaller(plan.images, images) * count;
  const int64_t packed = larger(rows * blocks_of(plan.columns, kStrip) * kStrip, 1);
  const Buffer token_memory(want_codebook ? threads * packed * static_cast<int64_t>(sizeof(T)) : 1);
  const Buffer gradient_memory(want_tokens ? threads * packed * 4 : 1);
  parallel(threads, tasks, [&](int slot, int64_t task) {
    const int64_t column = task * plan.columns, columns = smaller(plan.columns, width - column);
    const int64_t stride = blocks_of(columns, kStrip) * kStrip;
    T *const token_slice = static_cast<T *>(token_memory.data()) + slot * packed;
    float *const gradient_slice = static_cast<float *>(gradient_memory.data()) + slot * packed;
    for (int64_t first = 0; first < larger(images, 1); first += plan.images) {
      const int64_t here = smaller(plan.images, images - first), here_rows = here * count;
      const Slice<T> slice{all_won + first * words, here, words, width, codebook + column,
          want_codebook ? grad_codebook + column : nullptr, token_slice, gradient_slice, stride, columns};
      const bool add_here = add || first > 0;
      if (want_codebook) pack(tokens + first * count * width + column, here_rows, width, columns, stride, token_slice);
      if (want_tokens) __builtin_memset(gradient_slice, 0, static_cast<uint64_t>(here_rows * stride) * 4);
      if (want_tokens && want_codebook) {
        walk_words<true, true>(slice, add_here);
      } else if (want_tokens) {
        walk_words<true, false>(slice, add_here);
      } else {
        walk_words<false, true>(slice, add_here);
      }
      for (int64_t row = 0; want_tokens && row < here_rows; ++row) {
        __builtin_memcpy(grad_tokens + (first * count + row) * width + column, gradient_slice + row * stride,
            static_cast<uint64_t>(columns) * 4);
      }
    }
  });
}

}  // namespace

void filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images, int64_t words, float share,
    int32_t *filtered) {
  parallel(job_threads(*exec, images, static_cast<double>(images) * static_cast<double>(words)), images, [&](int, int64_t b) {
    const float *const grads = grad_scores + b * words;
    float largest = 0;
    for (int64_t v = 0; v < words; ++v) {
      const float size = __builtin_fabsf(grads[v]);
      largest = size > largest ? size : largest;
    }
    const float least = share * largest;
    for (int64_t v = 0; v < words; ++v) filtered[b * words + v] = __builtin_fabsf(grads[v]) < least ? -1 : winners[b * words + v];
  });
}

void project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t add_codebook) {
  with_type(type, [&](auto element) {
    using T = decltype(element);
    backward(*exec, grad_scores, winners, static_cast<const T *>(tokens), static_cast<const T *>(codebook), images, count, width, words,
        grad_tokens, grad_codebook, add_codebook != 0);
  });
}

}  // namespace lexvla::LEXVLA_ISA
