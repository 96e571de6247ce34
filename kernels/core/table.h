/* The implementations of every kernel, by place: declared and tabulated from kernels.def. */
#ifndef LEXVLA_CORE_TABLE_H
#define LEXVLA_CORE_TABLE_H

#include "signature.h"

namespace lexvla {

/** One set of implementations. */
struct Table {
#define LEXVLA_KERNEL(name, arity) Body<decltype(lexvla_##name)> *name;
#include <lexvla/kernels.def>
};

namespace reference {
#define LEXVLA_KERNEL(name, arity) Body<decltype(lexvla_##name)> name;
#include <lexvla/kernels.def>
}  // namespace reference

}  // namespace lexvla

#endif
