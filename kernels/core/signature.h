/*
 * Types of the implementations, taken from the prototypes of kernels.h: an implementation has the arguments of the
 * public function, returns nothing and reports failure by fail().
 */
#ifndef LEXVLA_CORE_SIGNATURE_H
#define LEXVLA_CORE_SIGNATURE_H

#include <lexvla/kernels.h>

namespace lexvla {

template <class Prototype>
struct Signature;

template <class... Arguments>
struct Signature<int32_t(Arguments...)> {
  using Body = void(Arguments...);
};

template <class Prototype>
using Body = typename Signature<Prototype>::Body;

}  // namespace lexvla

#endif
