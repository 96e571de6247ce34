/* project_max_forward by mma.sync: see sm80_project_max.cu. */
#ifndef LEXVLA_CUDA_SM80_PROJECT_MAX_H
#define LEXVLA_CUDA_SM80_PROJECT_MAX_H

#include "call.h"
#include "elements.h"

namespace lexvla::cuda {

/** Whether the kernel takes arrays like these, of an element of so many bytes: rows at multiples of 16 bytes. */
bool sm80_project_max_takes(const void *tokens, const void *codebook, int64_t width, int64_t element);

/** project_max_forward of bfloat16, of float16, or of float32 as TF32 by mma.sync, for Ampere and everything after. Nothing is empty. */
void sm80_project_max(const Call &call, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook, int64_t images, int64_t count,
    int64_t width, int64_t words, float *scores, int32_t *winners);

}  // namespace lexvla::cuda

#endif
