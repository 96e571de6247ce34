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
  bool (*is_fast_here)();
};

bool always() { return true; }

#if defined(LEXVLA_X86)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi2"); }
#endif

// From the least to the best. __builtin_cpu_supports also asks the operating system (xgetbv): a set whose registers are
// not saved between threads does not count.
const Isa kIsas[] = {
    {"portable", &portable::table, always, always},
#if defined(LEXVLA_X86)
    {"avx2", &avx2::table, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }, always},
    {"avx512", &avx512::table, has_avx512, always},
    // The dot product of bytes, for the screened forward and the index, which spreads bytes over a vector too (VBMI2): both
    // are in Ice Lake, Zen 4 and later. Cascade Lake, which has only the first, counts as avx512.
    {"avx512vnni", &avx512vnni::table, has_vnni, always},
    // VDPBF16PS does 64 operations. AMD (Zen 4 and later) starts one as often as an FMA of 32; Intel's cores with AMX
    // (Sapphire, Emerald Rapids) one for every four FMAs, so widening and FMA is twice as fast there: kernels/ladder measures both.
    {"avx512bf16", &avx512bf16::table, [] { return has_vnni() && __builtin_cpu_supports("avx512bf16"); },
        [] { return __builtin_cpu_is("amd") != 0; }},
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
  for (const char *name : {"portable", "avx2", "avx512", "avx512vnni", "avx512bf16"}) known = known || std::strcmp(most, name) == 0;
  if (!known) {
    choice.unknown = most;
    return choice;
  }
  for (const Isa &isa : kIsas) {
    const bool named = most != nullptr && std::strcmp(isa.name, most) == 0;
    if (isa.runs_here() && (named || isa.is_fast_here())) choice.isa = &isa;
    if (named) break;
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
    fail(LEXVLA_INVALID_ARGUMENT, "the environment variable LEXVLA_MAX_ISA is '%s': portable, avx2, avx512, avx512vnni or avx512bf16, or unset", chosen().unknown);
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
