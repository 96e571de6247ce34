/* Adding the lists of an index to the sums of a block of rows: what index_search spends its time with. */
#ifndef LEXVLA_CPU_INDEX_LISTS_H
#define LEXVLA_CPU_INDEX_LISTS_H

#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** In what the impacts of a type are summed. */
template <class Impact>
struct SumTypes;
template <>
struct SumTypes<uint8_t> {
  using Sum = int32_t;
  using Vector = I;
};
template <>
struct SumTypes<float> {
  using Sum = float;
  using Vector = F;
};
template <class Impact>
using SumOf = typename SumTypes<Impact>::Sum;

/** The next kLanes impacts. GCC 12 takes bytes apart one by one where it is left to widen them itself. */
#if defined(__AVX512F__)
inline I widen(const uint8_t *p) {
  return reinterpret_cast<I>(_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i *>(p))));
}
#elif defined(__AVX2__)
inline I widen(const uint8_t *p) {
  return reinterpret_cast<I>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(p))));
}
#else
inline I widen(const uint8_t *p) {
  I x;
  for (int i = 0; i < kLanes; ++i) x[i] = p[i];
  return x;
}
#endif
inline F widen(const float *p) { return load(p); }

/*
 * add_at: sums[ids[i]] += x[i], no id twice. By gather and scatter in avx512vnni, which is taken on Intel: measured on Emerald Rapids,
 * a search for 1081 words takes a tenth less time. One by one elsewhere: avx512bf16 is taken on AMD, whose scatter is slow.
 */
#if defined(LEXVLA_VNNI) && !defined(LEXVLA_BF16_DOT)
/** (Masked, because GCC 12 warns about the plain ones.) */
inline __m512i places(const uint16_t *ids) {
  return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i *>(ids)));
}
inline void add_at(int32_t *sums, const uint16_t *ids, I x) {
  const __m512i at = places(ids);
  const I before = reinterpret_cast<I>(_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, at, sums, 4));
  _mm512_i32scatter_epi32(sums, at, reinterpret_cast<__m512i>(before + x), 4);
}
inline void add_at(float *sums, const uint16_t *ids, F x) {
  const __m512i at = places(ids);
  const F before = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, at, sums, 4);
  _mm512_i32scatter_ps(sums, at, before + x, 4);
}
#else
template <class Sum, class V>
inline void add_at(Sum *sums, const uint16_t *ids, V x) {
  Sum values[kLanes];
  store(values, x);
  LEXVLA_UNROLL
  for (int i = 0; i < kLanes; ++i) sums[ids[i]] += values[i];
}
#endif

#if defined(__AVX512F__)

/** The first values of x, in order, where the mask has a bit, and 0 elsewhere. (Masked, because GCC 12 warns about the plain ones.) */
inline I spread(uint32_t mask, I x) {
  return reinterpret_cast<I>(_mm512_maskz_expand_epi32(static_cast<__mmask16>(mask), reinterpret_cast<__m512i>(x)));
}
inline F spread(uint32_t mask, F x) { return _mm512_maskz_expand_ps(static_cast<__mmask16>(mask), x); }

/** For each bit of the words the next impact, times the factor, to the sum of its row. Reads up to 64 bytes beyond the impacts. */
template <class Impact>
inline void add_bits(SumOf<Impact> *sums, const uint64_t *words, int64_t n, const Impact *impacts, SumOf<Impact> factor) {
  for (int64_t w = 0; w < n; ++w, sums += 64) {
    LEXVLA_UNROLL
    for (int part = 0; part < 64; part += kLanes) {
      const uint32_t mask = static_cast<uint32_t>(words[w] >> part) & 0xffff;
      store(sums + part, load(sums + part) + spread(mask, widen(impacts)) * splat(factor));
      impacts += __builtin_popcount(mask);
    }
  }
}

#else

