/*
 * csr_dot and csr_top_k. Some rows of `a` are laid out densely, a stretch of words at a time, interleaved so that all their
 * weights of one word are a few vectors side by side; a row of `b` then multiplies each of its entries with these: no gather,
 * up to 4 * kLanes products at a time. The stretch is as long as leaves a row of `b` some entries to multiply in it, and so,
 * unless rows are short, small enough for the first-level cache. Where there is little to multiply, laying out costs more than
 * walking both rows at once; where the rows of `b` have many of the words, both sides are laid out and multiplied as dense
 * matrices are, zeros and all, with a tile of sums in registers (ladder/12_sparse_products.cpp measures from where on).
 *
 * Every product is one sum by ascending word, whichever way it is come by: a word that only one row has adds 0. That is harmless
 * unless the other's weight is infinite or NaN, and then the product is NaN: so a product that is not finite is computed
 * once more by walking both rows.
 */
#include "../core/select.h"
#include "panel.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** With more words than this there would be too many stretches: such products are walked. */
constexpr int64_t kDenseWords = int64_t{1} << 21;
/** Entries that a row of b should have in a stretch, to make up for the loop over them; and the limits of a stretch. */
constexpr int64_t kEntries = 16, kLeastStretch = 128, kStretchBytes = int64_t{5} << 18;
constexpr int64_t kRowsPerTask = 256;
/** Share of the words that rows of b have on average from which on a dense product is faster. */
constexpr double kDenseShare = 0.5;
/** Rows of b in a tile of sums; rows of a, at most, that one task lays out. */
constexpr int kDenseTile = kLanes == 16 ? 14 : 6;
constexpr int64_t kDenseRows = 256;

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

float walk(const Csr &a, int64_t i, const Csr &b, int64_t j) {
  const int64_t a_size = a.size(i), b_size = b.size(j);
  if (a_size == 0 || b_size == 0) return 0;
  return walk(a.ids + a.offsets[i], a.weights + a.offsets[i], a_size, b.ids + b.offsets[j], b.weights + b.offsets[j], b_size);
}

/** The memory of one thread. */
struct Scratch {
  /** [stretch][rows of a], 0 between two uses; and the sums, [rows of b][rows of a]. */
  float *dense, *sums;
  /** The entry of every row that comes next. */
  int32_t *a_next, *b_next;

  static int64_t bytes(int64_t rows, int64_t stretch) {
    return blocks_of(((stretch + kRowsPerTask) * rows + rows + kRowsPerTask) * 4, 64) * 64;
  }
  Scratch(void *memory, int64_t rows, int64_t stretch)
      : dense(static_cast<float *>(memory)),
        sums(dense + stretch * rows),
        a_next(reinterpret_cast<int32_t *>(sums + kRowsPerTask * rows)),
        b_next(a_next + rows) {}
};

/** Products of up to vectors * kLanes rows of a with rows [first, end) of b. */
template <int vectors>
void products_of(const Csr &a, int64_t a_first, int64_t a_rows, const Csr &b, int64_t first, int64_t end, int64_t words, int64_t stretch,
    const Scratch &scratch, float *products, int64_t stride) {
  constexpr int64_t kRows = vectors * kLanes;
  for (int64_t i = 0; i < (end - first) * kRows; ++i) scratch.sums[i] = 0;
  for (int64_t i = 0; i < a_rows; ++i) scratch.a_next[i] = a.offsets[a_first + i];
  for (int64_t j = first; j < end; ++j) scratch.b_next[j - first] = b.offsets[j];
  for (int64_t begin = 0; begin < words; begin += stretch) {
    const int64_t limit = begin + stretch;
    for (int64_t i = 0; i < a_rows; ++i) {
      const int32_t last = a.offsets[a_first + i + 1];
      for (int32_t e = scratch.a_next[i]; e < last && a.ids[e] < limit; ++e) scratch.dense[(a.ids[e] - begin) * kRows + i] = a.weights[e];
    }
    for (int64_t j = first; j < end; ++j) {
      const int32_t last = b.offsets[j + 1];
      int32_t e = scratch.b_next[j - first];
      float *const sums = scratch.sums + (j - first) * kRows;
      F sum[vectors];
      LEXVLA_UNROLL
      for (int u = 0; u < vectors; ++u) sum[u] = load(sums + u * kLanes);
      for (; e < last && b.ids[e] < limit; ++e) {
        const float *const row = scratch.dense + (b.ids[e] - begin) * kRows;
        const F weight = splat(b.weights[e]);
        LEXVLA_UNROLL
        for (int u = 0; u < vectors; ++u) sum[u] += weight * load(row + u * kLanes);
      }
      LEXVLA_UNROLL
      for (int u = 0; u < vectors; ++u) store(sums + u * kLanes, sum[u]);
      scratch.b_next[j - first] = e;
      // Until the next stretch many other rows are read.
      if (e < last) {
        __builtin_prefetch(b.ids + e + kEntries, 0, 2);
        __builtin_prefetch(b.weights + e + kEntries, 0, 2);
      }
    }
    for (int64_t i = 0; i < a_rows; ++i) {
      const int32_t last = a.offsets[a_first + i + 1];
      int32_t e = scratch.a_next[i];
      for (; e < last && a.ids[e] < limit; ++e) scratch.dense[(a.ids[e] - begin) * kRows + i] = 0;
      scratch.a_next[i] = e;
    }
  }
  for (int64_t i = 0; i < a_rows; ++i) {
    for (int64_t j = first; j < end; ++j) {
      const float product = scratch.sums[(j - first) * kRows + i];
      products[i * stride + j] = is_finite(product) ? product : walk(a, a_first + i, b, j);
    }
  }
}

