/*
 * A bfloat16 codebook takes half the memory: two words in the halves of 32 bits, widened into a panel of float32 that 257 tokens
 * then use. A shift and a mask for every 28 multiply-adds of one token tile, of nineteen: it costs nothing that can be seen.
 */
#include "panels.h"

using namespace ladder;

constexpr int64_t kDepth = 192, kTogether = 4;

int main() {
  const Problem problem;
  constexpr int64_t kTileSize = kTiles * kTileRows * kTileWords;
  Array<float> tokens(kTiles * kTileRows * kWidth), panel(kDepth * kTileWords), tile(kTogether * kTileSize);
  Array<I> words(kWords / 2 * kWidth / kLanes);  // [panel][width]: lane j has words j and kLanes + j of the panel
  pack_tokens(kWidth, kDepth, tokens.data(), [&](int64_t p, int64_t k) { return problem.tokens[p * kWidth + k]; });
  for (int64_t i = 0; i < kPanels * kWidth; ++i) {
    for (int64_t j = 0; j < kLanes; ++j) {
      const auto word = [&](int64_t v) { return uint32_t{half(problem.codebook[(i / kWidth * kTileWords + v) * kWidth + i % kWidth])}; };
      words[i][j] = static_cast<int32_t>(word(j) | word(kLanes + j) << 16);
    }
  }
  return climb("7 bfloat16, widened", problem, [&](float *scores) {
    for (int64_t first = 0; first < kPanels; first += kTogether) {
      for (int64_t part = 0; part < kWidth; part += kDepth) {
        const int64_t depth = std::min(kDepth, kWidth - part);
        for (int64_t j = 0; j < kTogether; ++j) {
          const I *const stored = words.data() + (first + j) * kWidth + part;
          for (int64_t k = 0; k < depth; ++k) {
            store(panel.data() + k * kTileWords, reinterpret_cast<F>(stored[k] << 16));
            store(panel.data() + k * kTileWords + kLanes, reinterpret_cast<F>(stored[k] & static_cast<int32_t>(0xffff0000u)));
          }
          const bool last = j + 1 == kTogether;
          const I *const next = words.data() + (first + (last ? 0 : j + 1)) * kWidth + std::min(last ? part + kDepth : part, kWidth - 1);
          for (int64_t t = 0; t < kTiles; ++t) {
            multiply<true>(tokens.data() + kTiles * kTileRows * part + t * kTileRows * depth, panel.data(), depth,
                tile.data() + j * kTileSize + t * kTileRows * kTileWords, part > 0, reinterpret_cast<const char *>(next) + t * depth * 4);
          }
        }
      }
      for (int64_t j = 0; j < kTogether; ++j) take(tile.data() + j * kTileSize, scores + (first + j) * kTileWords);
    }
  });
}
