/*
 * The width in parts of 192: a panel's part, 24 KiB, stays in the first-level cache for all tokens, and the tokens' part in the
 * second-level cache for four panels. The scores, kept between parts, are 33 KB a panel and are seen by nobody else.
 */
#include "panels.h"

using namespace ladder;

constexpr int64_t kDepth = 192, kTogether = 4;

int main() {
  const Problem problem;
  constexpr int64_t kTileSize = kTiles * kTileRows * kTileWords;
  Array<float> tokens(kTiles * kTileRows * kWidth), words(kWords * kWidth), tile(kTogether * kTileSize);
  pack_tokens(kWidth, kDepth, tokens.data(), [&](int64_t p, int64_t k) { return problem.tokens[p * kWidth + k]; });
  pack_words(kWidth, words.data(), [&](int64_t v, int64_t k) { return problem.codebook[v * kWidth + k]; });
  return climb("5 the width in parts", problem, [&](float *scores) {
    for (int64_t first = 0; first < kPanels; first += kTogether) {
      for (int64_t part = 0; part < kWidth; part += kDepth) {
        const int64_t depth = std::min(kDepth, kWidth - part);
        for (int64_t j = 0; j < kTogether; ++j) {
          for (int64_t t = 0; t < kTiles; ++t) {
            multiply<false>(tokens.data() + kTiles * kTileRows * part + t * kTileRows * depth,
                words.data() + ((first + j) * kWidth + part) * kTileWords, depth, tile.data() + j * kTileSize + t * kTileRows * kTileWords,
                part > 0, nullptr);
          }
        }
      }
      for (int64_t j = 0; j < kTogether; ++j) take(tile.data() + j * kTileSize, scores + (first + j) * kTileWords);
    }
  });
}
