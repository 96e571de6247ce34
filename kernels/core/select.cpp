#include "select.h"

#include <algorithm>
#include <cstring>

namespace lexvla {
namespace {

uint32_t rank(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return rank_of(bits);
}

}  // namespace

Cut cut_of(const float *values, int64_t n, int64_t k) {
  // Radix selection: each pass fixes 11, 11, then 10 bits of the rank of the k-th value.
  constexpr int kShifts[] = {21, 10, 0};
  constexpr int kBits[] = {11, 11, 10};
  uint32_t prefix = 0, known = 0;
  int64_t wanted = k;
  for (int pass = 0; pass < 3; ++pass) {
    int64_t counts[2048] = {};
    const uint32_t mask = (1u << kBits[pass]) - 1;
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t key = rank(values[i]);
      if (key != 0 && (key & known) == prefix) ++counts[key >> kShifts[pass] & mask];
    }
    int64_t bucket = mask;
    while (bucket > 0 && counts[bucket] < wanted) wanted -= counts[bucket--];
    // Fewer than k in all: everything that is not 0 is kept.
    if (pass == 0 && counts[bucket] < wanted) return {0, 0};
    prefix |= static_cast<uint32_t>(bucket) << kShifts[pass];
    known |= mask << kShifts[pass];
  }
  return {prefix, wanted};
}

int64_t best_of(const float *values, int64_t n, int64_t k, int32_t *indexes, float *best) {
  if (k == 0) return 0;
  const Cut cut = cut_of(values, n, k);
  int64_t kept = 0, ties = cut.ties;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t key = rank(values[i]);
    if (key > cut.rank || (key == cut.rank && key != 0 && ties-- > 0)) indexes[kept++] = static_cast<int32_t>(i);
  }
  std::sort(indexes, indexes + kept, [&](int32_t i, int32_t j) {
    const uint32_t x = rank(values[i]), y = rank(values[j]);
    return x != y ? x > y : i < j;
  });
  for (int64_t i = 0; i < kept; ++i) best[i] = values[indexes[i]];
  return kept;
}

}  // namespace lexvla
