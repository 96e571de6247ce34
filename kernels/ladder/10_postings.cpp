/*
 * The inverted index: adding the postings of 64 words to the sums of a block of 8192 rows, postings of 8 bits that are in the cache
 * already. Rows by their ids are added one by one, or by gather and scatter; rows by bits by spreading bytes to where their bits
 * are (VBMI2) and multiplying those of four words at once (VNNI). Its rate is in postings, with what it would
 * read from memory for that.
 */
#include <immintrin.h>

#include "ladder.h"

using namespace ladder;

constexpr int64_t kRows = 8192, kLists = 64;

/** Lists of one share of the rows, as ids and as bits. */
struct Lists {
  std::vector<uint16_t> ids[kLists];
  std::vector<uint64_t> bits[kLists];
  std::vector<uint8_t> impacts[kLists];
  int32_t factors[kLists];
  int64_t postings = 0;
  std::vector<int32_t> truth = std::vector<int32_t>(kRows);

  explicit Lists(double share) {
    std::mt19937 random(1);
    std::bernoulli_distribution has(share);
    for (int64_t j = 0; j < kLists; ++j) {
      bits[j].assign(kRows / 64, 0);
      factors[j] = static_cast<int32_t>(random() % 32639);
      for (int64_t row = 0; row < kRows; ++row) {
        if (!has(random)) continue;
        ids[j].push_back(static_cast<uint16_t>(row));
        bits[j][row / 64] |= uint64_t{1} << (row % 64);
        impacts[j].push_back(static_cast<uint8_t>(random()));
        truth[row] += factors[j] * impacts[j].back();
        ++postings;
      }
      ids[j].resize(ids[j].size() / 16 * 16 + 16);  // what is read beyond the end is not used
      impacts[j].resize(impacts[j].size() + 64);
    }
  }
};

inline I widened(const uint8_t *p) { return reinterpret_cast<I>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)))); }

void one_by_one(const uint16_t *ids, const uint8_t *impacts, int64_t n, int32_t factor, int32_t *sums) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    int32_t products[kLanes];
    _mm512_storeu_si512(products, reinterpret_cast<__m512i>(widened(impacts + i) * factor));
#pragma GCC unroll 16
    for (int k = 0; k < kLanes; ++k) sums[ids[i + k]] += products[k];
  }
  for (; i < n; ++i) sums[ids[i]] += factor * impacts[i];
}

void gather_scatter(const uint16_t *ids, const uint8_t *impacts, int64_t n, int32_t factor, int32_t *sums) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m512i at = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(ids + i)));
    const __m512i product = reinterpret_cast<__m512i>(widened(impacts + i) * factor);
    _mm512_i32scatter_epi32(sums, at, _mm512_add_epi32(_mm512_i32gather_epi32(at, sums, 4), product), 4);
  }
  for (; i < n; ++i) sums[ids[i]] += factor * impacts[i];
}

void spread_words(const uint64_t *bits, const uint8_t *impacts, int32_t factor, int32_t *sums) {
  for (int64_t row = 0; row < kRows; row += kLanes) {
    const __mmask16 mask = static_cast<__mmask16>(bits[row / 64] >> (row % 64));
    const I x = reinterpret_cast<I>(_mm512_maskz_expand_epi32(mask, reinterpret_cast<__m512i>(widened(impacts)))) * factor;
    _mm512_storeu_si512(sums + row, _mm512_add_epi32(_mm512_loadu_si512(sums + row), reinterpret_cast<__m512i>(x)));
    impacts += __builtin_popcount(mask);
  }
}

