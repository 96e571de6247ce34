/* The kernels of this instruction set, in the order of kernels.def. */
#include "../core/table.h"

namespace lexvla::LEXVLA_ISA {

#define LEXVLA_KERNEL(name, arity) Body<decltype(lexvla_##name)> name;
#include <lexvla/kernels.def>

const Table table = {
#define LEXVLA_KERNEL(name, arity) name,
#include <lexvla/kernels.def>
};

}  // namespace lexvla::LEXVLA_ISA
