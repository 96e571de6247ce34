#include "digest.h"

#include <cstring>

namespace lexvla {
namespace {

// As many sums as a vector has, so that reading is not slower than memory.
constexpr int kSums = 8;
constexpr int64_t kRound = kSums * 8;
constexpr uint64_t kFactor = 0x9e3779b97f4a7c15u;  // odd, so that a step can be undone: it loses nothing

constexpr uint64_t step(uint64_t sum, uint64_t x) {
  const uint64_t product = (sum ^ x) * kFactor;
  return product << 31 | product >> 33;  // what came to the top comes to the bottom, else it would never reach the others
}

}  // namespace

uint64_t digest(const void *data, int64_t bytes, uint64_t seed) {
  uint64_t sums[kSums], words[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = seed + static_cast<uint64_t>(i) * kFactor;
  const char *const begin = static_cast<const char *>(data);
  int64_t at = 0;
  for (; at + kRound <= bytes; at += kRound) {
    std::memcpy(words, begin + at, kRound);
    for (int i = 0; i < kSums; ++i) sums[i] = step(sums[i], words[i]);
  }
  if (at < bytes) {
    std::memset(words, 0, kRound);
    std::memcpy(words, begin + at, static_cast<size_t>(bytes - at));
    for (int i = 0; i < kSums; ++i) sums[i] = step(sums[i], words[i]);
  }
  uint64_t result = step(seed, static_cast<uint64_t>(bytes));
  for (const uint64_t sum : sums) result = step(result, sum);
  return step(result, 0);
}

}  // namespace lexvla
