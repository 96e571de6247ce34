/*
 * The public functions: lexvla_<name> checks its arguments and calls the implementation for exec, lexvla_reference_<name>
 * the reference. Both are generated from kernels.def; no exception leaves them.
 */
#include <lexvla/reference.h>

#include <tuple>
#include <type_traits>

#include "checks.h"
#include "dispatch.h"
#include "failure.h"
#include "table.h"

namespace lexvla {
namespace {

template <class Prototype>
struct ArgumentsOf;

template <class... Arguments>
struct ArgumentsOf<int32_t(Arguments...)> {
  using Tuple = std::tuple<Arguments...>;
};

template <class Prototype, int index>
using Argument = std::tuple_element_t<index, typename ArgumentsOf<Prototype>::Tuple>;

template <class... Arguments>
int32_t run(const char *operation, void (*check)(const lexvla_exec *, Arguments...), void (*Table::*kernel)(const lexvla_exec *, Arguments...),
    const lexvla_exec *exec, Arguments... arguments) noexcept {
  try {
    check(exec, arguments...);
    if (exec->device == LEXVLA_CPU && exec->workspace_needed != nullptr) {
      *exec->workspace_needed = 0;
      return LEXVLA_OK;
    }
    (table_for(*exec).*kernel)(exec, arguments...);
    return LEXVLA_OK;
  } catch (...) {
    return report(operation);
  }
}

template <class... Arguments>
int32_t run_reference(const char *operation, void (*check)(const lexvla_exec *, Arguments...),
    void (*kernel)(const lexvla_exec *, Arguments...), const lexvla_exec *exec, Arguments... arguments) noexcept {
  try {
    check(exec, arguments...);
    if (exec->device != LEXVLA_CPU) fail(LEXVLA_UNSUPPORTED, "exec.device is %d: the reference runs on the host", exec->device);
    kernel(exec, arguments...);
    return LEXVLA_OK;
  } catch (...) {
    return report(operation);
  }
}

}  // namespace
}  // namespace lexvla

// The n parameters of a function of type f, and their names.
#define LEXVLA_PARAMETERS_5(f)                                                                                     \
  lexvla::Argument<f, 0> a0, lexvla::Argument<f, 1> a1, lexvla::Argument<f, 2> a2, lexvla::Argument<f, 3> a3,      \
      lexvla::Argument<f, 4> a4
#define LEXVLA_PARAMETERS_6(f) LEXVLA_PARAMETERS_5(f), lexvla::Argument<f, 5> a5
#define LEXVLA_PARAMETERS_7(f) LEXVLA_PARAMETERS_6(f), lexvla::Argument<f, 6> a6
#define LEXVLA_PARAMETERS_8(f) LEXVLA_PARAMETERS_7(f), lexvla::Argument<f, 7> a7
#define LEXVLA_PARAMETERS_9(f) LEXVLA_PARAMETERS_8(f), lexvla::Argument<f, 8> a8
#define LEXVLA_PARAMETERS_10(f) LEXVLA_PARAMETERS_9(f), lexvla::Argument<f, 9> a9
#define LEXVLA_PARAMETERS_11(f) LEXVLA_PARAMETERS_10(f), lexvla::Argument<f, 10> a10
#define LEXVLA_PARAMETERS_12(f) LEXVLA_PARAMETERS_11(f), lexvla::Argument<f, 11> a11
#define LEXVLA_PARAMETERS_13(f) LEXVLA_PARAMETERS_12(f), lexvla::Argument<f, 12> a12
#define LEXVLA_PARAMETERS_14(f) LEXVLA_PARAMETERS_13(f), lexvla::Argument<f, 13> a13
#define LEXVLA_PARAMETERS_15(f) LEXVLA_PARAMETERS_14(f), lexvla::Argument<f, 14> a14
#define LEXVLA_PARAMETERS_16(f) LEXVLA_PARAMETERS_15(f), lexvla::Argument<f, 15> a15
#define LEXVLA_PARAMETERS_17(f) LEXVLA_PARAMETERS_16(f), lexvla::Argument<f, 16> a16
#define LEXVLA_NAMES_5 a0, a1, a2, a3, a4
#define LEXVLA_NAMES_6 LEXVLA_NAMES_5, a5
#define LEXVLA_NAMES_7 LEXVLA_NAMES_6, a6
#define LEXVLA_NAMES_8 LEXVLA_NAMES_7, a7
#define LEXVLA_NAMES_9 LEXVLA_NAMES_8, a8
#define LEXVLA_NAMES_10 LEXVLA_NAMES_9, a9
#define LEXVLA_NAMES_11 LEXVLA_NAMES_10, a10
#define LEXVLA_NAMES_12 LEXVLA_NAMES_11, a11
#define LEXVLA_NAMES_13 LEXVLA_NAMES_12, a12
#define LEXVLA_NAMES_14 LEXVLA_NAMES_13, a13
#define LEXVLA_NAMES_15 LEXVLA_NAMES_14, a14
#define LEXVLA_NAMES_16 LEXVLA_NAMES_15, a15
#define LEXVLA_NAMES_17 LEXVLA_NAMES_16, a16

extern "C" {

#define LEXVLA_KERNEL(name, arity)                                                                                               \
  static_assert(std::is_same_v<decltype(lexvla_##name), decltype(lexvla_reference_##name)>, #name ": reference.h differs");     \
  int32_t lexvla_##name(LEXVLA_PARAMETERS_##arity(decltype(lexvla_##name))) {                                                    \
    return lexvla::run(#name, lexvla::checks::name, &lexvla::Table::name, LEXVLA_NAMES_##arity);                                 \
  }                                                                                                                              \
  int32_t lexvla_reference_##name(LEXVLA_PARAMETERS_##arity(decltype(lexvla_##name))) {                                          \
    return lexvla::run_reference("reference " #name, lexvla::checks::name, lexvla::reference::name, LEXVLA_NAMES_##arity);       \
  }
#include <lexvla/kernels.def>

}  // extern "C"
