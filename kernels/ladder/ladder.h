/*
 * What the steps share: the problem, its answer in double, the clock and the measured peak. One picture of 257 tokens of
 * width 4096 against 1024 words, one thread; every number is a bfloat16, so that all steps answer the same question.
 */
#ifndef LEXVLA_LADDER_H
#define LEXVLA_LADDER_H

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

namespace ladder {

constexpr int64_t kTokens = 257, kWidth = 4096, kWords = 1024;
constexpr int kLanes = 16;
typedef float F __attribute__((vector_size(64)));
typedef int32_t I __attribute__((vector_size(64)));
typedef float UnalignedF __attribute__((vector_size(64), aligned(4), may_alias));
inline F load(const float *p) { return *reinterpret_cast<const UnalignedF *>(p); }
inline void store(float *p, F x) { *reinterpret_cast<UnalignedF *>(p) = x; }
inline F splat(float x) { return x - F{}; }
inline F maximum(F x, F y) { return x > y ? x : y; }

/** Memory at a multiple of 64 bytes. */
template <class T>
class Array {
 public:
  explicit Array(int64_t n) : memory_(n * sizeof(T) + 64), data_(reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t{63})) {}
  Array(const Array &) = delete;
  T *data() { return data_; }
  const T *data() const { return data_; }
  T &operator[](int64_t i) { return data_[i]; }
  const T &operator[](int64_t i) const { return data_[i]; }

 private:
  std::vector<char> memory_;
  T *data_;
};

struct Problem {
  Array<float> tokens{kTokens * kWidth}, codebook{kWords * kWidth};
  Array<double> truth{kWords};
  double rounding = 0;  // how far a float32 sum may be off

  Problem() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const auto draw = [&](float scale) {
      float x = scale * normal(random);
      uint32_t bits;
      std::memcpy(&bits, &x, 4);
      bits &= 0xffff0000u;
      std::memcpy(&x, &bits, 4);
      return x;
    };
    for (int64_t i = 0; i < kTokens * kWidth; ++i) tokens[i] = draw(1);
    for (int64_t i = 0; i < kWords * kWidth; ++i) codebook[i] = draw(1.0f / 64);
    for (int64_t v = 0; v < kWords; ++v) {
      truth[v] = -INFINITY;
      for (int64_t p = 0; p < kTokens; ++p) {
        double sums[8] = {}, magnitude = 0;
        for (int64_t k = 0; k < kWidth; ++k) {
          const double product = double{tokens[p * kWidth + k]} * codebook[v * kWidth + k];
          sums[k % 8] += product;
          magnitude += std::fabs(product);
        }
        double score = 0;
        for (const double sum : sums) score += sum;
        truth[v] = std::max(truth[v], score);
        rounding = std::max(rounding, (kWidth + 2) * 0x1p-24 * magnitude);
      }
    }
  }
};

/** A bfloat16 that a float exactly is. */
inline uint16_t half(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return static_cast<uint16_t>(bits >> 16);
}

inline double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

/** Float32 multiply-adds that never leave the registers: 24 vectors of them a round. */
inline float multiply_adds(int rounds) {
  const F x = splat(0.999f), y = splat(0.001f);
  F sums[24];
#pragma GCC unroll 24
  for (F &sum : sums) sum = y;
  for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (F &sum : sums) {
      sum = sum * x + y;
      __asm__("" : "+v"(sum));
    }
  }
  F total = {};
#pragma GCC unroll 24
  for (const F &sum : sums) total += sum;
  return total[0];
}

/** Operations per second at most. */
inline double peak() {
  constexpr int kRounds = 200000;
  double best = 0;
  volatile float sink;
  for (int trial = 0; trial < 20; ++trial) {
    const auto start = std::chrono::steady_clock::now();
    sink = multiply_adds(kRounds);
    best = std::max(best, 24.0 * 2 * kLanes * kRounds / seconds(start));
  }
  (void)sink;
  return best;
}

/** Runs step(scores) until it has taken a second, checks its answer and prints its line; 1 if it is wrong. A step may do several pictures. */
template <class Step>
int climb(const char *name, const Problem &problem, const Step &step, int64_t pictures = 1) {
  const double limit = peak();
  Array<float> scores(kWords);
  std::vector<double> times;
  double total = 0;
  while (total < 1 || times.size() < 3) {
    std::fill(scores.data(), scores.data() + kWords, NAN);
    const auto start = std::chrono::steady_clock::now();
    step(scores.data());
    times.push_back(seconds(start));
    total += times.back();
  }
  for (int64_t v = 0; v < kWords; ++v) {
    if (!(std::fabs(scores[v] - problem.truth[v]) <= problem.rounding)) {
      std::printf("%s: word %d has score %g, truth %g\n", name, static_cast<int>(v), scores[v], problem.truth[v]);
      return 1;
    }
  }
  std::sort(times.begin(), times.end());
  const double rate = 2.0 * static_cast<double>(pictures) * kTokens * kWidth * kWords / times[times.size() / 2];
  std::printf("%-32s %8.1f GFLOP/s  %5.1f %% of the float32 peak of %.0f\n", name, rate / 1e9, 100 * rate / limit, limit / 1e9);
  return 0;
}

}  // namespace ladder

#endif
