/*
 * Words along the lanes: the codebook is transposed, a token's element is broadcast, and the maximum over tokens is a vertical
 * one. One sum per vector: each multiply-add waits for the one before it.
 */
#include "ladder.h"

using namespace ladder;

int main() {
  const Problem problem;
  Array<float> columns(kWidth * kWords);  // [width][words]
  for (int64_t v = 0; v < kWords; ++v) {
    for (int64_t k = 0; k < kWidth; ++k) columns[k * kWords + v] = problem.codebook[v * kWidth + k];
  }
  return climb("2 words along the lanes", problem, [&](float *scores) {
    for (int64_t v = 0; v < kWords; v += kLanes) {
      F best = splat(-INFINITY);
      for (int64_t p = 0; p < kTokens; ++p) {
        F sum = {};
        for (int64_t k = 0; k < kWidth; ++k) sum += splat(problem.tokens[p * kWidth + k]) * load(columns.data() + k * kWords + v);
        best = maximum(best, sum);
      }
      store(scores + v, best);
    }
  });
}
