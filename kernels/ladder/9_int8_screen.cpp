/*
 * Past the limit: all scores from 8 bits (VPDPBUSD, four elements a step), and those that may be the best within six standard
 * deviations of the rounding scored again in float32. The answer is the same; the multiply-adds saved still count.
 */
#include <immintrin.h>

#include "panels.h"

using namespace ladder;

constexpr int64_t kSteps = kWidth / 4, kDepth = 192;

__attribute__((noinline)) static void multiply_bytes(const int32_t *tokens, const int32_t *words, int64_t depth, int32_t *tile, bool add) {
  __m512i sum[kTileRows][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const __m512i w0 = _mm512_loadu_si512(words), w1 = _mm512_loadu_si512(words + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kTileRows; ++i) {
      const __m512i x = _mm512_set1_epi32(tokens[i]);
      sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], x, w0);
      sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], x, w1);
    }
    tokens += kTileRows;
    words += kTileWords;
  }
#pragma GCC unroll 14
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      int32_t *out = tile + i * kTileWords + j * kLanes;
      _mm512_storeu_si512(out, add ? _mm512_add_epi32(_mm512_loadu_si512(out), sum[i][j]) : sum[i][j]);
    }
  }
}

static I load_integers(const int32_t *p) { return reinterpret_cast<I>(_mm512_loadu_si512(p)); }

/** Rows in 8 bits: the numbers, their unit and the norm of each row. */
struct Bytes {
  std::vector<int8_t> numbers;
  std::vector<float> step, norm;
  Bytes(const float *all, int64_t rows) : numbers(rows * kWidth), step(rows), norm(rows) {
    for (int64_t r = 0; r < rows; ++r) {
      float largest = 0, squares = 0;
      for (int64_t k = 0; k < kWidth; ++k) {
        largest = std::max(largest, std::fabs(all[r * kWidth + k]));
        squares += all[r * kWidth + k] * all[r * kWidth + k];
      }
      step[r] = largest / 127;
      norm[r] = std::sqrt(squares);
      for (int64_t k = 0; k < kWidth; ++k) numbers[r * kWidth + k] = static_cast<int8_t>(std::lrint(all[r * kWidth + k] / step[r]));
    }
  }
  /** Four of a row, `bias` added to each. */
  int32_t quad(int64_t row, int64_t k, int bias) const {
    uint32_t four = 0;
    for (int64_t i = 3; i >= 0; --i) four = four << 8 | static_cast<uint8_t>(numbers[row * kWidth + 4 * k + i] + bias);
    return static_cast<int32_t>(four);
  }
};

static float exact(const float *x, const float *z) {
  F sum[4] = {};
  for (int64_t k = 0; k < kWidth; k += 4 * kLanes) {
    for (int i = 0; i < 4; ++i) sum[i] += load(x + k + i * kLanes) * load(z + k + i * kLanes);
  }
  const F lanes = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
}

int main() {
  if (!__builtin_cpu_supports("avx512vnni")) {
    std::printf("9 screen of 8 bits: this machine has no dot product of bytes\n");
    return 0;
  }
  const Problem problem;
  const Bytes x(problem.tokens.data(), kTokens), z(problem.codebook.data(), kWords);
  Array<int32_t> tokens(kTiles * kTileRows * kSteps), words(kWords * kSteps), tile(kTiles * kTileRows * kTileWords);
  pack_tokens(kSteps, kDepth, tokens.data(), [&](int64_t p, int64_t k) { return x.quad(p, k, 128); });  // the first factor has no sign
  pack_words(kSteps, words.data(), [&](int64_t v, int64_t k) { return z.quad(v, k, 0); });
  std::vector<int32_t> bias(kWords);
  for (int64_t i = 0; i < kWords * kWidth; ++i) bias[i / kWidth] += 128 * z.numbers[i];
  Array<F> most(kTokens * 2);
  return climb("9 screen of 8 bits", problem, [&](float *scores) {
    for (int64_t first = 0; first < kWords; first += kTileWords) {
      for (int64_t part = 0; part < kSteps; part += kDepth) {
        const int64_t depth = std::min(kDepth, kSteps - part);
        for (int64_t t = 0; t < kTiles; ++t) {
          multiply_bytes(tokens.data() + kTiles * kTileRows * part + t * kTileRows * depth, words.data() + first * kSteps + part * kTileWords,
              depth, tile.data() + t * kTileRows * kTileWords, part > 0);
        }
      }
      const F steps[2] = {load(z.step.data() + first), load(z.step.data() + first + kLanes)};
      const F norms[2] = {load(z.norm.data() + first), load(z.norm.data() + first + kLanes)};
      F low[2] = {splat(-INFINITY), splat(-INFINITY)};
      for (int64_t p = 0; p < kTokens; ++p) {
        for (int j = 0; j < 2; ++j) {
          const int64_t at = p * 2 + j;
          const I sum = load_integers(tile.data() + at * kLanes) - load_integers(bias.data() + first + j * kLanes);
          const F score = __builtin_convertvector(sum, F) * (steps[j] * x.step[p]);
          const F margin = (norms[j] * x.step[p] + steps[j] * x.norm[p]) * (6 * 0.288675f);
          low[j] = maximum(low[j], score - margin);
          most[at] = score + margin;
        }
      }
      std::fill(scores + first, scores + first + kTileWords, -INFINITY);
      for (int64_t p = 0; p < kTokens; ++p) {
        for (int64_t j = 0; j < kTileWords; ++j) {
          if (most[p * 2 + j / kLanes][j % kLanes] < low[j / kLanes][j % kLanes]) continue;
          const float again = exact(problem.tokens.data() + p * kWidth, problem.codebook.data() + (first + j) * kWidth);
          scores[first + j] = std::max(scores[first + j], again);
        }
      }
    }
  });
}
