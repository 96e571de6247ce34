/*
 * A tile of a product by mma.sync, 128 words x 128 rows, and the ring of stages in shared memory that its operands pass
 * through. Which thread has which element are functions of integers alone, tested on the host. A line of shared memory is 64
 * bytes of any type, and so are its fragments: only the multiplication differs.
 */
#ifndef LEXVLA_CUDA_SM80_TILE_H
#define LEXVLA_CUDA_SM80_TILE_H

#include "ptx.h"

namespace lexvla::cuda::sm80 {

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

constexpr int kTilesM = kWarpWords / 16, kTilesN = kWarpRows / 8;  // of 16 x 8, of a warp

/**
 * Starts to copy a tile of both operands, from column k on, into a stage; each thread brings two chunks of either. What lies at
 * or beyond the ends or the width is 0; rows are at multiples of 16 bytes.
 */
template <class T>
__device__ inline void load_stage(char *stage, const T *words, int64_t first_word, int64_t end_word, const T *rows, int64_t first_row,
    int64_t end_row, int64_t width, int64_t k) {
#pragma unroll
  for (int i = 0; i < kWords * kLineBytes / kChunk / kThreads; ++i) {
    const int at = static_cast<int>(threadIdx.x) + i * kThreads;
    const int line = at / (kLineBytes / kChunk), chunk = at % (kLineBytes / kChunk);
    const int64_t column = k + chunk * static_cast<int>(kChunk / sizeof(T)), word = first_word + line, row = first_row + line;
    const bool in_depth = column < width, word_there = in_depth && word < end_word, row_there = in_depth && row < end_row;
    copy_16_async(stage + chunk_at(line, chunk), words + (word_there ? word * width + column : 0), word_there);
    copy_16_async(stage + kOperandBytes + chunk_at(line, chunk), rows + (row_there ? row * width + column : 0), row_there);
  }
}

/** sum += the stage's words . rows */
template <class T>
__device__ inline void multiply_stage(const char *stage, float (&sum)[kTilesM][kTilesN][4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int k = 0; k < kLineBytes / (2 * kChunk); ++k) {
    uint32_t a[kTilesM][4], b[kTilesN / 2][4];
#pragma unroll
    for (int m = 0; m < kTilesM; ++m) {
      load_matrices(a[m], stage + chunk_at(warp / 4 * kWarpWords + m * 16 + lane % 16, k * 2 + lane / 16));
    }
#pragma unroll
    for (int n = 0; n < kTilesN / 2; ++n) {
      load_matrices(b[n], stage + kOperandBytes + chunk_at(warp % 4 * kWarpRows + n * 16 + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
        for (uint32_t &x : a[m]) x = rounded_to_tf32(x);
      }
#pragma unroll
      for (int n = 0; n < kTilesN / 2; ++n) {
#pragma unroll
        for (uint32_t &x : b[n]) x = rounded_to_tf32(x);
      }
    }
#pragma unroll
    for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
      for (int n = 0; n < kTilesN; ++n) multiply_16x8(T{}, sum[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
    }
  }
}

}  // namespace lexvla::cuda::sm80

#endif
