/*
 * project_max_forward of bfloat16, float16 or TF32 on tensor cores by mma.sync, operands by cp.async through a ring of four stages.
 *
 * A block owns a tile of 128 words and a range of images, and walks over the images' tokens 128 at a time. Each thread keeps
 * the best candidate of its words so far; where an image ends, the candidates of a quad and of the four warps along the rows
 * are joined and written. So a score is stored once, and nothing of the size of tokens times words ever is.
 *
 * The tokens of all images of a task are one sequence of rows, cut into tiles without regard to images: with 257 tokens an
 * image, tiles that began anew with each image would compute half as much again.
 */
#include "sm80_project_max.h"

#include "sm80_tile.h"

namespace lexvla::cuda {
namespace {

using namespace sm80;

/** The arrays of a call. */
template <class T>
struct Problem {
  const T *tokens;
  const uint8_t *mask;
  const T *codebook;
  int64_t images, count, width, words;
  float *scores;
  int32_t *winners;
};

template <class T>
__global__ void __launch_bounds__(kThreads, 1) kernel(Problem<T> p, int64_t range, int64_t word_tiles, int64_t group, int64_t tasks) {
  LEXVLA_DYNAMIC_SHARED(stages);
  __shared__ Candidate best_of[4][kWords];
  const int64_t steps = blocks_of(p.width, kDepth<T>), ranges = blocks_of(p.images, range);
  for (int64_t task = blockIdx.x; task < tasks; task += gridDim.x) {
    // Word tiles in groups, so that what runs at one time shares both operands in L2.
    const int64_t of_group = task / (group * ranges), group_size = smaller(group, word_tiles - of_group * group);
    const int64_t in_group = task - of_group * group * ranges;
    const int64_t first_word = (of_group * group + in_group % group_size) * kWords, first_image = in_group / group_size * range;
    const int64_t first_row = first_image * p.count, end_row = smaller(first_image + range, p.images) * p.count;
    const int64_t tiles = blocks_of(end_row - first_row, kRows), all_steps = tiles * steps;

    const auto load = [&](int64_t step) {
      if (step < all_steps) {
        load_stage(stages + step % kStages * kStageBytes, p.codebook, first_word, p.words, p.tokens, first_row + step / steps * kRows, end_row,
            p.width, step % steps * kDepth<T>);
      }
      commit_copies();
    };
    __syncthreads();  // the task before has read all its stages
    for (int64_t step = 0; step < kStages - 1; ++step) load(step);

    Candidate best[kTilesM][2];
    const auto forget = [&] {
#pragma unroll
      for (int m = 0; m < kTilesM; ++m) best[m][0] = best[m][1] = {-INFINITY, -1};
    };
    forget();
    int64_t image = first_image, step = 0;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      float sum[kTilesM][kTilesN][4] = {};
      for (int64_t k = 0; k < steps; ++k, ++step) {
        wait_for_copies<kStages - 2>();
        __syncthreads();  // everybody's copies of this step are there, and everybody has read the stage that is loaded next
        load(step + kStages - 1);
        multiply_stage<T>(stages + step % kStages * kStageBytes, sum);
      }

      const int64_t tile_row = first_row + tile * kRows;
      for (;;) {
        const int64_t begin = image * p.count, end = begin + p.count;
#pragma unroll
        for (int n = 0; n < kTilesN; ++n) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const int64_t row = tile_row + row_of(threadIdx.x, n, i);
            if (row < begin || row >= end || (p.mask != nullptr && p.mask[row] == 0)) continue;
#pragma unroll
            for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
              for (int half = 0; half < 2; ++half) {
                // A thread's rows ascend: of equal scores the first stays.
                const float score = sum[m][n][half * 2 + i], so_far = best[m][half].score;
                const bool better = score > so_far || (score != score && so_far == so_far) || best[m][half].token < 0;
                if (better) best[m][half] = {score, static_cast<int32_t>(row - begin)};
              }
            }
          }
        }
        if (end > tile_row + kRows) break;  // goes on in the next tile
#pragma unroll
        for (int m = 0; m < kTilesM; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            Candidate joined = best[m][half];
#pragma unroll
            for (int lanes = 1; lanes <= 2; lanes *= 2) {
              const Candidate other{__shfl_xor_sync(0xffffffffu, joined.score, lanes), __shfl_xor_sync(0xffffffffu, joined.token, lanes)};
              if (precedes(other, joined)) joined = other;
            }
            if (threadIdx.x % 4 == 0) best_of[threadIdx.x / 32 % 4][word_of(threadIdx.x, m, half * 2)] = joined;
          }
        }
        __syncthreads();
        if (threadIdx.x < kWords && first_word + threadIdx.x < p.words) {
          Candidate joined = best_of[0][threadIdx.x];
          for (int warp = 1; warp < 4; ++warp) {
            if (precedes(best_of[warp][threadIdx.x], joined)) joined = best_of[warp][threadIdx.x];
          }
          const int64_t at = image * p.words + first_word + threadIdx.x;
          p.scores[at] = joined.score;
          if (p.winners != nullptr) p.winners[at] = joined.token;
        }
        __syncthreads();
        forget();
        ++image;
        if (image * p.count >= tile_row + kRows || image * p.count >= end_row) break;
      }
    }
    wait_for_copies<0>();
  }
}

}  // namespace

bool sm80_project_max_takes(const void *tokens, const void *codebook, int64_t width, int64_t element) {
  return width > 0 && width * element % 16 == 0 && reinterpret_cast<uintptr_t>(tokens) % 16 == 0 && reinterpret_cast<uintptr_t>(codebook) % 16 == 0;
}

void sm80_project_max(const Call &call, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook, int64_t images, int64_t count,
    int64_t width, int64_t words, float *scores, int32_t *winners) {
  const int64_t processors = attribute(cudaDevAttrMultiProcessorCount, call.device()), word_tiles = blocks_of(words, kWords);
  // Long ranges waste less of their last tile, short ones keep all processors busy: four tasks for each, if there are as many.
  int64_t range = images * word_tiles / (4 * processors);
  const int64_t enough = blocks_of(32 * kRows, count);
  range = range > enough ? enough : range < 1 ? 1 : range;
  const int64_t tasks = word_tiles * blocks_of(images, range);
  with_type(type, [&](auto element) {
    using T = decltype(element);
    call.launch("sm80_project_max", kernel<T>, grid_of(tasks), kThreads, kSharedBytes,
        Problem<T>{static_cast<const T *>(tokens), mask, static_cast<const T *>(codebook), images, count, width, words, scores, winners},
        range, word_tiles, int64_t{16}, tasks);
  });
}

}  // namespace lexvla::cuda
