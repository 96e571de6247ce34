/*
 * project_max_forward of bfloat16, float16 or TF32 on Hopper: wgmma from shared memory that the tensor memory accelerator fills.
 *
 *   cluster     two blocks with neighbouring tiles of 128 words and the same rows; each fetches half of the rows for both
 *   block       one warp group that fetches, two that multiply 64 words each with all rows; a ring of four stages
 *   registers   128 accumulators a thread: the maximum over rows is taken in the thread, then in its quad
 *   clusters    stay, and take tiles in an order that keeps both operands in L2
 *
 * No score is stored, but of the few tiles that clusters share; a tile ends in one atomic maximum per word and image. Compiled for
 * sm_90a alone.
 */
#include "sm90_project_max.h"

#include "tensor_map.h"

namespace lexvla::cuda {
namespace {

using namespace sm90;

struct Problem {
  const uint8_t *mask;
  int64_t images, count, width, words;
  uint64_t *keys;  // [images, words], 0 at first
  int64_t stride;  // from the first row of a tile to that of the next
  int word_tiles, row_tiles, whole, pieces;  // of the plan
  float *parts;    // of the pieces: [piece, block of the cluster, accumulator, thread that multiplies]
};
constexpr int kMultiplying = 128 * kConsumers;  // threads

/** The place of a stage's operands, and the barriers of the ring. */
template <class S>
struct Ring {
  char *memory;
  uint64_t *full, *empty;

  __device__ explicit Ring(char *shared)
      : memory(shared), full(reinterpret_cast<uint64_t *>(shared + kStages * S::kStageBytes)), empty(full + kStages) {}
  __device__ char *words(int stage) const { return memory + stage * S::kStageBytes; }
  __device__ char *rows(int stage) const { return memory + stage * S::kStageBytes + S::kWordBytes; }
};

/** Where a walk around the ring is; the parity of the phase that ends next. */
struct Place {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/** Sends the best of the rows [begin, end) of a tile to the keys of an image; rows count from the tile's first. */
template <int kSums>
__device__ inline void send_best(const Problem &p, const float (&sum)[kSums], int64_t first_word, int64_t tile_row, int64_t image, int begin,
    int end) {
  const int thread = threadIdx.x % 128, shift = row_of(thread, 0);
  const int from = begin - shift, to = end - shift;  // of the rows i / 4 * 8 + i % 2 that are constants below
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float best = -INFINITY;
    bool any = false;
#pragma unroll
    for (int pair = 0; pair < kSums / 4; ++pair) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int row = pair * 8 + i;
        const bool there = row >= from && row < to && (p.mask == nullptr || p.mask[tile_row + row + shift] != 0);
        if (there) best = greater_or_nan(best, sum[pair * 4 + half * 2 + i]);
        any = any || there;
      }
    }
#pragma unroll
    for (int lanes = 1; lanes <= 2; lanes *= 2) best = greater_or_nan(best, __shfl_xor_sync(0xffffffffu, best, lanes));
    // The index after the maximum: from the last row to the first, so that the first of equal ones stays.
    constexpr int kNone = kSums * 2;  // beyond the tile's rows
    int winner = kNone;
    if (any) {
#pragma unroll
      for (int pair = kSums / 4 - 1; pair >= 0; --pair) {
#pragma unroll
        for (int i = 1; i >= 0; --i) {
          const int row = pair * 8 + i;
          const float score = sum[pair * 4 + half * 2 + i];
          const bool there = row >= from && row < to && (p.mask == nullptr || p.mask[tile_row + row + shift] != 0);
          if (there && (score == best || (score != score && best != best))) winner = row + shift;
        }
      }
    }
#pragma unroll
    for (int lanes = 1; lanes <= 2; lanes *= 2) {
      const int other = __shfl_xor_sync(0xffffffffu, winner, lanes);
      winner = other < winner ? other : winner;
    }
    const int64_t word = first_word + word_of(thread, half * 2);
    if (thread % 4 == 0 && winner < kNone && word < p.words) {
      const int32_t token = static_cast<int32_t>(tile_row + winner - image * p.count);
      atomicMax(reinterpret_cast<unsigned long long *>(p.keys + image * p.words + word),
          static_cast<unsigned long long>(key_of(best, __float_as_uint(best), token)));
    }
  }
}

/** With one token an image, a score is the maximum: every thread sends its own. */
template <int kSums>
__device__ inline void send_each(const Problem &p, const float (&sum)[kSums], int64_t first_word, int64_t tile_row) {
  const int thread = threadIdx.x % 128;
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    const int64_t image = tile_row + row_of(thread, i), word = first_word + word_of(thread, i);
    if (image < p.images && word < p.words && (p.mask == nullptr || p.mask[image] != 0)) {
      p.keys[image * p.words + word] = key_of(sum[i], __float_as_uint(sum[i]), 0);
    }
  }
}

