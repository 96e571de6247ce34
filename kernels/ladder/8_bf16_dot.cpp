/*
 * The dot product of bfloat16 pairs, VDPBF16PS: two elements a step. Twice the multiply-adds per instruction; whether it is faster is
 * the core's affair: twice as fast on Zen 4, half as fast on Sapphire and Emerald Rapids, which leave bfloat16 to AMX.
 */
#include <immintrin.h>

#include "panels.h"

using namespace ladder;

constexpr int64_t kSteps = kWidth / 2, kDepth = 192, kTogether = 4;

__attribute__((noinline)) static void multiply_pairs(const int32_t *tokens, const int32_t *words, int64_t depth, float *tile, bool add) {
  __m512 sum[kTileRows][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const __m512i w0 = _mm512_loadu_si512(words), w1 = _mm512_loadu_si512(words + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kTileRows; ++i) {
      const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(tokens[i]));
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, reinterpret_cast<__m512bh>(w0));
      sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, reinterpret_cast<__m512bh>(w1));
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

int main() {
  if (!__builtin_cpu_supports("avx512bf16")) {
    std::printf("8 bfloat16 dot product: this machine has none\n");
    return 0;
  }
  const Problem problem;
  constexpr int64_t kTileSize = kTiles * kTileRows * kTileWords;
  Array<int32_t> tokens(kTiles * kTileRows * kSteps), words(kWords * kSteps);
  Array<float> tile(kTogether * kTileSize);
  const auto pair = [](const float *row, int64_t k) { return static_cast<int32_t>(half(row[2 * k]) | uint32_t{half(row[2 * k + 1])} << 16); };
  pack_tokens(kSteps, kDepth, tokens.data(), [&](int64_t p, int64_t k) { return pair(problem.tokens.data() + p * kWidth, k); });
  pack_words(kSteps, words.data(), [&](int64_t v, int64_t k) { return pair(problem.codebook.data() + v * kWidth, k); });
  return climb("8 bfloat16 dot product", problem, [&](float *scores) {
    for (int64_t first = 0; first < kPanels; first += kTogether) {
      for (int64_t part = 0; part < kSteps; part += kDepth) {
        const int64_t depth = std::min(kDepth, kSteps - part);
        for (int64_t j = 0; j < kTogether; ++j) {
          for (int64_t t = 0; t < kTiles; ++t) {
            multiply_pairs(tokens.data() + kTiles * kTileRows * part + t * kTileRows * depth,
                words.data() + ((first + j) * kSteps + part) * kTileWords, depth, tile.data() + j * kTileSize + t * kTileRows * kTileWords,
                part > 0);
          }
        }
      }
      for (int64_t j = 0; j < kTogether; ++j) take(tile.data() + j * kTileSize, scores + (first + j) * kTileWords);
    }
  });
}