template <int vectors>
void products_by_stretches(const lexvla_exec &exec, const Csr &a, int64_t a_rows, const Csr &b, int64_t b_rows, int64_t words, float *out) {
  constexpr int64_t kRows = vectors * kLanes;
  const double entries = static_cast<double>(b.offsets[b_rows]) - static_cast<double>(b.offsets[0]);
  const double wanted = entries == 0 ? 0 : static_cast<double>(words) * static_cast<double>(kEntries * b_rows) / entries;
  // One vector is for one query against many rows, which are read from memory: they are read once, from end to end.
  const int64_t most = smaller(words, kStretchBytes / (kRows * 4));
  const int64_t stretch = vectors == 1 ? most : smaller(most, larger(kLeastStretch, static_cast<int64_t>(wanted)));
  const int64_t groups = blocks_of(a_rows, kRows), blocks = blocks_of(b_rows, kRowsPerTask);
  const int threads = job_threads(exec, groups * blocks, 8.0 * vectors * static_cast<double>(groups) * entries);
  const int64_t own_bytes = Scratch::bytes(kRows, stretch);
  const Buffer memory(threads * own_bytes);
  const auto scratch_of = [&](int slot) { return Scratch(static_cast<char *>(memory.data()) + slot * own_bytes, kRows, stretch); };
  for (int slot = 0; slot < threads; ++slot) __builtin_memset(scratch_of(slot).dense, 0, stretch * kRows * 4);
  parallel(threads, groups * blocks, [&](int slot, int64_t task) {
    const int64_t first = task % blocks * kRowsPerTask, a_first = task / blocks * kRows;
    products_of<vectors>(a, a_first, smaller(kRows, a_rows - a_first), b, first, smaller(first + kRowsPerTask, b_rows), words, stretch,
        scratch_of(slot), out + a_first * b_rows, b_rows);
  });
}

/** Words [begin, limit) of rows [first, first + rows), kDepth to a row; `next` is the entry of each that comes next. */
void lay_out(const Csr &matrix, int64_t first, int64_t rows, int64_t begin, int64_t limit, int32_t *next, float *out) {
  __builtin_memset(out, 0, rows * kDepth * 4);
  for (int64_t i = 0; i < rows; ++i, out += kDepth) {
    const int32_t last = matrix.offsets[first + i + 1];
    int32_t e = next[i];
    for (; e < last && matrix.ids[e] < limit; ++e) out[matrix.ids[e] - begin] = matrix.weights[e];
    next[i] = e;
  }
}

/** sums (rows of kTileWords) += b (rows of kDepth) . panel over `depth` words; a sum goes on from where the words before left it. */
template <int rows>
__attribute__((noinline)) void add_tile(const float *b, const float *panel, int64_t depth, float *sums) {
  F sum[rows][kTileVectors];
  LEXVLA_UNROLL
  for (int i = 0; i < rows; ++i) {
    LEXVLA_UNROLL
    for (int u = 0; u < kTileVectors; ++u) sum[i][u] = load(sums + i * kTileWords + u * kLanes);
  }
  for (int64_t k = 0; k < depth; ++k, panel += kTileWords) {
    const F w0 = load(panel), w1 = load(panel + kLanes);
    LEXVLA_UNROLL
    for (int i = 0; i < rows; ++i) {
      const F x = splat(b[i * kDepth + k]);
      sum[i][0] += x * w0;
      sum[i][1] += x * w1;
    }
  }
  LEXVLA_UNROLL
  for (int i = 0; i < rows; ++i) {
    LEXVLA_UNROLL
    for (int u = 0; u < kTileVectors; ++u) store(sums + i * kTileWords + u * kLanes, sum[i][u]);
  }
}

/** add_tile for a number of rows that is known only now. */
template <int most>
void add_rows(int64_t rows, const float *b, const float *panel, int64_t depth, float *sums) {
  if constexpr (most > 1) {
    if (rows < most) return add_rows<most - 1>(rows, b, panel, depth, sums);
  }
  add_tile<most>(b, panel, depth, sums);
}

