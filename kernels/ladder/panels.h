/* Tokens and codebook in the order in which the inner loop of the later steps reads them. */
#ifndef LEXVLA_LADDER_PANELS_H
#define LEXVLA_LADDER_PANELS_H

#include "ladder.h"

namespace ladder {

constexpr int64_t kTileRows = 14, kTileWords = 2 * kLanes;
constexpr int64_t kTiles = (kTokens + kTileRows - 1) / kTileRows, kPanels = kWords / kTileWords;

/** Tokens for a depth at a time: [part][tile][depth][row of the tile], the last tile filled up with 0. */
template <class E, class Convert>
void pack_tokens(int64_t steps, int64_t depth, E *packed, const Convert &convert) {
  for (int64_t part = 0; part < steps; part += depth) {
    const int64_t here = std::min(depth, steps - part);
    for (int64_t t = 0; t < kTiles; ++t) {
      for (int64_t k = 0; k < here; ++k) {
        for (int64_t i = 0; i < kTileRows; ++i) {
          const int64_t p = t * kTileRows + i;
          *packed++ = p < kTokens ? convert(p, part + k) : E{};
        }
      }
    }
  }
}

/** The codebook as panels: [panel][step][word of the panel]. */
template <class E, class Convert>
void pack_words(int64_t steps, E *packed, const Convert &convert) {
  for (int64_t panel = 0; panel < kPanels; ++panel) {
    for (int64_t k = 0; k < steps; ++k) {
      for (int64_t j = 0; j < kTileWords; ++j) *packed++ = convert(panel * kTileWords + j, k);
    }
  }
}

/** The maximum down the rows of a panel's scores, [row][word of the panel]. */
inline void take(const float *tile, float *scores) {
  F best[2] = {load(tile), load(tile + kLanes)};
  for (int64_t p = 1; p < kTokens; ++p) {
    best[0] = maximum(best[0], load(tile + p * kTileWords));
    best[1] = maximum(best[1], load(tile + p * kTileWords + kLanes));
  }
  store(scores, best[0]);
  store(scores + kLanes, best[1]);
}

/** tile = or += tokens . words of one tile over `depth` steps; asks for two lines of what comes next in every 16. */
template <bool ahead>
__attribute__((noinline)) inline void multiply(const float *tokens, const float *words, int64_t depth, float *tile, bool add, const char *next) {
  F sum[kTileRows][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    if (ahead && k % 16 == 0) {
      __builtin_prefetch(next + k * 8, 0, 2);
      __builtin_prefetch(next + k * 8 + 64, 0, 2);
    }
    const F w0 = load(words), w1 = load(words + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kTileRows; ++i) {
      const F x = splat(tokens[i]);
      sum[i][0] += x * w0;
      sum[i][1] += x * w1;
    }
    tokens += kTileRows;
    words += kTileWords;
  }
#pragma GCC unroll 14
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      float *out = tile + i * kTileWords + j * kLanes;
      store(out, add ? load(out) + sum[i][j] : sum[i][j]);
    }
  }
}

}  // namespace ladder

#endif
