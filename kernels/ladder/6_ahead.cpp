/*
 * The next panel is asked for while this one is multiplied, two lines in every 16 steps: it is in the second-level cache when its
 * turn comes, wherever the codebook lies.
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
  return climb("6 fetched ahead", problem, [&](float *scores) {
    for (int64_t first = 0; first < kPanels; first += kTogether) {
      for (int64_t part = 0; part < kWidth; part += kDepth) {
        const int64_t depth = std::min(kDepth, kWidth - part);
        for (int64_t j = 0; j < kTogether; ++j) {
          const bool last = j + 1 == kTogether;
          const char *const next = reinterpret_cast<const char *>(
              words.data() + ((first + (last ? 0 : j + 1)) * kWidth + std::min(last ? part + kDepth : part, kWidth - 1)) * kTileWords);
          for (int64_t t = 0; t < kTiles; ++t) {
            multiply<true>(tokens.data() + kTiles * kTileRows * part + t * kTileRows * depth,
                words.data() + ((first + j) * kWidth + part) * kTileWords, depth, tile.data() + j * kTileSize + t * kTileRows * kTileWords,
                part > 0, next + t * depth * 8);
          }
        }
      }
      for (int64_t j = 0; j < kTogether; ++j) take(tile.data() + j * kTileSize, scores + (first + j) * kTileWords);
    }
  });
}
