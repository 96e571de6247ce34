/*
 * Scores of tokens against words, tile by tile: the matrix product under project_max and token_activations. A tile of
 * scores lives in a thread's cache only as long as its consumer looks at it; the whole matrix is never stored here.
 *
 *   registers   up to kTileRows tokens x kTileWords words, words along the lanes; a token's step is broadcast
 *   L1          a panel of the codebook, kDepth steps x kTileWords
 *   L2          a block of tokens, kBlockRows x kDepth, and its scores, kBlockRows x kBlockWords
 *
 * A step is what one multiply_add takes: one element, widened to float32, or two bfloat16 or four bytes where the
 * instruction set has their dot product. Tokens are packed once for all threads in the order in which they are read. The panels come
 * from a source: RowPanels transposes them from the codebook where they are needed, KeptPanels so for the first group of
 * tokens and has them for the others, PackedPanels finds them ready.
 *
 * Every score is summed in the same order wherever its token and word lie: within kDepth steps one after another, then
 * the parts. So equal tokens have bitwise equal scores, and neither threads nor the source of the panels show.
 */
#ifndef LEXVLA_CPU_SCORES_H
#define LEXVLA_CPU_SCORES_H

#include "panel.h"

namespace lexvla::LEXVLA_ISA {
namespace {

constexpr int kTileRows = kLanes == 16 ? 14 : 6;  // accumulators: rows * 2 of 32 or 16 registers
constexpr int64_t kBlockRows = 560;               // two pictures of 257 tokens
constexpr int64_t kBlockWords = 128;
constexpr int64_t kBlockPanels = kBlockWords / kTileWords;
static_assert(kBlockWords % kTileWords == 0, "panels must fill blocks");

/** Panels of a block of words are kept for the next group unless they are larger than this. */
constexpr int64_t kKeptBytes = int64_t{8} << 20;
template <class Panels>
constexpr bool kKept = false;
template <class T>
constexpr bool kKept<RowPanels<T>> = true;

/** A group of tokens that one task scores against one block of words. */
struct RowGroup {
  int64_t first;  // among all rows of the call
  int64_t rows;
};

/** `n` things in `parts` as equal as can be: where part i begins. */
inline int64_t share_begin(int64_t n, int64_t parts, int64_t i) { return n * i / parts; }

/**
 * Packs a block of tokens: for each part of kDepth steps its tiles, in each tile [depth][rows of the tile].
 *
 * @param source row r is tokens[source[r]], or NULL: tokens[r]
 */
template <class T>
inline void pack_block(const T *tokens, const int64_t *source, int64_t first, int64_t rows, int64_t width, Element<T> *packed) {
  const int64_t tiles = blocks_of(rows, kTileRows), steps = steps_of<T>(width);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t begin = share_begin(rows, tiles, t), size = share_begin(rows, tiles, t + 1) - begin;
    const T *from[kTileRows];
    for (int64_t i = 0; i < size; ++i) {
      const int64_t row = first + begin + i;
      from[i] = tokens + (source != nullptr ? source[row] : row) * width;
    }
    for (int64_t part = 0; part < steps; part += kDepth) {
      const int64_t depth = smaller(kDepth, steps - part);
      Element<T> *out = packed + part * rows + begin * depth;
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t i = 0; i < size; ++i) *out++ = step_of(from[i], part + k, width);
      }
    }
  }
}

/** The sum of a part as a score of the type that `where` has. */
inline F part_score(const float *, F sum) { return sum; }
inline I part_score(const int32_t *, I sum) { return sum; }
inline I part_score(const int32_t *, F sum) { return __builtin_convertvector(sum, I); }

/**
 * tile (rows of kTileWords) = or += tokens . words over `depth` steps, both packed. On the way it asks for what comes
 * next: one line of 64 bytes from each place of `ahead` in every kAheadSteps steps.
 */
template <int rows, class Sum, class E, class Score>
__attribute__((noinline)) void multiply_tile(
    const E *tokens, const E *words, int64_t depth, Score *tile, bool add, const char *ahead0, const char *ahead1) {
  Sum sum[rows][kTileVectors] = {};
  const auto step = [&] {
    const auto w0 = load(words), w1 = load(words + kLanes);
    LEXVLA_UNROLL
    for (int i = 0; i < rows; ++i) {
      const auto x = splat(tokens[i]);
      sum[i][0] = multiply_add(sum[i][0], x, w0);
      sum[i][1] = multiply_add(sum[i][1], x, w1);
    }
    tokens += rows;
    words += kTileWords;
  };
  int64_t k = 0;
  for (; k + kAheadSteps <= depth; k += kAheadSteps) {
    __builtin_prefetch(ahead0, 0, 2);
    __builtin_prefetch(ahead1, 0, 2);
    ahead0 += kLine;
    ahead1 += kLine;
    for (int64_t i = 0; i < kAheadSteps; ++i) step();
  }
  for (; k < depth; ++k) step();
  LEXVLA_UNROLL
  for (int i = 0; i < rows; ++i) {
    LEXVLA_UNROLL
    for (int j = 0; j < kTileVectors; ++j) {
      Score *out = tile + i * kTileWords + j * kLanes;
      const auto part = part_score(out, sum[i][j]);
      store(out, add ? load(out) + part : part);
    }
  }
}

/** multiply_tile for a number of rows that is known only now. */
template <int most, class Sum, class E, class Score>
inline void multiply_rows(int64_t rows, const E *tokens, const E *words, int64_t depth, Score *tile, bool add, const Ahead &ahead) {
  if constexpr (most > 1) {
    if (rows < most) return multiply_rows<most - 1, Sum>(rows, tokens, words, depth, tile, add, ahead);
  }
  multiply_tile<most, Sum>(tokens, words, depth, tile, add, ahead.place[0], ahead.place[1]);
}

