/*
 * The launchers of the CUDA kernels. An operation that has none yet says so; it gets one by a file of its own here,
 * sm80_<dtype>_<operation>.cu or sm90_..., whose launcher replaces `missing` in the table below.
 */
#include "../core/failure.h"
#include "../core/table.h"
#include "device.h"

namespace lexvla::cuda {
namespace {

template <class... Arguments>
void missing(const lexvla_exec *exec, Arguments...) {
  require_device(exec->device);
  fail(LEXVLA_UNSUPPORTED, "exec.device is %d: this operation has no CUDA kernel yet: copy to the host and use LEXVLA_CPU", exec->device);
}

Table launchers() {
  Table table;
#define LEXVLA_KERNEL(name, arity) table.name = missing;
#include <lexvla/kernels.def>
  return table;
}

}  // namespace

const Table &table() {
  static const Table launchers_of_cuda = launchers();
  return launchers_of_cuda;
}

}  // namespace lexvla::cuda
