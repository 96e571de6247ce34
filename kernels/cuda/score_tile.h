/*
 * Scores of a tile of tokens against a tile of words in float32 on the ordinary cores: exact products, one accumulator per
 * score, summed from the first element to the last. So a score depends on its token and word alone, equal tokens have
 * bitwise equal scores, and a bfloat16 (widened on the way into shared memory) is treated as the float32 it is.
 *
 *   block    kTileTokens x kTileWords scores, kTileThreads threads, kDepth elements of both at a time in shared memory
 *   thread   8 x 8 scores: tokens ty * 4 + {0..3} and 32 more, words tx * 4 + {0..3} and 64 more, so that a warp reads
 *            shared memory in whole rows of 16 bytes per lane, without bank conflicts
 */
#ifndef LEXVLA_CUDA_SCORE_TILE_H
#define LEXVLA_CUDA_SCORE_TILE_H

#include "elements.h"

namespace lexvla::cuda {

constexpr int kTileTokens = 64, kTileWords = 128, kTileThreads = 128, kDepth = 16;
constexpr int kPerThread = 8;

/** Which token of the tile the i-th of a thread's rows is, and which word the j-th of its columns. */
__host__ __device__ constexpr int tile_token(int thread, int i) { return thread / 16 * 4 + i % 4 + i / 4 * (kTileTokens / 2); }
__host__ __device__ constexpr int tile_word(int thread, int j) { return thread % 16 * 4 + j % 4 + j / 4 * (kTileWords / 2); }

/** Shared memory of a tile. The four floats beyond a row spread the transposing stores over the banks. */
struct ScoreTileMemory {
  alignas(16) float tokens[kDepth][kTileTokens + 4];
  alignas(16) float words[kDepth][kTileWords + 4];
};

/** Part of a tile that a thread carries from device memory to shared memory: one column of every eighth row. */
template <int kRows, class T>
struct TilePart {
  static constexpr int kStep = kTileThreads / kDepth, kSize = kRows / kStep;
  const T *next;   // this thread's element of its first row
  int64_t stride;  // from one of its rows to the next
  int64_t left;    // columns from this thread's on
  int rows;        // of its rows, how many there are
  float held[kSize];

  __device__ TilePart(const T *from, int64_t all_rows, int64_t width)
      : next(from + threadIdx.x / kDepth * width + threadIdx.x % kDepth),
        stride(kStep * width),
        left(width - threadIdx.x % kDepth),
        rows(static_cast<int>((smaller(all_rows, kRows) - threadIdx.x / kDepth + kStep - 1) / kStep)) {}

  __device__ void load() {
#pragma unroll
    for (int i = 0; i < kSize; ++i) held[i] = i < rows && left > 0 ? value(next[i * stride]) : 0.0f;
    next += kDepth;
    left -= kDepth;
  }

  __device__ void store(float (*to)[kRows + 4]) const {
#pragma unroll
    for (int i = 0; i < kSize; ++i) to[threadIdx.x % kDepth][threadIdx.x / kDepth + i * kStep] = held[i];
  }
};

/**
 * sum[i][j] = tokens[tile_token(i)] . codebook[tile_word(j)]; what lies at or beyond the sizes counts as 0. All threads of
 * the block call it.
 *
 * @param tokens,codebook the first row of the tile; rows and words that are left from there
 */
template <class T>
__device__ inline void score_tile(const T *tokens, int64_t rows, const T *codebook, int64_t words, int64_t width, ScoreTileMemory &memory,
    float (&sum)[kPerThread][kPerThread]) {
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
#pragma unroll
    for (int j = 0; j < kPerThread; ++j) sum[i][j] = 0;
  }
  TilePart<kTileTokens, T> token_part(tokens, rows, width);
  TilePart<kTileWords, T> word_part(codebook, words, width);
  token_part.load();
  word_part.load();
  const int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
  for (int64_t k = 0; k < width; k += kDepth) {
    __syncthreads();  // the part before has been read
    token_part.store(memory.tokens);
    word_part.store(memory.words);
    __syncthreads();
    if (k + kDepth < width) {
      token_part.load();
      word_part.load();
    }
    // What a part lacks of kDepth is 0 on both sides and adds nothing: 0 * 0 + sum is sum.
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float x[kPerThread], z[kPerThread];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        *reinterpret_cast<float4 *>(x + half * 4) = *reinterpret_cast<const float4 *>(&memory.tokens[d][half * (kTileTokens / 2) + ty * 4]);
        *reinterpret_cast<float4 *>(z + half * 4) = *reinterpret_cast<const float4 *>(&memory.words[d][half * (kTileWords / 2) + tx * 4]);
      }
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
#pragma unroll
        for (int j = 0; j < kPerThread; ++j) sum[i][j] = fmaf(x[i], z[j], sum[i][j]);
      }
    }
  }
}

}  // namespace lexvla::cuda

#endif
