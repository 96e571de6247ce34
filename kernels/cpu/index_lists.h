/* Adding the lists of an index to the sums of a block of rows: what index_search spends its time with. */
#ifndef LEXVLA_CPU_INDEX_LISTS_H
#define LEXVLA_CPU_INDEX_LISTS_H

#include "vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

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

#if defined(__AVX512F__)

inline __m512i places(const uint16_t *ids) {
  return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i *>(ids)));
}

/** sums[ids[i]] += x[i]; the ids are all different. (All masked, because GCC 12 warns about the plain ones.) */
inline void add_at(int32_t *sums, const uint16_t *ids, I x) {
  const __m512i at = places(ids);
  const I sum = reinterpret_cast<I>(_mm512_mask_i32gather_epi32(__m512i{}, 0xffff, at, sums, 4));
  _mm512_i32scatter_epi32(sums, at, reinterpret_cast<__m512i>(sum + x), 4);
}
inline void add_at(float *sums, const uint16_t *ids, F x) {
  const __m512i at = places(ids);
  _mm512_i32scatter_ps(sums, at, _mm512_mask_i32gather_ps(__m512{}, 0xffff, at, sums, 4) + x, 4);
}

/** The first values of x, in order, where the mask has a bit, and 0 elsewhere. */
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

template <class Sum, class V>
inline void add_at(Sum *sums, const uint16_t *ids, V x) {
  Sum values[kLanes];
  store(values, x);
  LEXVLA_UNROLL
  for (int i = 0; i < kLanes; ++i) sums[ids[i]] += values[i];
}

/** For each bit of the words the next impact, times the factor, to the sum of its row. */
template <class Impact>
inline void add_bits(SumOf<Impact> *sums, const uint64_t *words, int64_t n, const Impact *impacts, SumOf<Impact> factor) {
  for (int64_t w = 0; w < n; ++w, sums += 64) {
    for (uint64_t left = words[w]; left != 0; left &= left - 1) sums[__builtin_ctzll(left)] += factor * static_cast<SumOf<Impact>>(*impacts++);
  }
}

#endif

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
