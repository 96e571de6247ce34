/*
 * What is refused before anything runs: the arguments of each kernel, checked once, here, for every implementation.
 * A check throws by fail() and else returns. The contents of arrays (winners, CSR) are looked at only where they can be
 * read: on the host.
 */
#ifndef LEXVLA_CORE_CHECKS_H
#define LEXVLA_CORE_CHECKS_H

#include "signature.h"

namespace lexvla::checks {

#define LEXVLA_KERNEL(name, arity) Body<decltype(lexvla_##name)> name;
#include <lexvla/kernels.def>

}  // namespace lexvla::checks

#endif
