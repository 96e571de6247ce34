/*
 * Geometry of sm80_project_max.cu: which thread has which element. Functions of integers alone, tested on the host.
 *
 * The tokens of all images of a task are one sequence of rows, cut into tiles without regard to images: with 257 tokens an
 * image, tiles that began anew with each image would compute half as much again.
 */
#ifndef LEXVLA_CUDA_SM80_PROJECT_MAX_H
#define LEXVLA_CUDA_SM80_PROJECT_MAX_H

#include "call.h"
#include "elements.h"

namespace lexvla::cuda {

namespace sm80 {

constexpr int kThreads = 256;
constexpr int kWords = 128, kRows = 128;                     // of a tile; words are the rows of the product
constexpr int kWarpWords = 64, kWarpRows = 32;               // of a warp: 2 x 4 warps
constexpr int kStages = 4;
constexpr int kLineBytes = 64, kChunk = 16;                  // a line of shared memory: one word's or row's part of the depth
template <class T>
constexpr int kDepth = kLineBytes / sizeof(T);
constexpr int kOperandBytes = kWords * kLineBytes, kStageBytes = 2 * kOperandBytes;
constexpr int kSharedBytes = kStages * kStageBytes;
static_assert(kWords == kRows, "both operands have the same form");

/** Where a chunk of 16 bytes of a line lies: any eight consecutive lines have equal chunks in different banks. */
__host__ __device__ constexpr int chunk_at(int line, int chunk) { return line * kLineBytes + (chunk ^ (line / 2 % 4)) * kChunk; }

/** The word (of the tile) of accumulator [m][.][i] of a thread, and the row of accumulator [.][n][i]. */
__host__ __device__ constexpr int word_of(int thread, int m, int i) { return thread / 128 * kWarpWords + m * 16 + thread % 32 / 4 + i / 2 * 8; }
__host__ __device__ constexpr int row_of(int thread, int n, int i) {
  return thread / 32 % 4 * kWarpRows + n * 8 + thread % 4 * 2 + i % 2;
}

}  // namespace sm80

/** Whether the kernel takes arrays like these, of an element of so many bytes: rows at multiples of 16 bytes. */
bool sm80_project_max_takes(const void *tokens, const void *codebook, int64_t width, int64_t element);

/** project_max_forward of bfloat16, of float16, or of float32 as TF32 by mma.sync, for Ampere and everything after. Nothing is empty. */
void sm80_project_max(const Call &call, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook, int64_t images, int64_t count,
    int64_t width, int64_t words, float *scores, int32_t *winners);

}  // namespace lexvla::cuda

#endif
