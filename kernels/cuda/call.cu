#include "call.h"

#include "../core/failure.h"

namespace lexvla::cuda {
namespace {

constexpr int64_t kAlignment = 256;

int32_t checked(int32_t ordinal) {
  require_device(ordinal);
  return ordinal;
}

}  // namespace

Call::Call(const lexvla_exec &exec, std::initializer_list<int64_t> bytes)
    : current_(checked(exec.device)),
      stream_(static_cast<cudaStream_t>(exec.stream)),
      device_(exec.device),
      only_asked_(exec.workspace_needed != nullptr) {
  int64_t total = 0;
  int array = 0;
  for (const int64_t size : bytes) {
    offsets_[array++] = total;
    total += (size + kAlignment - 1) / kAlignment * kAlignment;
  }
  if (only_asked_) {
    *exec.workspace_needed = total;
    return;
  }
  // What failed on this device before is not this operation's failure: said here, before anything of it is launched.
  const cudaError_t before = cudaPeekAtLastError();
  if (before != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // a failure that does not last is reported once
    fail(LEXVLA_CUDA_ERROR, "not started, because earlier work on device %d failed: %s (%s)", device_, cudaGetErrorString(before),
        cudaGetErrorName(before));
  }
  if (total == 0) return;
  if (exec.workspace != nullptr) {
    if (exec.workspace_bytes < total) {
      fail(LEXVLA_INVALID_ARGUMENT, "exec.workspace has %lld bytes, needed are %lld: ask by exec.workspace_needed with the same arguments",
          static_cast<long long>(exec.workspace_bytes), static_cast<long long>(total));
    }
    if (reinterpret_cast<uintptr_t>(exec.workspace) % kAlignment != 0) {
      fail(LEXVLA_INVALID_ARGUMENT, "exec.workspace is at %p, not a multiple of %lld bytes", exec.workspace,
          static_cast<long long>(kAlignment));
    }
    workspace_ = static_cast<char *>(exec.workspace);
    return;
  }
  void *memory = nullptr;
  const cudaError_t status = cudaMallocAsync(&memory, static_cast<size_t>(total), stream_);
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    fail(LEXVLA_OUT_OF_MEMORY, "no %lld bytes of memory on device %d for temporary use: fewer images per call need less",
        static_cast<long long>(total), device_);
  }
  require(status, "cudaMallocAsync");
  workspace_ = static_cast<char *>(memory);
  owns_ = true;
}

Call::~Call() {
  // In stream order: after the kernels that use it.
  if (owns_) static_cast<void>(cudaFreeAsync(workspace_, stream_));
}

}  // namespace lexvla::cuda
