#include "dispatch.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "failure.h"

namespace lexvla {
namespace {

struct Isa {
  const char *name;
  const Table *table;
  bool (*runs_here)();
};

// From the least to the best. __builtin_cpu_supports also asks the operating system (xgetbv): a set whose registers are
// not saved between threads does not count.
const Isa kIsas[] = {
    {"portable", &portable::table, [] { return true; }},
#if defined(LEXVLA_X86)
    {"avx2", &avx2::table, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
    {"avx512", &avx512::table,
        [] {
          return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        }},
#endif
};

struct Choice {
  const Isa *isa = kIsas;
  const char *unknown = nullptr;
};

Choice choose() {
  Choice choice;
  const char *most = std::getenv("LEXVLA_MAX_ISA");
  if (most != nullptr && most[0] == '\0') most = nullptr;
  bool known = most == nullptr;
  for (const char *name : {"portable", "avx2", "avx512"}) known = known || std::strcmp(most, name) == 0;
  if (!known) {
    choice.unknown = most;
    return choice;
  }
  for (const Isa &isa : kIsas) {
    if (isa.runs_here()) choice.isa = &isa;
    if (most != nullptr && std::strcmp(isa.name, most) == 0) break;
  }
  return choice;
}

const Choice &chosen() {
  static const Choice choice = choose();
  return choice;
}

}  // namespace

const Table &table_for(const lexvla_exec &exec) {
#if defined(LEXVLA_CUDA)
  if (exec.device != LEXVLA_CPU) return cuda::table();
#else
  (void)exec;  // its check lets no other device pass in a build without CUDA
#endif
  if (chosen().unknown != nullptr) {
    fail(LEXVLA_INVALID_ARGUMENT, "the environment variable LEXVLA_MAX_ISA is '%s': portable, avx2 or avx512, or unset", chosen().unknown);
  }
  return *chosen().isa->table;
}

}  // namespace lexvla

extern "C" {
int32_t lexvla_version(void) { return 0 * 10000 + 1 * 100 + 0; }
const char *lexvla_active_isa(void) { return lexvla::chosen().isa->name; }
int32_t lexvla_has_cuda(void) {
#if defined(LEXVLA_CUDA)
  return 1;
#else
  return 0;
#endif
}
}
