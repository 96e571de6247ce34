/*
 * project_max_forward: the choice of a kernel, and the one for every type and shape: one block per image and tile of words
 * walks over the image's tokens and keeps the best candidates in shared memory, each thread its own until all are joined. No
 * atomics, no temporary memory.
 */
#include "launchers.h"
#include "score_tile.h"
#include "sm80_project_max.h"
#include "sm90_project_max.h"

namespace lexvla::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kTileThreads, 2) forward_kernel(const T *tokens, const uint8_t *mask, const T *codebook, int64_t images,
    int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  __shared__ ScoreTileMemory memory;
  __shared__ Candidate best_of[kTileThreads / 16][kTileWords];
  const int64_t word_tiles = blocks_of(words, kTileWords);
  for (int64_t task = blockIdx.x; task < images * word_tiles; task += gridDim.x) {
    const int64_t b = task / word_tiles, first_word = task % word_tiles * kTileWords;
    Candidate *const best = best_of[threadIdx.x / 16];
    __syncthreads();  // the results of the task before have been read
    for (int j = 0; j < kPerThread; ++j) best[tile_word(threadIdx.x, j)] = {-INFINITY, -1};
    for (int64_t first = 0; first < count; first += kTileTokens) {
      float sum[kPerThread][kPerThread];
      score_tile(tokens + (b * count + first) * width, count - first, codebook + first_word * width, words - first_word, width, memory, sum);
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
        const int64_t p = first + tile_token(threadIdx.x, i);
        if (p >= count || (mask != nullptr && mask[b * count + p] == 0)) continue;
#pragma unroll
        for (int j = 0; j < kPerThread; ++j) {
          const Candidate candidate{sum[i][j], static_cast<int32_t>(p)};
          Candidate &so_far = best[tile_word(threadIdx.x, j)];
          if (precedes(candidate, so_far)) so_far = candidate;
        }
      }
    }
    __syncthreads();
    for (int64_t v = threadIdx.x; v < smaller(kTileWords, words - first_word); v += kTileThreads) {
      Candidate winner = best_of[0][v];
      for (int y = 1; y < kTileThreads / 16; ++y) {
        if (precedes(best_of[y][v], winner)) winner = best_of[y][v];
      }
      scores[b * words + first_word + v] = winner.score;
      if (winners != nullptr) winners[b * words + first_word + v] = winner.token;
    }
  }
}

template <class T>
void launch(const Call &call, const void *tokens, const uint8_t *mask, const void *codebook, int64_t images, int64_t count, int64_t width,
    int64_t words, float *scores, int32_t *winners) {
  call.launch("forward_kernel", forward_kernel<T>, grid_of(images * blocks_of(words, kTileWords)), kTileThreads, 0,
      static_cast<const T *>(tokens), mask, static_cast<const T *>(codebook), images, count, width, words, scores, winners);
}

}  // namespace

void project_max_forward(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  const bool empty = images == 0 || count == 0 || words == 0;
  const bool cores = type != LEXVLA_FLOAT32 || exec->math == LEXVLA_MATH_TF32;
  const bool matrices = !empty && cores && sm80_project_max_takes(tokens, codebook, width, type == LEXVLA_FLOAT32 ? 4 : 2);
  bool hopper = false;
  if (matrices && sm90_project_max_takes(images, count, width, words)) {
    require_device(exec->device);
    hopper = attribute(cudaDevAttrComputeCapabilityMajor, exec->device) == 9;
  }
  const sm90::Plan plan = hopper ? sm90_project_max_plan(exec->device, type, images, count, width, words) : sm90::Plan{};
  const Call call(*exec, {hopper ? images * words * 8 : 0, plan.part_sums() * 4});
  if (call.only_asked() || images == 0 || words == 0) return;
  if (hopper) {
    sm90_project_max(call, plan, type, tokens, mask, codebook, images, count, width, words, scores, winners);
    return;
  }
  if (matrices) {
    sm80_project_max(call, type, tokens, mask, codebook, images, count, width, words, scores, winners);
    return;
  }
  with_type(type, [&](auto element) {
    launch<decltype(element)>(call, tokens, mask, codebook, images, count, width, words, scores, winners);
  });
}

}  // namespace lexvla::cuda
