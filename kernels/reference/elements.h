/* What the reference loops share. */
#ifndef LEXVLA_REFERENCE_ELEMENTS_H
#define LEXVLA_REFERENCE_ELEMENTS_H

#include <lexvla/reference.h>

#include <cmath>
#include <cstring>

#include "../core/half.h"
#include "../core/table.h"

namespace lexvla::reference {

/** Element i of an array of the given lexvla_type; exact, as every bfloat16 and float16 is a double. */
inline double element(const void *array, int32_t type, int64_t i) {
  if (type == LEXVLA_FLOAT32) return static_cast<const float *>(array)[i];
  if (type == LEXVLA_FLOAT16) return widened_half(static_cast<const uint16_t *>(array)[i]);
  const uint32_t bits = uint32_t{static_cast<const uint16_t *>(array)[i]} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline double elu1p(double x) { return x >= 0 ? x + 1 : std::exp(x); }

/** Whether x ranks before y: greater, NaN before every number. Equal ones rank by index, which the caller compares. */
inline bool ranks_before(float x, float y) { return x > y || (std::isnan(x) && !std::isnan(y)); }

}  // namespace lexvla::reference

#endif