/** Sends what these sums of a warp group say, of the rows [tile_row, end_row). */
template <int kSums>
__device__ inline void send(const Problem &p, const float (&sum)[kSums], int64_t first_word, int64_t tile_row, int64_t end_row) {
  if (p.count == 1) {
    send_each(p, sum, first_word, tile_row);
    return;
  }
  for (int64_t image = tile_row / p.count; image * p.count < end_row; ++image) {
    const int64_t begin = image * p.count - tile_row, end = begin + p.count;
    send_best(p, sum, first_word, tile_row, image, static_cast<int>(begin < 0 ? 0 : begin), static_cast<int>(smaller(end, end_row - tile_row)));
  }
}

/** The row after the last of a tile. */
template <class S>
__device__ inline int64_t end_row_of(const Problem &p, int64_t tile_row) {
  return smaller(tile_row + smaller(S::kTileRows, p.stride), p.images * p.count);
}

template <class T, int extra>
__global__ void __launch_bounds__(kThreads, 1)
    kernel(const __grid_constant__ TensorMap codes, const __grid_constant__ TensorMap tokens, Problem p, int works) {
  using S = Sizes<extra>;
  LEXVLA_DYNAMIC_SHARED(shared);
  const Ring<S> ring(shared);
  const uint32_t rank = cluster_rank();
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(ring.full + stage, 1);
      init_barrier(ring.empty + stage, kConsumers * kCluster);
    }
    fence_barriers();
  }
  sync_cluster();

  const int steps = static_cast<int>(blocks_of(p.width, kDepth<T>)), clusters = gridDim.x / kCluster;
  const int group = threadIdx.x / 128;
  Place place;
  if (group == 0) {
    give_registers<kProducerRegisters>();
    if (threadIdx.x == 0) {
      for (int at = blockIdx.x / kCluster; at < works; at += clusters) {
        const Work work = work_at(at, p.word_tiles, p.row_tiles, p.whole, p.pieces, steps);
        const Tile tile = work.tile;
        const int first_word = (tile.words * kCluster + static_cast<int>(rank)) * kWords;
        const int first_row = tile.rows * static_cast<int>(p.stride) + static_cast<int>(rank) * (kRows / kCluster);
        for (int step = work.begin; step < work.end; ++step) {
          wait_for(ring.empty + place.stage, place.parity ^ 1);
          arrive_expecting(ring.full + place.stage, S::kArriving);
          const int column = step * kDepth<T>;
          copy_box(ring.words(place.stage), codes, column, first_word, ring.full + place.stage);
          copy_box_to((1 << kCluster) - 1, ring.rows(place.stage) + rank * (kRows / kCluster) * kSwizzleBytes, tokens, column, first_row,
              ring.full + place.stage);
          place.advance();
        }
      }
    }
  } else {
    take_registers<kConsumerRegisters>();
    const auto release = [&](int stage) {
      // One thread of the group for each block of the cluster.
      if (threadIdx.x % 128 < kCluster) arrive_at(ring.empty + stage, threadIdx.x % 128);
    };
    for (int at = blockIdx.x / kCluster; at < works; at += clusters) {
      const Work work = work_at(at, p.word_tiles, p.row_tiles, p.whole, p.pieces, steps);
      const Tile tile = work.tile;
      const int64_t first_word = int64_t{tile.words * kCluster + static_cast<int>(rank)} * kWords + (group - 1) * 64;
      const int64_t tile_row = tile.rows * p.stride;
      float sum[S::kSums];
      int before = 0;
      for (int step = work.begin; step < work.end; ++step) {
        wait_for(ring.full + place.stage, place.parity);
        begin_products();
        const uint64_t a = descriptor_of(ring.words(place.stage) + (group - 1) * 64 * kSwizzleBytes);
        const uint64_t b = descriptor_of(ring.rows(place.stage));
#pragma unroll
        for (int k = 0; k < kLineBytes / kProductBytes; ++k) {
          multiply_64x256(T{}, sum, a + k * 2, b + k * 2, step > work.begin || k > 0);
          if constexpr (extra > 0) multiply_64x8(T{}, sum + 128, a + k * 2, b + kRows * kSwizzleBytes / 16 + k * 2, step > work.begin || k > 0);
        }
        commit_products();
        wait_for_products<1>();
        if (step > work.begin) release(before);
        before = place.stage;
        place.advance();
      }
      wait_for_products<0>();
      release(before);

      if (work.is_piece) {
        float *const part = p.parts + (int64_t{at - p.whole} * kCluster + static_cast<int>(rank)) * S::kSums * kMultiplying + threadIdx.x - 128;
#pragma unroll
        for (int i = 0; i < S::kSums; ++i) part[i * kMultiplying] = sum[i];
      } else {
        send(p, sum, first_word, tile_row, end_row_of<S>(p, tile_row));
      }
    }
  }
  sync_cluster();  // nobody leaves while the other block may still write to its shared memory
}

