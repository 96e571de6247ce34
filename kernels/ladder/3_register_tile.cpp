/*
 * A tile of sums in registers: 14 tokens x 32 words are 28 of 32 registers. Each loaded vector of words serves 14 multiply-adds,
 * each broadcast two, and 28 independent sums hide the latency. The rows of the codebook still lie a page apart.
 */
#include "ladder.h"

using namespace ladder;

int main() {
  const Problem problem;
  Array<float> columns(kWidth * kWords);
  for (int64_t v = 0; v < kWords; ++v) {
    for (int64_t k = 0; k < kWidth; ++k) columns[k * kWords + v] = problem.codebook[v * kWidth + k];
  }
  Array<float> tokens((kTokens + 13) * kWidth);  // the last tile goes on with zeros, which are not looked at
  std::fill(tokens.data(), tokens.data() + (kTokens + 13) * kWidth, 0.0f);
  std::copy(problem.tokens.data(), problem.tokens.data() + kTokens * kWidth, tokens.data());
  return climb("3 tile of sums in registers", problem, [&](float *scores) {
    for (int64_t v = 0; v < kWords; v += 2 * kLanes) {
      F best[2] = {splat(-INFINITY), splat(-INFINITY)};
      for (int64_t p = 0; p < kTokens; p += 14) {
        F sum[14][2] = {};
        for (int64_t k = 0; k < kWidth; ++k) {
          const F w0 = load(columns.data() + k * kWords + v), w1 = load(columns.data() + k * kWords + v + kLanes);
#pragma GCC unroll 14
          for (int i = 0; i < 14; ++i) {
            const F x = splat(tokens[(p + i) * kWidth + k]);
            sum[i][0] += x * w0;
            sum[i][1] += x * w1;
          }
        }
        for (int i = 0; i < 14 && p + i < kTokens; ++i) {
          best[0] = maximum(best[0], sum[i][0]);
          best[1] = maximum(best[1], sum[i][1]);
        }
      }
      store(scores + v, best[0]);
      store(scores + v + kLanes, best[1]);
    }
  });
}
