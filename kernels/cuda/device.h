/* The CUDA devices of this machine, as far as launchers need to know them. */
#ifndef LEXVLA_CUDA_DEVICE_H
#define LEXVLA_CUDA_DEVICE_H

#include <lexvla/kernels.h>

#include <cuda_runtime_api.h>

namespace lexvla::cuda {

/** What the kernels are compiled for at least: sm_80. */
constexpr int kLeastMajor = 8;

/**
 * Fails with LEXVLA_CUDA_ERROR and the runtime's text unless status is cudaSuccess. Any call of the runtime may report what had
 * been started before and failed while it ran: then this says so, and that it was on the current device.
 *
 * @param what the call, or the kernel that was to be launched
 */
void require(cudaError_t status, const char *what);

/** Fails with LEXVLA_UNSUPPORTED unless there is a device of this ordinal that the kernels can run on. */
void require_device(int32_t ordinal);

/** An attribute of a device. */
int attribute(cudaDeviceAttr which, int32_t ordinal);

/** Makes a device the current one of this thread, and the one before it again at the end. */
class CurrentDevice {
 public:
  explicit CurrentDevice(int32_t ordinal);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice &) = delete;
  CurrentDevice &operator=(const CurrentDevice &) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace lexvla::cuda

#endif