/** Adds the pieces of the tiles that clusters share: a block has eight rows of what one block multiplied. */
template <int extra>
__global__ void __launch_bounds__(kMultiplying) join_kernel(Problem p) {
  using S = Sizes<extra>;
  constexpr int kEights = S::kTileRows / 8;
  const int eight = blockIdx.x % kEights, rank = blockIdx.x / kEights % kCluster, shared_tile = blockIdx.x / kEights / kCluster;
  float sum[4] = {};
  for (int piece = 0; piece < p.pieces; ++piece) {
    const int64_t block = (int64_t{shared_tile} * p.pieces + piece) * kCluster + rank;
    const float *const part = p.parts + (block * S::kSums + eight * 4) * kMultiplying + threadIdx.x;
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] += part[i * kMultiplying];
  }
  const Tile tile = tile_at(p.whole + shared_tile, p.word_tiles, p.row_tiles);
  const int64_t first_word = int64_t{tile.words * kCluster + rank} * kWords + threadIdx.x / 128 * 64, tile_row = tile.rows * p.stride;
  send(p, sum, first_word, tile_row + eight * 8, smaller(tile_row + eight * 8 + 8, end_row_of<S>(p, tile_row)));
}

__global__ void __launch_bounds__(256) unpack_kernel(const uint64_t *keys, int64_t n, float *scores, int32_t *winners) {
  for (int64_t i = blockIdx.x * int64_t{256} + threadIdx.x; i < n; i += int64_t{gridDim.x} * 256) {
    scores[i] = __uint_as_float(score_bits_of(keys[i]));
    if (winners != nullptr) winners[i] = token_of(keys[i]);
  }
}

}  // namespace

bool sm90_project_max_takes(int64_t images, int64_t count, int64_t width, int64_t words) {
  // Also what the last tile has beyond the end is counted.
  return images <= (INT32_MAX - kRows) / count && words <= INT32_MAX - kWords * kCluster && width <= INT32_MAX - kLineBytes &&
         blocks_of(words, kWords * kCluster) * (images + blocks_of(images * count, kRows)) <= INT32_MAX / kGroup;
}

Plan sm90_project_max_plan(int32_t device, int32_t type, int64_t images, int64_t count, int64_t width, int64_t words) {
  return plan_of(images, count, width, words, type == LEXVLA_FLOAT32 ? 4 : 2, attribute(cudaDevAttrMultiProcessorCount, device) / kCluster);
}

namespace {

template <class T, int extra>
void launch(const Call &call, const Plan &plan, const void *tokens, const void *codebook, const Problem &p, int64_t clusters) {
  using S = Sizes<extra>;
  call.launch_clusters("sm90_project_max", kernel<T, extra>, kCluster, dim3(static_cast<unsigned>(smaller(clusters, plan.works()) * kCluster)),
      kThreads, S::kSharedBytes, tensor_map<T>(codebook, p.words, p.width, kWords),
      tensor_map<T>(tokens, p.images * p.count, p.width, S::kBoxRows), p, static_cast<int>(plan.works()));
  if (plan.shared_tiles() > 0) {
    call.launch("join_kernel", join_kernel<extra>,
        dim3(static_cast<unsigned>(plan.shared_tiles() * kCluster * (S::kTileRows / 8))), kMultiplying, 0, p);
  }
}

}  // namespace

void sm90_project_max(const Call &call, const Plan &plan, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  const int64_t clusters = attribute(cudaDevAttrMultiProcessorCount, call.device()) / kCluster;
  uint64_t *const keys = call.array<uint64_t>(0);
  require(cudaMemsetAsync(keys, 0, static_cast<size_t>(images * words) * 8, call.stream()), "cudaMemsetAsync");
  const Problem problem{mask, images, count, width, words, keys, plan.by_image ? count : kRows, static_cast<int>(plan.word_tiles),
      static_cast<int>(plan.row_tiles), static_cast<int>(plan.whole), static_cast<int>(plan.pieces), call.array<float>(1)};
  with_type(type, [&](auto element) {
    using T = decltype(element);
    if (plan.by_image) {
      launch<T, kExtraRows>(call, plan, tokens, codebook, problem, clusters);
    } else {
      launch<T, 0>(call, plan, tokens, codebook, problem, clusters);
    }
  });
  call.launch("unpack_kernel", unpack_kernel, grid_of(blocks_of(images * words, 256)), 256, 0, keys, images * words, scores,
      winners);
}

}  // namespace lexvla::cuda
