/* IEEE 754 binary16, as far as no compiler knows it everywhere. */
#ifndef LEXVLA_CORE_HALF_H
#define LEXVLA_CORE_HALF_H

#include <cstdint>
#include <cstring>

namespace lexvla {

/** The float that a binary16 exactly is. */
inline float widened_half(uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31, exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = 0;
  uint32_t wide;
  if (exponent == 0) {
    value = static_cast<float>(fraction) * 0x1p-24f;
    std::memcpy(&wide, &value, 4);
    wide |= sign;
  } else {
    wide = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
  }
  std::memcpy(&value, &wide, 4);
  return value;
}

/** The binary16 that a float is cut off to: towards 0, to infinity only what is infinite; a NaN stays one. */
inline uint16_t cut_to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t sign = bits >> 31 << 15, exponent = bits >> 23 & 255, fraction = bits & 0x7fffff;
  if (exponent == 255) return static_cast<uint16_t>(sign | 0x7c00 | (fraction != 0 ? 0x200 : 0));
  if (exponent > 142) return static_cast<uint16_t>(sign | 0x7bff);
  if (exponent > 112) return static_cast<uint16_t>(sign | (exponent - 112) << 10 | fraction >> 13);
  // Denormal: units of 2^-24.
  const uint32_t shift = 126 - exponent;
  return static_cast<uint16_t>(sign | (shift < 24 ? (fraction | 0x800000) >> shift : 0));
}

}  // namespace lexvla

#endif
