/* The CUDA devices of this machine, as far as launchers need to know them. */
#ifndef LEXVLA_CUDA_DEVICE_H
#define LEXVLA_CUDA_DEVICE_H

#include <lexvla/kernels.h>

#include <cuda_runtime_api.h>

namespace lexvla::cuda {

/** What the kernels are compiled for at least: sm_80. */
constexpr int kLeastMajor = 8;

/** Fails with LEXVLA_CUDA_ERROR and the runtime's text unless status is cudaSuccess. */
void require(cudaError_t status, const char *what);

/** Fails with LEXVLA_UNSUPPORTED unless there is a device of this ordinal that the kernels can run on. */
void require_device(int32_t ordinal);

}  // namespace lexvla::cuda

#endif
