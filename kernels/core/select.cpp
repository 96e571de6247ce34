#include "select.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace lexvla {
namespace {

uint32_t rank(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return rank_of(bits);
}

/** The bucket, from above, in which the wanted-th entry lies; takes those above it off `wanted`. */
int64_t bucket_of(const int32_t *counts, int64_t bucket, int64_t *wanted) {
  while (bucket > 0 && counts[bucket] < *wanted) *wanted -= counts[bucket--];
  return bucket;
}

}  // namespace

Cut cut_of(const float *values, int64_t n, int64_t k) {
  // Radix selection: the first 11 bits of all ranks, then 11 and 10 more of those that share the first. Even and odd entries are
  // counted apart, as equal ones that follow each other would wait for each other.
  constexpr int kFirst = 21, kSecond = 10;
  int32_t counts[2048] = {}, odd[2048] = {};
  int64_t i = 0;
  for (; i + 2 <= n; i += 2) {
    ++counts[rank(values[i]) >> kFirst];
    ++odd[rank(values[i + 1]) >> kFirst];
  }
  if (i < n) ++counts[rank(values[i]) >> kFirst];
  for (int b = 0; b < 2048; ++b) counts[b] += odd[b];
  int64_t wanted = k;
  const uint32_t first = static_cast<uint32_t>(bucket_of(counts, 2047, &wanted));

  // Of the lowest bucket rank 0 is never kept: of the others there, and only there, may be too few.
  std::vector<uint32_t> ranks;
  ranks.reserve(counts[first]);
  for (i = 0; i < n; ++i) {
    const uint32_t r = rank(values[i]);
    if (r >> kFirst == first && r != 0) ranks.push_back(r);
  }
  if (static_cast<int64_t>(ranks.size()) < wanted) return {0, 0};

  std::fill_n(counts, 2048, 0);
  for (const uint32_t r : ranks) ++counts[r >> kSecond & 2047];
  const uint32_t second = static_cast<uint32_t>(bucket_of(counts, 2047, &wanted));
  std::fill_n(counts, 2048, 0);
  for (const uint32_t r : ranks) {
    if ((r >> kSecond & 2047) == second) ++counts[r & 1023];
  }
  const uint32_t third = static_cast<uint32_t>(bucket_of(counts, 1023, &wanted));
  return {first << kFirst | second << kSecond | third, wanted};
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
