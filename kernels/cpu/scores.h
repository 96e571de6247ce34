/*
 * Scores of tokens against words, tile by tile: the matrix product under project_max and token_activations. A tile of
 * scores lives in a thread's cache only as long as its consumer looks at it; the whole matrix is never stored here.
 *
 *   registers   kTileRows tokens x kTileWords words, words along the lanes; a token's element is broadcast
 *   L1          a panel of the codebook, kDepth x kTileWords
 *   L2          a block of tokens, kBlockRows x kDepth, and the tile of scores, kBlockRows x kBlockWords
 *
 * Both operands are packed in the order in which they are read, widened from bfloat16 on the way. The codebook is packed
 * by the thread that needs it, a block of kBlockWords words at a time; the tokens once for all threads.
 *
 * Every score is summed in the same order wherever its token and word lie: within kDepth elements one after another,
 * then the parts. So equal tokens have bitwise equal scores, and threads do not show.
 */
#ifndef LEXVLA_CPU_SCORES_H
#define LEXVLA_CPU_SCORES_H

#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

constexpr int kTileRows = kLanes == 16 ? 12 : 6;  // accumulators: rows * 2 of 32 or 16 registers
constexpr int kTileVectors = 2;
constexpr int kTileWords = kTileVectors * kLanes;
constexpr int64_t kDepth = 256;
constexpr int64_t kBlockRows = 264;  // a multiple of 6 and 12, and not much above the 257 tokens of a picture
constexpr int64_t kBlockWords = 64;
static_assert(kBlockRows % kTileRows == 0 && kBlockWords % kTileWords == 0, "tiles must fill blocks");

/** A group of tokens that one task scores against one block of words. */
struct RowGroup {
  int64_t first;   // among all rows of the call
  int64_t rows;
  int64_t packed;  // where its packed form begins, in rows
};

/** LaneSequence<size, kLanes>::swap exchanges the off-diagonal blocks of `size` lanes of two vectors. */
template <int size, int lane, int... lanes>
struct LaneSequence : LaneSequence<size, lane - 1, lane - 1, lanes...> {};

template <int size, int... lanes>
struct LaneSequence<size, 0, lanes...> {
  static inline void swap(F &low, F &high) {
    const F a = low, b = high;
    low = __builtin_shufflevector(a, b, ((lanes & size) == 0 ? lanes : kLanes + lanes - size)...);
    high = __builtin_shufflevector(a, b, ((lanes & size) == 0 ? lanes + size : kLanes + lanes)...);
  }
};

/** Transposes kLanes vectors of kLanes lanes, by blocks of 1, 2, 4, ... */
template <int size>
inline void transpose_from(F (&rows)[kLanes]) {
  if constexpr (size < kLanes) {
    LEXVLA_UNROLL
    for (int i = 0; i < kLanes; ++i) {
      if ((i & size) == 0) LaneSequence<size, kLanes>::swap(rows[i], rows[i + size]);
    }
    transpose_from<size * 2>(rows);
  }
}

/** Packs `words` words (kTileWords at most) as [width][kTileWords]; what is missing is 0. */
template <class T>
inline void pack_words(const T *codebook, int64_t width, int64_t words, float *packed) {
  for (int64_t first = 0; first < kTileWords; first += kLanes) {
    const int64_t here = smaller(words - first, kLanes);
    int64_t k = 0;
    if (here == kLanes) {
      for (; k + kLanes <= width; k += kLanes) {
        F block[kLanes];
        LEXVLA_UNROLL
        for (int i = 0; i < kLanes; ++i) block[i] = load(codebook + (first + i) * width + k);
        transpose_from<1>(block);
        LEXVLA_UNROLL
        for (int i = 0; i < kLanes; ++i) store(packed + (k + i) * kTileWords + first, block[i]);
      }
    }
    for (; k < width; ++k) {
      for (int64_t i = 0; i < kLanes; ++i) {
        packed[k * kTileWords + first + i] = i < here ? value(codebook[(first + i) * width + k]) : 0.0f;
      }
    }
  }
}

/**
 * Packs one tile of a block of tokens: for each part of kDepth elements [depth][kTileRows], at
 * block + part * block_rows + tile_row * depth. Rows at or after `rows` are 0.
 *
 * @param source row r is tokens[source[r]], or NULL: tokens[r]
 * @param first  the row that is the tile's first
 */
template <class T>
inline void pack_tile_rows(const T *tokens, const int64_t *source, int64_t first, int64_t rows, int64_t width, float *block,
    int64_t block_rows, int64_t tile_row) {
  const T *from[kTileRows];
  for (int64_t i = 0; i < kTileRows; ++i) {
    const int64_t row = i < rows ? first + i : first;
    from[i] = tokens + (source != nullptr ? source[row] : row) * width;
  }
  for (int64_t part = 0; part < width; part += kDepth) {
    const int64_t depth = smaller(kDepth, width - part);
    float *out = block + part * block_rows + tile_row * depth;
    for (int64_t k = 0; k < depth; ++k) {
      LEXVLA_UNROLL
      for (int i = 0; i < kTileRows; ++i) out[k * kTileRows + i] = value(from[i][part + k]);
    }
    for (int64_t i = rows; i < kTileRows; ++i) {
      for (int64_t k = 0; k < depth; ++k) out[k * kTileRows + i] = 0;
    }
  }
}

