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

// The CPU sources (cpu/) are compiled once for each of these, into the namespace of that name.
#define LEXVLA_DECLARE_ISA(isa)                                        \
  namespace isa {                                                      \
  extern const Table table;                                            \
  }
LEXVLA_DECLARE_ISA(portable)
LEXVLA_DECLARE_ISA(avx2)
LEXVLA_DECLARE_ISA(avx512)
LEXVLA_DECLARE_ISA(avx512vnni)
LEXVLA_DECLARE_ISA(avx512bf16)
#undef LEXVLA_DECLARE_ISA

// Only in builds with LEXVLA_CUDA.
namespace cuda {
const Table &table();
}

}  // namespace lexvla

#endif