/**
 * Scores every row against every word. For each group and each block of words, in one thread, calls in ascending order of
 * rows
 *
 *     consumer.take(state, first_row, rows, first_word, words, tile)      tile[(j / kTileWords * rows + i) * kTileWords + j % kTileWords]
 *
 * after consumer.begin(first_word, words), which gives their state, and before consumer.end(state).
 *
 * @param source row r is tokens[source[r]], or NULL: tokens[r]
 * @param groups in ascending order, one after the other without a gap
 * @param panels of the codebook: RowPanels or PackedPanels
 */
template <class T, class Panels, class Consumer>
inline void score_groups(const lexvla_exec &exec, const T *tokens, const int64_t *source, const RowGroup *groups, int64_t count,
    const Panels &panels, int64_t width, int64_t words, const Consumer &consumer) {
  using E = Element<T>;
  using Score = typename Step<T>::Score;
  if (count == 0 || words == 0) return;
  const int64_t steps = steps_of<T>(width), first_row = groups[0].first;
  const int64_t rows = groups[count - 1].first + groups[count - 1].rows - first_row;
  int64_t most_rows = 0;  // of a block
  for (int64_t g = 0; g < count; ++g) most_rows = larger(most_rows, blocks_of(groups[g].rows, blocks_of(groups[g].rows, kBlockRows)));
  const Buffer packed_tokens(larger(rows * steps, 1) * 4);
  E *const all = static_cast<E *>(packed_tokens.data());
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(words);

  // Blocks of a group, as equal as can be.
  const auto for_blocks = [&](const RowGroup &group, const auto &body) {
    const int64_t blocks = blocks_of(group.rows, kBlockRows);
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t begin = group.first + share_begin(group.rows, blocks, i);
      body(begin, group.first + share_begin(group.rows, blocks, i + 1) - begin);
    }
  };
  parallel(job_threads(exec, count, static_cast<double>(rows) * static_cast<double>(width)), count, [&](int, int64_t g) {
    for_blocks(groups[g], [&](int64_t begin, int64_t size) {
      pack_block(tokens, source, begin, size, width, all + (begin - first_row) * steps);
    });
  });

  const int64_t word_blocks = blocks_of(words, kBlockWords);
  const int threads = job_threads(exec, word_blocks * count, work);
  // Panels that are made on the way are made once for all groups, but of the last blocks, which are shared out finely.
  int64_t whole_blocks = 0, kept_bytes = 0;
  if constexpr (kKept<Panels>) {
    kept_bytes = KeptPanels<T>::bytes(width, kBlockPanels);
    if (count > 1 && kept_bytes <= kKeptBytes) whole_blocks = larger(0, word_blocks - 2 * threads);
    if (whole_blocks == 0) kept_bytes = 0;
  }
  const int64_t tile_size = most_rows * kBlockWords;
  const int64_t scratch_bytes = (tile_size + kDepth * kTileWords) * 4 + kept_bytes;
  const Buffer scratch(threads * scratch_bytes);

  /** One group against one block of words. */
  const auto score = [&](const RowGroup &group, int64_t word_block, const auto &from, Score *tile) {
    const int64_t first_word = word_block * kBlockWords, here = smaller(kBlockWords, words - first_word);
    const int64_t first_panel = first_word / kTileWords, panels_here = blocks_of(here, kTileWords);
    E *const own_panel = reinterpret_cast<E *>(tile + tile_size);
    auto state = consumer.begin(first_word, here);
    for_blocks(group, [&](int64_t begin, int64_t size) {
      const E *const block = all + (begin - first_row) * steps;
      const int64_t tiles = blocks_of(size, kTileRows);
      int64_t part = 0;
      do {  // once also for width 0, whose scores are 0
        const int64_t depth = smaller(kDepth, steps - part);
        for (int64_t p = 0; p < panels_here; ++p) {
          const E *const panel = from.get(first_panel + p, part, depth, own_panel);
          const bool last = p + 1 == panels_here;
          const int64_t next_panel = first_panel + (last ? 0 : p + 1), next_part = last ? part + kDepth : part;
          for (int64_t t = 0; t < tiles; ++t) {
            const int64_t row = share_begin(size, tiles, t), tile_rows = share_begin(size, tiles, t + 1) - row;
            multiply_rows<kTileRows, typename Step<T>::Sum>(tile_rows, block + part * size + row * depth, panel, depth, tile + (p * size + row) * kTileWords,
                part > 0, from.ahead(next_panel, next_part, t, tiles));
          }
        }
        part += depth;
      } while (part < steps);
      consumer.take(state, begin, size, first_word, here, tile);
    });
    consumer.end(state);
  };

  parallel(threads, whole_blocks + (word_blocks - whole_blocks) * count, [&](int slot, int64_t task) {
    char *const own = static_cast<char *>(scratch.data()) + slot * scratch_bytes;
    if (task >= whole_blocks) {
      // Groups of one block of words follow each other, so that the words come from cache.
      const int64_t rest = task - whole_blocks;
      score(groups[rest % count], whole_blocks + rest / count, panels, reinterpret_cast<Score *>(own + kept_bytes));
      return;
    }
    if constexpr (kKept<Panels>) {
      KeptPanels<T> kept(panels, width, task * kBlockPanels, reinterpret_cast<E *>(own));
      for (int64_t g = 0; g < count; ++g) {
        score(groups[g], task, kept, reinterpret_cast<Score *>(own + kept_bytes));
        kept.complete();
      }
    }
  });
}

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