/** tile (rows kBlockWords apart) = or += tokens . words over `depth` elements, both packed. */
inline void multiply_tile(const float *tokens, const float *words, int64_t depth, float *tile, bool add) {
  F sum[kTileRows][kTileVectors] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const F w0 = load(words), w1 = load(words + kLanes);
    LEXVLA_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      const F x = splat(tokens[i]);
      sum[i][0] += x * w0;
      sum[i][1] += x * w1;
    }
    tokens += kTileRows;
    words += kTileWords;
  }
  LEXVLA_UNROLL
  for (int i = 0; i < kTileRows; ++i) {
    LEXVLA_UNROLL
    for (int j = 0; j < kTileVectors; ++j) {
      float *out = tile + i * kBlockWords + j * kLanes;
      store(out, add ? load(out) + sum[i][j] : sum[i][j]);
    }
  }
}

/**
 * Scores every row against every word. For each group and each block of words, in one task, calls in ascending order of
 * rows
 *
 *     consumer.take(state, first_row, rows, first_word, words, tile)      tile[i * kBlockWords + j]
 *
 * after consumer.begin(first_word, words), which gives the state of the task, and before consumer.end(state).
 *
 * @param source row r is tokens[source[r]], or NULL: tokens[r]
 * @param groups in ascending order, `packed` being multiples of kTileRows
 */
template <class T, class Consumer>
inline void score_groups(const lexvla_exec &exec, const T *tokens, const int64_t *source, const RowGroup *groups, int64_t count,
    const T *codebook, int64_t width, int64_t words, const Consumer &consumer) {
  if (count == 0 || words == 0) return;
  // The packed tokens: blocks of kBlockRows, in each its parts of kDepth, in each its tiles.
  const int64_t rows = groups[count - 1].packed + groups[count - 1].rows - groups[0].packed;
  const int64_t tiles = blocks_of(rows, kTileRows);
  const Buffer packed_tokens(larger(tiles * kTileRows * width, 1) * 4);
  float *const all = static_cast<float *>(packed_tokens.data());
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(words);

  const auto pack_group = [&](int, int64_t g) {
    const RowGroup &group = groups[g];
    for (int64_t block = 0; block < group.rows; block += kBlockRows) {
      const int64_t in_block = blocks_of(smaller(kBlockRows, group.rows - block), kTileRows) * kTileRows;
      float *out = all + (group.packed - groups[0].packed + block) * width;
      for (int64_t row = 0; row < in_block; row += kTileRows) {
        pack_tile_rows(tokens, source, group.first + block + row, smaller(kTileRows, group.rows - block - row), width, out,
            in_block, row);
      }
    }
  };
  parallel(job_threads(exec, count, static_cast<double>(rows) * static_cast<double>(width)), count, pack_group);

  const int64_t word_blocks = blocks_of(words, kBlockWords);
  const int threads = job_threads(exec, word_blocks * count, work);
  const int64_t scratch_floats = kBlockWords * width + kBlockRows * kBlockWords;
  const Buffer scratch(threads * scratch_floats * 4);
  parallel(threads, word_blocks * count, [&](int slot, int64_t task) {
    // Groups of one block of words follow each other, so that the words come from cache.
    const RowGroup &group = groups[task % count];
    const int64_t first_word = task / count * kBlockWords;
    const int64_t here = smaller(kBlockWords, words - first_word);
    float *const packed_words = static_cast<float *>(scratch.data()) + slot * scratch_floats;
    float *const tile = packed_words + kBlockWords * width;
    for (int64_t w = 0; w < here; w += kTileWords) {
      pack_words(codebook + (first_word + w) * width, width, smaller(kTileWords, here - w), packed_words + w * width);
    }
    auto state = consumer.begin(first_word, here);
    for (int64_t block = 0; block < group.rows; block += kBlockRows) {
      const int64_t block_rows = smaller(kBlockRows, group.rows - block);
      const int64_t in_block = blocks_of(block_rows, kTileRows) * kTileRows;
      const float *packed = all + (group.packed - groups[0].packed + block) * width;
      int64_t part = 0;
      do {  // once also for width 0, whose scores are 0
        const int64_t depth = smaller(kDepth, width - part);
        for (int64_t w = 0; w < here; w += kTileWords) {
          for (int64_t row = 0; row < in_block; row += kTileRows) {
            multiply_tile(packed + part * in_block + row * depth, packed_words + w * width + part * kTileWords, depth,
                tile + row * kBlockWords + w, part > 0);
          }
        }
        part += depth;
      } while (part < width);
      consumer.take(state, group.first + block, block_rows, first_word, here, tile);
    }
    consumer.end(state);
  });
}

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
