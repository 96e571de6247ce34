/* Tokens and codebook in the order in which the inner loop of the later steps reads them. */
#ifndef LEXVLA_LADDER_PANELS_H
#define LEXVLA_LADDER_PANELS_H

#include <immintrin.h>

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

/** 16 steps of 16 words as 16 vectors of 16 words, `to` with kTileWords between them. */
inline void transpose(const float *words, int64_t width, float *to) {
  __m512 x[16], y[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = _mm512_loadu_ps(words + i * width);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m512d a = _mm512_castps_pd(y[i + j]), b = _mm512_castps_pd(y[i + j + 2]);
      x[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      x[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
  // Now x[4 * g + s] has, in quarter q, step 4 * q + s of words 4 * g to 4 * g + 3.
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s) {
    const __m512 even01 = _mm512_shuffle_f32x4(x[s], x[4 + s], 0x88), odd01 = _mm512_shuffle_f32x4(x[s], x[4 + s], 0xdd);
    const __m512 even23 = _mm512_shuffle_f32x4(x[8 + s], x[12 + s], 0x88), odd23 = _mm512_shuffle_f32x4(x[8 + s], x[12 + s], 0xdd);
    _mm512_storeu_ps(to + s * kTileWords, _mm512_shuffle_f32x4(even01, even23, 0x88));
    _mm512_storeu_ps(to + (8 + s) * kTileWords, _mm512_shuffle_f32x4(even01, even23, 0xdd));
    _mm512_storeu_ps(to + (4 + s) * kTileWords, _mm512_shuffle_f32x4(odd01, odd23, 0x88));
    _mm512_storeu_ps(to + (12 + s) * kTileWords, _mm512_shuffle_f32x4(odd01, odd23, 0xdd));
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
