/* As it is written down: for every word and token the sum over the width. Strict float order, so one sum at a time. */
#include "ladder.h"

using namespace ladder;

int main() {
  const Problem problem;
  return climb("1 naive", problem, [&](float *scores) {
    for (int64_t v = 0; v < kWords; ++v) {
      float best = -INFINITY;
      for (int64_t p = 0; p < kTokens; ++p) {
        float score = 0;
        for (int64_t k = 0; k < kWidth; ++k) score += problem.tokens[p * kWidth + k] * problem.codebook[v * kWidth + k];
        best = std::max(best, score);
      }
      scores[v] = best;
    }
  });
}
