/*
 * Vectors of the instruction set that this translation unit is compiled for. The sources in this directory are compiled
 * once per set, with LEXVLA_ISA (the namespace) and LEXVLA_LANES (floats per register) given; they are the same text, in
 * the vector extensions of GCC and Clang, so what is right for one width is right for all.
 *
 * Everything here and in the sources that include it has internal linkage, but for the kernels. The C++ library is not
 * used: an inline function of it, compiled here for AVX-512, could be the copy that the linker keeps for everybody
 * (tests/linkage_test.sh looks for such).
 */
#ifndef LEXVLA_CPU_VECTOR_H
#define LEXVLA_CPU_VECTOR_H

#include <stdint.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#include "../core/buffer.h"
#include "../core/failure.h"
#include "../core/pool.h"
#include "../core/table.h"

#define LEXVLA_UNROLL _Pragma("GCC unroll 32")

namespace lexvla::LEXVLA_ISA {
namespace {

constexpr int kLanes = LEXVLA_LANES;

typedef float F __attribute__((vector_size(kLanes * 4)));
typedef int32_t I __attribute__((vector_size(kLanes * 4)));
typedef uint32_t U __attribute__((vector_size(kLanes * 4)));
typedef double D __attribute__((vector_size(kLanes * 8)));
typedef uint16_t H __attribute__((vector_size(kLanes * 2)));
typedef F UnalignedF __attribute__((aligned(4), may_alias));
typedef I UnalignedI __attribute__((aligned(4), may_alias));
typedef H UnalignedH __attribute__((aligned(2), may_alias));

/** A bfloat16: the upper half of a float. */
struct Bf16 {
  uint16_t bits;
};

/** Calls body with an element of a lexvla_type, for its C++ type; fails for one that only CUDA has. */
template <class Body>
inline void with_type(int32_t type, const Body &body) {
  if (type == LEXVLA_FLOAT32) {
    body(float{});
  } else if (type == LEXVLA_BFLOAT16) {
    body(Bf16{});
  } else {
    fail(LEXVLA_UNSUPPORTED, "type is LEXVLA_FLOAT16 (2), which the CPU has no kernels for: convert to float32 or bfloat16, or compute on CUDA");
  }
}

inline F load(const float *p) { return *reinterpret_cast<const UnalignedF *>(p); }
inline I load(const int32_t *p) { return *reinterpret_cast<const UnalignedI *>(p); }
inline F load(const Bf16 *p) {
  return reinterpret_cast<F>(__builtin_convertvector(*reinterpret_cast<const UnalignedH *>(p), U) << 16);
}
inline void store(float *p, F x) { *reinterpret_cast<UnalignedF *>(p) = x; }
inline void store(int32_t *p, I x) { *reinterpret_cast<UnalignedI *>(p) = x; }

inline float value(float x) { return x; }
inline float value(Bf16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

inline F splat(float x) { return x - F{}; }
inline I splat(int32_t x) { return x - I{}; }
inline D splat(double x) { return x - D{}; }

/** Lane by lane: mask (all bits or none) ? x : y */
inline F select(I mask, F x, F y) { return mask ? x : y; }
inline I select(I mask, I x, I y) { return mask ? x : y; }

/** Whether a mask has a lane that is set. */
#if defined(__AVX512F__)
inline bool any(I mask) { return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(mask), reinterpret_cast<__m512i>(mask)) != 0; }
#elif defined(__AVX2__)
inline bool any(I mask) { return _mm256_testz_si256(reinterpret_cast<__m256i>(mask), reinterpret_cast<__m256i>(mask)) == 0; }
#else
inline bool any(I mask) {
  int32_t all = 0;
  for (int i = 0; i < kLanes; ++i) all |= mask[i];
  return all != 0;
}
#endif

/** The first n floats, n < kLanes, and `fill` after them. */
inline F load_first(const float *p, int64_t n, float fill) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = i < n ? p[i] : fill;
  return load(lanes);
}

inline void store_first(float *p, int64_t n, F x) {
  float lanes[kLanes];
  store(lanes, x);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

inline double sum(D x) {
  double total = 0;
  for (int i = 0; i < kLanes; ++i) total += x[i];
  return total;
}

inline int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t larger(int64_t x, int64_t y) { return x > y ? x : y; }
inline int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }

/**
 * exp(x) for x <= 0, within 2 units in the last place, gradual underflow included; NaN gives NaN, -inf 0.
 * Cody-Waite reduction and the polynomial of Cephes' expf.
 */
inline F exp_negative(F x) {
  const F floor = splat(-106.0f);  // exp of it is less than half the least denormal
  x = select(x < floor, floor, x);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  const F magic = splat(12582912.0f);
  const F shifted = x * splat(1.44269504088896341f) + magic;
  const I n = reinterpret_cast<I>(shifted) - reinterpret_cast<I>(magic);
  const F whole = shifted - magic;
  F r = x - whole * splat(0.693359375f);
  r = r - whole * splat(-2.12194440e-4f);
  F y = splat(1.9875691500e-4f);
  y = y * r + splat(1.3981999507e-3f);
  y = y * r + splat(8.3334519073e-3f);
  y = y * r + splat(4.1665795894e-2f);
  y = y * r + splat(1.6666665459e-1f);
  y = y * r + splat(5.0000001201e-1f);
  y = y * (r * r) + r + splat(1.0f);
  // 2^n in two factors, both normal, so that only the last product can round.
  const I half = n >> 1;
  const F low = reinterpret_cast<F>((half + 127) << 23), high = reinterpret_cast<F>((n - half + 127) << 23);
  return y * low * high;
}

/** x + 1 for x >= 0, else exp(x); NaN for NaN. */
inline F elu1p(F x) {
  const I negative = x < F{};
  return select(negative, exp_negative(select(negative, x, F{})), x + 1.0f);
}

/** The derivative of elu1p; NaN for NaN. */
inline F elu1p_slope(F x) {
  const I negative = x < F{};
  return select(negative, exp_negative(select(negative, x, F{})), select(x >= F{}, splat(1.0f), x));
}

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
