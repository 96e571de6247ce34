/*
 * The launchers of the CUDA kernels: declared from kernels.def, tabulated in table.cu. Weak, so that an operation of the
 * table that has no launcher yet links all the same, and says so when it is called.
 */
#ifndef LEXVLA_CUDA_LAUNCHERS_H
#define LEXVLA_CUDA_LAUNCHERS_H

#include "../core/table.h"
#include "call.h"
#include "elements.h"

namespace lexvla::cuda {

#define LEXVLA_KERNEL(name, arity) Body<decltype(lexvla_##name)> name __attribute__((weak));
#include <lexvla/kernels.def>

}  // namespace lexvla::cuda

#endif
