#include "device.h"

#include "../core/failure.h"

namespace lexvla::cuda {

namespace {

/** Whether only a kernel that runs can fail like this, not the call that says so: the work was started before it. */
bool is_of_earlier_work(cudaError_t status) {
  switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
      return true;
    default:
      return false;
  }
}

}  // namespace

void require(cudaError_t status, const char *what) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // told here, and not by the next call once more
  if (!is_of_earlier_work(status)) fail(LEXVLA_CUDA_ERROR, "%s: %s (%s)", what, cudaGetErrorString(status), cudaGetErrorName(status));
  int ordinal = -1;
  static_cast<void>(cudaGetDevice(&ordinal));
  fail(LEXVLA_CUDA_ERROR,
      "%s not started, because earlier work on device %d failed while it ran: %s (%s): start the process again, with CUDA_LAUNCH_BLOCKING=1 "
      "to see which it was",
      what, ordinal, cudaGetErrorString(status), cudaGetErrorName(status));
}

int attribute(cudaDeviceAttr which, int32_t ordinal) {
  int value = 0;
  require(cudaDeviceGetAttribute(&value, which, ordinal), "cudaDeviceGetAttribute");
  return value;
}

void require_device(int32_t ordinal) {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) {
    static_cast<void>(cudaGetLastError());
    fail(LEXVLA_UNSUPPORTED, "exec.device is %d: %s: use LEXVLA_CPU, or install a driver that serves CUDA %d.%d", ordinal,
        cudaGetErrorString(status), CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  }
  require(status, "cudaGetDeviceCount");
  if (ordinal >= devices) {
    fail(LEXVLA_UNSUPPORTED, "exec.device is %d, this machine has %d CUDA devices: ordinals are from 0", ordinal, devices);
  }
  const int major = attribute(cudaDevAttrComputeCapabilityMajor, ordinal);
  if (major < kLeastMajor) {
    fail(LEXVLA_UNSUPPORTED, "exec.device %d has compute capability %d.%d, at least %d.0: use LEXVLA_CPU", ordinal, major,
        attribute(cudaDevAttrComputeCapabilityMinor, ordinal), kLeastMajor);
  }
}

CurrentDevice::CurrentDevice(int32_t ordinal) {
  require(cudaGetDevice(&before_), "cudaGetDevice");
  if (before_ == ordinal) return;
  require(cudaSetDevice(ordinal), "cudaSetDevice");
  changed_ = true;
}

CurrentDevice::~CurrentDevice() {
  // Nobody can be told of a failure here; the next call on this thread meets it again.
  if (changed_) static_cast<void>(cudaSetDevice(before_));
}

}  // namespace lexvla::cuda
