/*
 * Both operands packed in the order in which they are read: no page is left after one vector. Each panel still runs over the
 * whole width, half a megabyte, so it comes from the second-level cache for every tile.
 */
#include "panels.h"

using namespace ladder;

int main() {
  const Problem problem;
  Array<float> tokens(kTiles * kTileRows * kWidth), words(kWords * kWidth), tile(kTiles * kTileRows * kTileWords);
  pack_tokens(kWidth, kWidth, tokens.data(), [&](int64_t p, int64_t k) { return problem.tokens[p * kWidth + k]; });
  pack_words(kWidth, words.data(), [&](int64_t v, int64_t k) { return problem.codebook[v * kWidth + k]; });
  return climb("4 packed", problem, [&](float *scores) {
    for (int64_t panel = 0; panel < kPanels; ++panel) {
      for (int64_t t = 0; t < kTiles; ++t) {
        multiply<false>(tokens.data() + t * kTileRows * kWidth, words.data() + panel * kTileWords * kWidth, kWidth,
            tile.data() + t * kTileRows * kTileWords, false, nullptr);
      }
      take(tile.data(), scores + panel * kTileWords);
    }
  });
}
