/* token_activations: the scores go straight to where the activations will be, then each row is activated in place. */
#include "launchers.h"
#include "score_tile.h"

namespace lexvla::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kTileThreads, 2)
    scores_kernel(const T *tokens, const T *codebook, int64_t count, int64_t width, int64_t words, float *scores) {
  __shared__ ScoreTileMemory memory;
  const int64_t word_tiles = blocks_of(words, kTileWords);
  for (int64_t task = blockIdx.x; task < blocks_of(count, kTileTokens) * word_tiles; task += gridDim.x) {
    const int64_t first = task / word_tiles * kTileTokens, first_word = task % word_tiles * kTileWords;
    float sum[kPerThread][kPerThread];
    score_tile(tokens + first * width, count - first, codebook + first_word * width, words - first_word, width, memory, sum);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
#pragma unroll
      for (int j = 0; j < kPerThread; ++j) {
        const int64_t token = first + tile_token(threadIdx.x, i), word = first_word + tile_word(threadIdx.x, j);
        if (token < count && word < words) scores[token * words + word] = sum[i][j];
      }
    }
  }
}

}  // namespace

void token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook, int64_t count, int64_t width,
    int64_t words, float *activations, float *norms) {
  const Call call(*exec);
  if (call.only_asked() || count == 0) return;
  const dim3 grid = grid_of(blocks_of(count, kTileTokens) * blocks_of(words, kTileWords));
  with_type(type, [&](auto element) {
    using T = decltype(element);
    call.launch("scores_kernel", scores_kernel<T>, grid, kTileThreads, 0, static_cast<const T *>(tokens),
        static_cast<const T *>(codebook), count, width, words, activations);
  });
  activate_normalize_forward(exec, activations, count, words, activations, norms);
}

}  // namespace lexvla::cuda
