/*
 * From here on the codebook is as its owner has it, a word after the other, and there are four pictures. The panels of a block of
 * words are transposed for each picture anew, or for the first only and kept for the others: 2 MB, in the second-level cache.
 * With panels that are there beforehand (step 6) there is nothing to transpose.
 */
#include "panels.h"

using namespace ladder;

constexpr int64_t kDepth = 192, kTogether = 4, kPictures = 4;

int main() {
  const Problem problem;
  constexpr int64_t kTileSize = kTiles * kTileRows * kTileWords, kPictureSize = kTiles * kTileRows * kWidth;
  Array<float> tokens(kPictures * kPictureSize), tile(kTogether * kTileSize), panels(kTogether * kWidth * kTileWords);
  for (int64_t b = 0; b < kPictures; ++b) {
    pack_tokens(kWidth, kDepth, tokens.data() + b * kPictureSize, [&](int64_t p, int64_t k) { return problem.tokens[p * kWidth + k]; });
  }
  const auto step = [&](float *scores, bool kept) {
    for (int64_t first = 0; first < kPanels; first += kTogether) {
      for (int64_t b = 0; b < kPictures; ++b) {
        for (int64_t part = 0; part < kWidth; part += kDepth) {
          const int64_t depth = std::min(kDepth, kWidth - part);
          for (int64_t j = 0; j < kTogether; ++j) {
            float *const panel = panels.data() + (j * kWidth + part) * kTileWords;
            if (!kept || b == 0) {
              for (int64_t lane = 0; lane < kTileWords; lane += kLanes) {
                const float *const words = problem.codebook.data() + ((first + j) * kTileWords + lane) * kWidth + part;
                for (int64_t k = 0; k < depth; k += kLanes) transpose(words + k, kWidth, panel + k * kTileWords + lane);
              }
            }
            for (int64_t t = 0; t < kTiles; ++t) {
              multiply<false>(tokens.data() + b * kPictureSize + kTiles * kTileRows * part + t * kTileRows * depth, panel, depth,
                  tile.data() + j * kTileSize + t * kTileRows * kTileWords, part > 0, nullptr);
            }
          }
        }
        for (int64_t j = 0; j < kTogether; ++j) take(tile.data() + j * kTileSize, scores + (first + j) * kTileWords);
      }
    }
  };
  return climb("11 transposed for each picture", problem, [&](float *scores) { step(scores, false); }, kPictures) |
         climb("11 transposed once and kept", problem, [&](float *scores) { step(scores, true); }, kPictures);
}
