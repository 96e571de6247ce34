/*
 * Geometry of sm90_project_max.cu, and the order in which its clusters take tiles. Functions of integers alone, tested
 * on the host.
 *
 * The tokens of all images are one sequence of rows. For many images it is cut into tiles of 256 without regard to images:
 * an image of 257 tokens costs 257 rows. For few images of at most 264 tokens a tile is an image, 256 rows and eight more:
 * one image of 257 tokens is then one tile instead of two. What a tile knows of an image is joined by an atomic maximum over
 * keys that order as candidates do, which gives the same bits whatever the order.
 *
 * With few rounds of tiles, what is left after the last whole round would keep a few clusters busy as long as all were before: one
 * image and 17,149 words are 67 tiles for the 66 clusters of an H100. These tiles are cut along the depth and each is shared by
 * several clusters, whose sums of parts are joined, in ascending order, by a kernel of its own.
 */
#ifndef LEXVLA_CUDA_SM90_PROJECT_MAX_H
#define LEXVLA_CUDA_SM90_PROJECT_MAX_H

#include "call.h"
#include "elements.h"

namespace lexvla::cuda {

namespace sm90 {

constexpr int kConsumers = 2, kCluster = 2;                  // warp groups that multiply; blocks that share rows
constexpr int kThreads = 128 * (kConsumers + 1);
constexpr int kWords = 64 * kConsumers, kRows = 256;               // of a tile; words are the rows of the product
constexpr int kExtraRows = 8;                                 // of a tile that is an image
constexpr int kStages = 4;
constexpr int kLineBytes = 128;                               // of a word's or row's part of the depth in shared memory
template <class T>
constexpr int kDepth = kLineBytes / sizeof(T);

/** Sizes of a kernel whose tiles have `extra` rows (0 or kExtraRows) beyond kRows. */
template <int extra>
struct Sizes {
  static constexpr int kTileRows = kRows + extra, kSums = kTileRows / 2;  // accumulators of a thread
  // Each block fetches its half, and both fetch the extra rows after the first half, the same bytes to the same place:
  // halves of the tile would not begin at an atom of the swizzle.
  static constexpr int kBoxRows = kRows / kCluster + extra;
  static constexpr int kWordBytes = kWords * kLineBytes, kRowBytes = kTileRows * kLineBytes, kStageBytes = kWordBytes + kRowBytes;
  static constexpr int kArriving = kWordBytes + kCluster * kBoxRows * kLineBytes;  // bytes, the twice fetched ones twice
  static constexpr int kSharedBytes = kStages * kStageBytes + 2 * kStages * 8;
  static_assert(kStageBytes % 1024 == 0 && kWordBytes % 1024 == 0, "an operand that does not begin at an atom of the swizzle");
  static_assert(kSharedBytes <= 227 * 1024, "more shared memory than a block can have");
};

constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
static_assert(128 * (kProducerRegisters + kConsumers * kConsumerRegisters) <= 65536, "more registers than a processor has");

/** The word (of a warp group's 64) of accumulator i of a thread of it, and its row of the tile. */
__host__ __device__ constexpr int word_of(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + i % 4 / 2 * 8; }
__host__ __device__ constexpr int row_of(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

/** A tile of rows, and the pair of word tiles that a cluster multiplies with it. */
struct Tile {
  int words, rows;
};

/** Pairs of word tiles in groups of this many: a group's codes, 24 MB at width 4096, stay in L2 while all rows pass by. */
constexpr int kGroup = 8;

/** The tile at a place of the order, of word_tiles (of a cluster) x row_tiles, fewer than 2^31. */
__host__ __device__ inline Tile tile_at(int place, int word_tiles, int row_tiles) {
  const int group = place / (kGroup * row_tiles), left = word_tiles - group * kGroup, size = left < kGroup ? left : kGroup;
  const int within = place - group * kGroup * row_tiles;
  return {group * kGroup + within % size, within / size};
}

/** How a problem is cut up. */
struct Plan {
  bool by_image;                  // a tile is an image
  int64_t word_tiles, row_tiles;  // of a cluster
  int64_t whole;                  // as many tiles are computed by a cluster each, the others
  int64_t pieces;                 // by this many clusters each

  int64_t shared_tiles() const { return word_tiles * row_tiles - whole; }
  /** What clusters are given one after another. */
  int64_t works() const { return whole + shared_tiles() * pieces; }
  /** Floats that the sums of pieces take. */
  int64_t part_sums() const { return shared_tiles() * pieces * kCluster * kWords * (kRows + (by_image ? kExtraRows : 0)); }
};

/** From this many rounds on the last one may be as long as the others: cutting it up would gain an eighth at most. */
constexpr int64_t kManyRounds = 8;
constexpr int64_t kMostPieces = 16;

/** The plan that takes the least time, for so many clusters; element: bytes of one. Nothing is empty. */
inline Plan plan_of(int64_t images, int64_t count, int64_t width, int64_t words, int64_t element, int64_t clusters) {
  const int64_t steps = blocks_of(width * element, kLineBytes);
  Plan best{};
  double least = INFINITY;
  for (const bool by_image : {false, true}) {
    if (by_image && (count == 1 || count > kRows + kExtraRows)) continue;
    Plan plan{by_image, blocks_of(words, kWords * kCluster), by_image ? images : blocks_of(images * count, kRows), 0, 1};
    const int64_t tiles = plan.word_tiles * plan.row_tiles, rounds = tiles / clusters, left = tiles % clusters;
    if (left > 0 && rounds < kManyRounds) {
      // A piece fills the ring at least once.
      const int64_t pieces = smaller(smaller(kMostPieces, clusters / left), steps / kStages);
      plan.pieces = pieces > 1 ? pieces : 1;
    }
    plan.whole = plan.pieces > 1 ? tiles - left : tiles;
    // The extra rows of an image's tile cost about as much as forty others.
    const double last = left > 0 ? 1.0 / static_cast<double>(plan.pieces) : 0.0;
    const double time = (static_cast<double>(rounds) + last) * (kRows + (by_image ? 40 : 0));
    if (time < least) {
      least = time;
      best = plan;
    }
  }
  return best;
}

/** A tile or, of a tile that clusters share, a piece of its depth: the steps [begin, end). */
struct Work {
  Tile tile;
  int begin, end;
  bool is_piece;
};

/** The work at a place of the order, of plan.works(). */
__host__ __device__ inline Work work_at(int place, int word_tiles, int row_tiles, int whole, int pieces, int steps) {
  if (place < whole) return {tile_at(place, word_tiles, row_tiles), 0, steps, false};
  const int tile = whole + (place - whole) / pieces, piece = (place - whole) % pieces;
  return {tile_at(tile, word_tiles, row_tiles), piece * steps / pieces, (piece + 1) * steps / pieces, true};
}

/** A key that is greater for what precedes() puts first, and greater than 0 for every token. -0 counts as 0. */
__host__ __device__ inline uint64_t key_of(float score, uint32_t bits_of_score, int32_t token) {
  const uint32_t bits = score == 0 ? 0u : bits_of_score;
  const uint32_t ordered = score != score ? 0xffffffffu : (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return uint64_t{ordered} << 32 | (0xffffffffu - static_cast<uint32_t>(token));
}

/** The bits of the score that a key was made of, NaN in one form, and its token; -inf and -1 for 0. */
__host__ __device__ inline uint32_t score_bits_of(uint64_t key) {
  const uint32_t ordered = static_cast<uint32_t>(key >> 32);
  return key == 0 ? 0xff800000u : ordered == 0xffffffffu ? 0x7fffffffu : (ordered & 0x80000000u) != 0 ? ordered & 0x7fffffffu : ~ordered;
}
__host__ __device__ inline int32_t token_of(uint64_t key) {
  return key == 0 ? -1 : static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(key));
}

}  // namespace sm90

/** Whether the kernel takes a problem that sm80_project_max_takes: rows and tiles are counted in 32 bits. */
bool sm90_project_max_takes(int64_t images, int64_t count, int64_t width, int64_t words);

/** How it is cut up on a device. */
sm90::Plan sm90_project_max_plan(int32_t device, int32_t type, int64_t images, int64_t count, int64_t width, int64_t words);

/** project_max_forward of bfloat16, of float16, or of float32 as TF32 on Hopper. Temporary arrays: images * words keys of 8 bytes, and
 *  plan.part_sums() floats. Nothing is empty. */
void sm90_project_max(const Call &call, const sm90::Plan &plan, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners);

}  // namespace lexvla::cuda

#endif
