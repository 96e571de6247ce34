/* How the tensor memory accelerator sees a matrix. */
#ifndef LEXVLA_CUDA_TENSOR_MAP_H
#define LEXVLA_CUDA_TENSOR_MAP_H

#include "../core/failure.h"
#include "device.h"
#include "ptx_sm90.h"

namespace lexvla::cuda {

#if defined(__CUDACC__)
constexpr CUtensorMapDataType data_type(Bf16) { return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16; }
constexpr CUtensorMapDataType data_type(Half) { return CU_TENSOR_MAP_DATA_TYPE_FLOAT16; }
/** Floats are rounded to TF32 where they are copied. */
constexpr CUtensorMapDataType data_type(float) { return CU_TENSOR_MAP_DATA_TYPE_TFLOAT32; }

/** The map of [rows, width] elements, in boxes of box_rows lines of kSwizzleBytes, swizzled; outside of the matrix is 0. */
template <class T>
TensorMap tensor_map(const void *matrix, int64_t rows, int64_t width, int box_rows) {
  static const auto encode = [] {
    // From the driver that is there; the library is not linked to it.
    void *function = nullptr;
    cudaDriverEntryPointQueryResult found;
    require(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found),
        "cudaGetDriverEntryPointByVersion");
    if (found != cudaDriverEntryPointSuccess) {
      fail(LEXVLA_CUDA_ERROR, "the driver has no cuTensorMapEncodeTiled: install one that serves CUDA 12.0");
    }
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
  }();
  TensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(width), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(width) * sizeof(T)};
  const cuuint32_t box[] = {kSwizzleBytes / sizeof(T), static_cast<cuuint32_t>(box_rows)}, steps[] = {1, 1};
  const CUresult status = encode(&map, data_type(T{}), 2, const_cast<void *>(matrix), sizes, strides, box, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    fail(LEXVLA_CUDA_ERROR, "cuTensorMapEncodeTiled of [%lld, %lld] at %p: status %d", static_cast<long long>(rows),
        static_cast<long long>(width), matrix, static_cast<int>(status));
  }
  return map;
}
#else
template <class T>
TensorMap tensor_map(const void *matrix, int64_t rows, int64_t width, int box_rows) {
  return {static_cast<const char *>(matrix), rows, width, box_rows, sizeof(T), sizeof(T) == 4};
}
#endif

}  // namespace lexvla::cuda

#endif