/** For each bit of the words the next impact, times the factor, to the sum of its row. */
template <class Impact>
inline void add_bits(SumOf<Impact> *sums, const uint64_t *words, int64_t n, const Impact *impacts, SumOf<Impact> factor) {
  for (int64_t w = 0; w < n; ++w, sums += 64) {
    for (uint64_t left = words[w]; left != 0; left &= left - 1) sums[__builtin_ctzll(left)] += factor * static_cast<SumOf<Impact>>(*impacts++);
  }
}

#endif

/** Lists of bits, of which kBitsTogether are added at once where the instruction set has use for that. */
template <class Impact>
struct BitsList {
  const uint64_t *words;
  const Impact *impacts;
  SumOf<Impact> factor;
};

#if defined(LEXVLA_VNNI)
constexpr int kBitsTogether = 4;

/** Of each of 64 rows the impact in each of the lists, and so their sum of products by one instruction for 16 rows. */
inline void add_bits_together(int32_t *sums, const BitsList<uint8_t> *lists, int64_t n) {
  const uint8_t *impacts[kBitsTogether];
  // A factor is 256 times a byte and a byte, both with sign: the instruction takes no more.
  uint32_t low_bytes = 0, high_bytes = 0;
  for (int j = 0; j < kBitsTogether; ++j) {
    const int32_t low = static_cast<int8_t>(lists[j].factor & 0xff), high = (lists[j].factor - low) >> 8;
    low_bytes |= static_cast<uint32_t>(low & 0xff) << (8 * j);
    high_bytes |= static_cast<uint32_t>(high & 0xff) << (8 * j);
    impacts[j] = lists[j].impacts;
  }
  const __m512i low = _mm512_set1_epi32(static_cast<int>(low_bytes)), high = _mm512_set1_epi32(static_cast<int>(high_bytes));
  // Interleaving goes on within each quarter of a vector, so the rows are brought into quarters by fours first.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (int64_t w = 0; w < n; ++w, sums += 64) {
    __m512i x[kBitsTogether];
    LEXVLA_UNROLL
    for (int j = 0; j < kBitsTogether; ++j) {
      const uint64_t mask = lists[j].words[w];
      x[j] = _mm512_maskz_permutexvar_epi32(0xffff, order, _mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(impacts[j])));
      impacts[j] += __builtin_popcountll(mask);
    }
    const __m512i ab[2] = {_mm512_unpacklo_epi8(x[0], x[1]), _mm512_unpackhi_epi8(x[0], x[1])};
    const __m512i cd[2] = {_mm512_unpacklo_epi8(x[2], x[3]), _mm512_unpackhi_epi8(x[2], x[3])};
    LEXVLA_UNROLL
    for (int part = 0; part < 4; ++part) {
      const __m512i quads = part % 2 == 0 ? _mm512_unpacklo_epi16(ab[part / 2], cd[part / 2]) : _mm512_unpackhi_epi16(ab[part / 2], cd[part / 2]);
      const __m512i sum = _mm512_dpbusd_epi32(_mm512_loadu_si512(sums + 16 * part), quads, low);
      const I highs = reinterpret_cast<I>(_mm512_dpbusd_epi32(_mm512_setzero_si512(), quads, high));
      store(sums + 16 * part, reinterpret_cast<I>(sum) + highs * 256);
    }
  }
}
#else
constexpr int kBitsTogether = 1;

inline void add_bits_together(int32_t *sums, const BitsList<uint8_t> *lists, int64_t n) {
  add_bits(sums, lists->words, n, lists->impacts, lists->factor);
}
#endif

inline void add_bits_together(float *sums, const BitsList<float> *lists, int64_t n) {
  for (int j = 0; j < kBitsTogether; ++j) {
    if (lists[j].factor != 0) add_bits(sums, lists[j].words, n, lists[j].impacts, lists[j].factor);
  }
}

/** sums[ids[i]] += impacts[i] * factor */
template <class Impact>
inline void add_ids(SumOf<Impact> *sums, const uint16_t *ids, const Impact *impacts, int64_t n, SumOf<Impact> factor) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) add_at(sums, ids + i, widen(impacts + i) * splat(factor));
  for (; i < n; ++i) sums[ids[i]] += factor * static_cast<SumOf<Impact>>(impacts[i]);
}

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
