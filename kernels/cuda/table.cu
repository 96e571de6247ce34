/* The launchers of the CUDA kernels, in the order of kernels.def. */
#include "../core/failure.h"
#include "launchers.h"

namespace lexvla::cuda {
namespace {

template <class... Arguments>
void missing(const lexvla_exec *exec, Arguments...) {
  require_device(exec->device);
  fail(LEXVLA_UNSUPPORTED, "exec.device is %d: this operation has no CUDA kernel yet: copy to the host and use LEXVLA_CPU", exec->device);
}

template <class... Arguments>
auto or_missing(void (*launcher)(Arguments...)) {
  return launcher != nullptr ? launcher : static_cast<void (*)(Arguments...)>(missing);
}

}  // namespace

const Table &table() {
  static const Table launchers = {
#define LEXVLA_KERNEL(name, arity) or_missing(&name),
#include <lexvla/kernels.def>
  };
  return launchers;
}

}  // namespace lexvla::cuda