/** All products as those of dense matrices, kDepth words of some rows of either side laid out at a time. */
void products_densely(const lexvla_exec &exec, const Csr &a, int64_t a_rows, const Csr &b, int64_t b_rows, int64_t words, float *out) {
  const int64_t blocks = blocks_of(b_rows, kRowsPerTask);
  const double work = 2.0 * static_cast<double>(a_rows) * static_cast<double>(b_rows) * static_cast<double>(words);
  // Fewer rows a task where there would be too few tasks.
  const int64_t shares = blocks_of(job_threads(exec, blocks * blocks_of(a_rows, kTileWords), work), blocks);
  const int64_t group = blocks_of(smaller(kDenseRows, blocks_of(a_rows, shares)), kTileWords) * kTileWords;
  const int64_t groups = blocks_of(a_rows, group);
  const int threads = job_threads(exec, groups * blocks, work);
  const int64_t a_part = kTileWords * kDepth, a_panels = group * kDepth, b_part = kRowsPerTask * kDepth, sums_size = kRowsPerTask * group;
  const int64_t own_bytes = blocks_of((a_part + a_panels + b_part + sums_size + group + kRowsPerTask) * 4, 64) * 64;
  const Buffer memory(threads * own_bytes);
  parallel(threads, groups * blocks, [&](int slot, int64_t task) {
    float *const a_laid = reinterpret_cast<float *>(static_cast<char *>(memory.data()) + slot * own_bytes);
    float *const panel_of = a_laid + a_part, *const b_laid = panel_of + a_panels, *const sums = b_laid + b_part;
    int32_t *const a_next = reinterpret_cast<int32_t *>(sums + sums_size), *const b_next = a_next + group;
    const int64_t first = task % blocks * kRowsPerTask, size = smaller(kRowsPerTask, b_rows - first);
    const int64_t a_first = task / blocks * group, a_size = smaller(group, a_rows - a_first);
    const int64_t panels_here = blocks_of(a_size, kTileWords);
    __builtin_memset(sums, 0, sums_size * 4);
    for (int64_t i = 0; i < a_size; ++i) a_next[i] = a.offsets[a_first + i];
    for (int64_t j = 0; j < size; ++j) b_next[j] = b.offsets[first + j];
    for (int64_t begin = 0; begin < words; begin += kDepth) {
      const int64_t depth = smaller(kDepth, words - begin);
      lay_out(b, first, size, begin, begin + depth, b_next, b_laid);
      for (int64_t p = 0; p < panels_here; ++p) {
        const int64_t i = p * kTileWords, here = smaller(kTileWords, a_size - i);
        lay_out(a, a_first + i, here, begin, begin + depth, a_next + i, a_laid);
        transpose_panel(a_laid, kDepth, here, 0, depth, panel_of + p * a_part);
      }
      for (int64_t p = 0; p < panels_here; ++p) {
        for (int64_t j = 0; j < size; j += kDenseTile) {
          add_rows<kDenseTile>(smaller(kDenseTile, size - j), b_laid + j * kDepth, panel_of + p * a_part, depth,
              sums + (p * kRowsPerTask + j) * kTileWords);
        }
      }
    }
    for (int64_t i = 0; i < a_size; ++i) {
      for (int64_t j = 0; j < size; ++j) {
        const float product = sums[(i / kTileWords * kRowsPerTask + j) * kTileWords + i % kTileWords];
        out[(a_first + i) * b_rows + first + j] = is_finite(product) ? product : walk(a, a_first + i, b, first + j);
      }
    }
  });
}

void products(const lexvla_exec &exec, const Csr &a, int64_t a_rows, const Csr &b, int64_t b_rows, int64_t words, float *out) {
  if (a_rows == 0 || b_rows == 0) return;
  const double a_entries = static_cast<double>(a.offsets[a_rows]) - static_cast<double>(a.offsets[0]);
  const double b_entries = static_cast<double>(b.offsets[b_rows]) - static_cast<double>(b.offsets[0]);
  const double steps = a_entries * static_cast<double>(b_rows) + b_entries * static_cast<double>(a_rows);
  if (words > kDenseWords || steps < static_cast<double>(words)) {
    const int64_t blocks = blocks_of(b_rows, kRowsPerTask);
    parallel(job_threads(exec, a_rows * blocks, 4 * steps), a_rows * blocks, [&](int, int64_t task) {
      const int64_t i = task / blocks, first = task % blocks * kRowsPerTask;
      for (int64_t j = first; j < smaller(first + kRowsPerTask, b_rows); ++j) out[i * b_rows + j] = walk(a, i, b, j);
    });
  } else if (a_rows > 2 * kLanes && b_entries >= kDenseShare * static_cast<double>(b_rows) * static_cast<double>(words)) {
    products_densely(exec, a, a_rows, b, b_rows, words, out);
  } else if (a_rows <= kLanes) {
    products_by_stretches<1>(exec, a, a_rows, b, b_rows, words, out);
  } else if (a_rows <= 2 * kLanes) {
    products_by_stretches<2>(exec, a, a_rows, b, b_rows, words, out);
  } else {
    products_by_stretches<4>(exec, a, a_rows, b, b_rows, words, out);
  }
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