void spread_bytes(const Lists &lists, int64_t first, int32_t *sums) {
  const uint8_t *impacts[4];
  uint32_t low_bytes = 0, high_bytes = 0;
  for (int j = 0; j < 4; ++j) {
    const int32_t factor = lists.factors[first + j], low = static_cast<int8_t>(factor & 0xff);
    low_bytes |= static_cast<uint32_t>(low & 0xff) << (8 * j);
    high_bytes |= static_cast<uint32_t>((factor - low) >> 8 & 0xff) << (8 * j);
    impacts[j] = lists.impacts[first + j].data();
  }
  const __m512i low = _mm512_set1_epi32(static_cast<int>(low_bytes)), high = _mm512_set1_epi32(static_cast<int>(high_bytes));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (int64_t w = 0; w < kRows / 64; ++w, sums += 64) {
    __m512i x[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const uint64_t mask = lists.bits[first + j][w];
      x[j] = _mm512_permutexvar_epi32(order, _mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(impacts[j])));
      impacts[j] += __builtin_popcountll(mask);
    }
    const __m512i ab[2] = {_mm512_unpacklo_epi8(x[0], x[1]), _mm512_unpackhi_epi8(x[0], x[1])};
    const __m512i cd[2] = {_mm512_unpacklo_epi8(x[2], x[3]), _mm512_unpackhi_epi8(x[2], x[3])};
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      const __m512i quads = part % 2 == 0 ? _mm512_unpacklo_epi16(ab[part / 2], cd[part / 2]) : _mm512_unpackhi_epi16(ab[part / 2], cd[part / 2]);
      const __m512i highs = _mm512_dpbusd_epi32(_mm512_setzero_si512(), quads, high);
      const __m512i sum = _mm512_dpbusd_epi32(_mm512_loadu_si512(sums + 16 * part), quads, low);
      _mm512_storeu_si512(sums + 16 * part, _mm512_add_epi32(sum, _mm512_slli_epi32(highs, 8)));
    }
  }
}

/** Prints the rate of add(first list of four, sums) over all lists; 1 if its sums are wrong. */
template <class Add>
int rate(const char *name, double share, const Lists &lists, bool by_bits, const Add &add) {
  std::vector<int32_t> sums(kRows);
  double best = 1e9;
  for (int trial = 0; trial < 200; ++trial) {
    std::fill(sums.begin(), sums.end(), 0);
    const auto start = std::chrono::steady_clock::now();
    for (int64_t j = 0; j < kLists; j += 4) add(j, sums.data());
    best = std::min(best, seconds(start));
  }
  const double postings = static_cast<double>(lists.postings), bytes = by_bits ? kLists * kRows / 8.0 + postings : 3 * postings;
  std::printf("10 %-44s %4.0f %% of rows  %6.2f postings/ns  %6.1f GB/s\n", name, 100 * share, postings / best / 1e9, bytes / best / 1e9);
  return sums != lists.truth;
}

int main() {
  int wrong = 0;
  for (const double share : {0.01, 0.05, 0.1, 0.3, 0.8}) {
    const Lists lists(share);
    const auto each = [&](int64_t first, const auto &body) {
      for (int64_t j = first; j < first + 4; ++j) body(j, lists.impacts[j].data(), lists.factors[j]);
    };
    const auto size = [&](int64_t j) { return static_cast<int64_t>(lists.impacts[j].size()) - 64; };
    wrong += rate("ids, gather and scatter", share, lists, false, [&](int64_t first, int32_t *sums) {
      each(first, [&](int64_t j, const uint8_t *x, int32_t factor) { gather_scatter(lists.ids[j].data(), x, size(j), factor, sums); });
    });
    wrong += rate("ids, one by one", share, lists, false, [&](int64_t first, int32_t *sums) {
      each(first, [&](int64_t j, const uint8_t *x, int32_t factor) { one_by_one(lists.ids[j].data(), x, size(j), factor, sums); });
    });
    wrong += rate("bits, a word at a time, spread as 32 bits", share, lists, true, [&](int64_t first, int32_t *sums) {
      each(first, [&](int64_t j, const uint8_t *x, int32_t factor) { spread_words(lists.bits[j].data(), x, factor, sums); });
    });
    wrong += rate("bits, four words at a time, spread as bytes", share, lists, true, [&](int64_t first, int32_t *sums) { spread_bytes(lists, first, sums); });
  }
  if (wrong != 0) std::printf("10 postings: wrong sums\n");
  return wrong != 0;
}
