/*
 * project_max_backward without atomics: every element of a gradient has one owner, which sums in one order.
 *
 *   grad_codebook  a thread owns a word and eight columns, and walks over the images; or, where an image's tokens are many and
 *                  fit, eight words and eight columns, and a block brings 32 columns of an image's tokens into shared memory
 *                  for its 1024 words: device memory and L2 are then read once for 1024 winners, not once for each. The same
 *                  sums in the same order, so the same bits
 *   grad_tokens    the words of an image are first listed by the token that won them, ascending; a thread then owns a token
 *                  and eight columns, and walks over the token's list; or, where the sums of several images fit into shared
 *                  memory, a block owns 64 bytes' columns of these images and brings the codebook by in stretches of words,
 *                  listed by token: see brought_tokens_kernel
 *
 * What is not brought along is gathered from whole rows of the other operand, kSlice columns at a time, the slices being the
 * slowest index of the grid: a slice of the codebook (18 MB of the paper's in bfloat16) then stays in L2 while all images
 * gather from it.
 */
#include "launchers.h"
#include "ptx.h"

namespace lexvla::cuda {
namespace {

constexpr int kColumns = 8, kAcross = 64, kSlice = kColumns * kAcross;
constexpr int kRows = 4, kThreads = kAcross * kRows;
constexpr int kSortThreads = 256, kSortChunk = 1024;
// Of the kernel that brings tokens along.
constexpr int kBroughtColumns = 32, kBroughtAcross = kBroughtColumns / kColumns, kBroughtThreads = 512;
constexpr int kWordsApart = kBroughtThreads / kBroughtAcross, kWordsOfThread = 8, kBroughtWords = kWordsApart * kWordsOfThread;
/** From this many tokens an image on they are brought along: a guess, to be measured (visit.sh, sweep). */
constexpr int64_t kLeastBrought = 16;
// Of the kernel that brings the codebook along: words at a time, bytes of each.
constexpr int kStretch = 512, kCodeBytes = 64, kWarps = kBroughtThreads / 32, kQuads = 8;

template <class T>
constexpr int kPerLoad = 16 / sizeof(T);  // elements

/** What 16 bytes have of floats; of 16-bit elements the first of a pair is the lower half. */
__device__ inline void widen(float, uint4 bits, float (&x)[4]) {
  x[0] = __uint_as_float(bits.x), x[1] = __uint_as_float(bits.y), x[2] = __uint_as_float(bits.z), x[3] = __uint_as_float(bits.w);
}
__device__ inline void widen(Bf16, uint4 bits, float (&x)[8]) {
  const uint32_t pairs[] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = __uint_as_float(pairs[i] << 16);
    x[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000u);
  }
}
__device__ inline void widen(Half, uint4 bits, float (&x)[8]) {
  const uint32_t pairs[] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = value(Half{static_cast<uint16_t>(pairs[i])});
    x[2 * i + 1] = value(Half{static_cast<uint16_t>(pairs[i] >> 16)});
  }
}

/** kColumns elements at a multiple of 16 bytes. */
template <class T>
__device__ inline void load_columns(const T *row, float (&x)[kColumns]) {
#pragma unroll
  for (int i = 0; i < kColumns; i += kPerLoad<T>) {
    float part[kPerLoad<T>];
    widen(T{}, *reinterpret_cast<const uint4 *>(row + i), part);
#pragma unroll
    for (int c = 0; c < kPerLoad<T>; ++c) x[i + c] = part[c];
  }
}

/** sum[c] += grad * row[c]. `whole` promises that kColumns columns from here are in the row and aligned to 16 bytes. */
template <class T>
__device__ inline void add_row(float grad, const T *row, int columns, bool whole, float (&sum)[kColumns]) {
  if (whole) {
    float x[kColumns];
    load_columns(row, x);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) sum[c] = fmaf(grad, x[c], sum[c]);
  } else {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if (c < columns) sum[c] = fmaf(grad, value(row[c]), sum[c]);
    }
  }
}

template <class T>
__host__ __device__ inline bool rows_are_aligned(const T *array, int64_t width) {
  return reinterpret_cast<uintptr_t>(array) % 16 == 0 && width * static_cast<int64_t>(sizeof(T)) % 16 == 0;
}

/** Whether an index into tokens is one: what no forward wrote contributes nothing. */
__device__ inline bool is_token(int32_t winner, int64_t count) { return winner >= 0 && winner < count; }

template <class T>
__global__ void __launch_bounds__(kThreads) codebook_kernel(const float *grad_scores, const int32_t *winners, const T *tokens,
    int64_t images, int64_t count, int64_t width, int64_t words, float *grad_codebook, bool add) {
  const int64_t word_tiles = blocks_of(words, kRows), slices = blocks_of(width, kSlice);
  const bool aligned = rows_are_aligned(tokens, width);
  for (int64_t task = blockIdx.x; task < slices * word_tiles; task += gridDim.x) {
    const int64_t v = task % word_tiles * kRows + threadIdx.x / kAcross;
    const int64_t column = task / word_tiles * kSlice + threadIdx.x % kAcross * kColumns;
    if (v >= words || column >= width) continue;
    const int columns = static_cast<int>(smaller(kColumns, width - column));
    const bool whole = aligned && columns == kColumns;
    float *const out = grad_codebook + v * width + column;
    float sum[kColumns];
#pragma unroll
    for (int c = 0; c < kColumns; ++c) sum[c] = add && c < columns ? out[c] : 0;
#pragma unroll 4
    for (int64_t b = 0; b < images; ++b) {
      const int32_t p = winners[b * words + v];
      if (is_token(p, count)) add_row(grad_scores[b * words + v], tokens + (b * count + p) * width + column, columns, whole, sum);
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if (c < columns) out[c] = sum[c];
    }
  }
}

template <class T>
constexpr int kBroughtBytes = kBroughtColumns * sizeof(T);  // of a token

/** As codebook_kernel; the width is a multiple of eight and tokens are aligned to 16 bytes. Shared memory for two images. */
template <class T>
__global__ void __launch_bounds__(kBroughtThreads, 1) brought_codebook_kernel(const float *grad_scores, const int32_t *winners,
    const T *tokens, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_codebook, bool add) {
  LEXVLA_DYNAMIC_SHARED(shared);
  const int64_t word_tiles = blocks_of(words, kBroughtWords), slices = blocks_of(width, kBroughtColumns);
  const int place = threadIdx.x % kBroughtAcross * kColumns;
  for (int64_t task = blockIdx.x; task < slices * word_tiles; task += gridDim.x) {
    const int64_t first_column = task / word_tiles * kBroughtColumns;
    const int64_t first_word = task % word_tiles * kBroughtWords + threadIdx.x / kBroughtAcross;
    const int64_t columns_left = width - first_column;
    // Words of this thread, kWordsApart apart, that there are.
    const int words_left = place < columns_left ? static_cast<int>(smaller(words - first_word, kBroughtWords)) : 0;

    const T *next_tokens = tokens + first_column;
    const auto bring = [&](int64_t b) {
      constexpr int kChunks = kBroughtBytes<T> / 16;
      const int chunks = b < images ? static_cast<int>(count) * kChunks : 0;
      char *const to = shared + b % 2 * count * kBroughtBytes<T>;
      for (int i = threadIdx.x; i < chunks; i += kBroughtThreads) {
        const int column = i % kChunks * static_cast<int>(16 / sizeof(T));
        const bool there = column < columns_left;
        copy_16_async(to + i * 16, there ? next_tokens + i / kChunks * width + column : tokens, there);
      }
      next_tokens += count * width;
      commit_copies();
    };
    const int32_t *next_winners = winners + first_word;
    const float *next_grads = grad_scores + first_word;
    int32_t winner[kWordsOfThread];
    float grad[kWordsOfThread];
    const auto look_at = [&](int64_t b) {
      const int there = b < images ? words_left : 0;
#pragma unroll
      for (int j = 0; j < kWordsOfThread; ++j) {
        winner[j] = j * kWordsApart < there ? next_winners[j * kWordsApart] : -1;
        grad[j] = j * kWordsApart < there ? next_grads[j * kWordsApart] : 0;
      }
      next_winners += words;
      next_grads += words;
    };
    float sum[kWordsOfThread][kColumns];
#pragma unroll
    for (int j = 0; j < kWordsOfThread; ++j) {
      const float *const begun = grad_codebook + (first_word + j * kWordsApart) * width + first_column + place;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sum[j][c] = add && j * kWordsApart < words_left ? begun[c] : 0;
    }
    bring(0);
    look_at(0);
    for (int64_t b = 0; b < images; ++b) {
      bring(b + 1);
      wait_for_copies<1>();
      __syncthreads();  // everybody's copies of this image are there
      const T *const here = reinterpret_cast<const T *>(shared + b % 2 * count * kBroughtBytes<T>) + place;
#pragma unroll
      for (int j = 0; j < kWordsOfThread; ++j) {
        if (is_token(winner[j], count)) add_row(grad[j], here + int64_t{winner[j]} * kBroughtColumns, kColumns, true, sum[j]);
      }
      look_at(b + 1);
      __syncthreads();  // and have been read
    }
#pragma unroll
    for (int j = 0; j < kWordsOfThread; ++j) {
      if (j * kWordsApart >= words_left) continue;
      float *const out = grad_codebook + (first_word + j * kWordsApart) * width + first_column + place;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) out[c] = sum[j][c];
    }
  }
}

/**
 * Lists the words of each image by the token that won them: token p has listed[b * words + starts[b, p] .. starts[b, p + 1]),
 * ascending. Each thread collects for one token at a time, looking at every winner of the image: a plain counting sort
 * whose order is evident.
 */
__global__ void __launch_bounds__(kSortThreads)
    list_kernel(const int32_t *winners, int64_t images, int64_t count, int64_t words, int32_t *starts, int32_t *listed) {
  __shared__ int32_t chunk[kSortChunk];
  for (int64_t b = blockIdx.x; b < images; b += gridDim.x) {
    const int32_t *const of_image = winners + b * words;
    int32_t *const start = starts + b * (count + 1);
    int before = 0;
    for (int64_t first = 0; first < count; first += kSortThreads) {
      const int64_t p = first + threadIdx.x;
      int at = 0;
      // First how many there are, then, knowing where they go, which.
      for (int pass = 0; pass < 2; ++pass) {
        int found = 0;
        for (int64_t v = 0; v < words; v += kSortChunk) {
          const int here = static_cast<int>(smaller(kSortChunk, words - v));
          __syncthreads();
          for (int i = threadIdx.x; i < here; i += kSortThreads) chunk[i] = of_image[v + i];
          __syncthreads();
          for (int i = 0; i < here; ++i) {
            if (chunk[i] != p) continue;
            if (pass == 1) listed[b * words + at + found] = static_cast<int32_t>(v + i);
            ++found;
          }
        }
        if (pass == 0) {
          int total = 0;
          at = before + block_sum_before<kSortThreads>(p < count ? found : 0, &total);
          before += total;
          if (p < count) start[p] = at;
        }
      }
    }
    if (threadIdx.x == 0) start[count] = before;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) tokens_kernel(const float *grad_scores, const int32_t *starts, const int32_t *listed,
    const T *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens) {
  const int64_t rows = images * count, row_tiles = blocks_of(rows, kRows), slices = blocks_of(width, kSlice);
  const bool aligned = rows_are_aligned(codebook, width);
  for (int64_t task = blockIdx.x; task < slices * row_tiles; task += gridDim.x) {
    const int64_t row = task % row_tiles * kRows + threadIdx.x / kAcross;
    const int64_t column = task / row_tiles * kSlice + threadIdx.x % kAcross * kColumns;
    if (row >= rows || column >= width) continue;
    const int columns = static_cast<int>(smaller(kColumns, width - column));
    const bool whole = aligned && columns == kColumns;
    const int64_t b = row / count, p = row % count;
    const int32_t begin = starts[b * (count + 1) + p], end = starts[b * (count + 1) + p + 1];
    float sum[kColumns] = {};
#pragma unroll 4
    for (int32_t e = begin; e < end; ++e) {
      const int64_t v = listed[b * words + e];
      add_row(grad_scores[b * words + v], codebook + v * width + column, columns, whole, sum);
    }
    float *const out = grad_tokens + row * width + column;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if (c < columns) out[c] = sum[c];
    }
  }
}

/** A word of a stretch that a token won. */
struct Won {
  float grad;
  int32_t place;  // token * kStretch + word of the stretch: what the winners of a stretch are sorted by
};

/**
 * Lists the winners of each image and stretch of words by token, a token's words ascending: a block per list, a thread per
 * word, whose rank is the number of smaller places. The list is cut into `quads` equal parts for those who will walk
 * it side by side, so the first of every part come first, then all second ones: won[list * kStretch + i * quads + part].
 */
__global__ void __launch_bounds__(kStretch) rank_kernel(const float *grad_scores, const int32_t *winners, int64_t images, int64_t count,
    int64_t words, int quads, Won *won, int32_t *found) {
  __shared__ uint4 places[kStretch / 4];
  const int64_t stretches = blocks_of(words, kStretch);
  for (int64_t list = blockIdx.x; list < images * stretches; list += gridDim.x) {
    const int64_t b = list / stretches, v = list % stretches * kStretch + threadIdx.x;
    const int32_t winner = v < words ? winners[b * words + v] : -1;
    const bool there = is_token(winner, count);
    const uint32_t place = there ? static_cast<uint32_t>(winner) * kStretch + threadIdx.x : UINT32_MAX;
    __syncthreads();  // the places of the list before have been read
    reinterpret_cast<uint32_t *>(places)[threadIdx.x] = place;
    int all = 0;
    block_count_before<kStretch>(there, &all);  // waits for all places
    int rank = 0;
    for (const uint4 four : places) rank += (four.x < place) + (four.y < place) + (four.z < place) + (four.w < place);
    const int part = (all + quads - 1) / quads;
    if (there) {
      won[list * kStretch + rank % part * quads + rank / part] = {grad_scores[b * words + v], static_cast<int32_t>(place)};
    }
    if (threadIdx.x == 0) found[list] = all;
  }
}

/** Shared memory of brought_tokens_kernel: two stretches of codes, the sums of the images, what warps carry. */
template <class T>
constexpr int64_t brought_tokens_bytes(int64_t images, int64_t count) {
  constexpr int64_t kSumBytes = kCodeBytes / sizeof(T) * 4;
  return 2 * kStretch * kCodeBytes + (images * count + kWarps) * kSumBytes + kWarps * 4;
}

/**
 * The gradient of the tokens of `of_block` images in kCodeBytes' columns, by a block: the sums lie in shared memory, and the
 * codebook passes by in stretches of kStretch words, each read once for all of these images. An image has kWarps / of_block
 * warps, of which each quad of lanes walks an equal part of the image's list of the stretch, however unequal the tokens' shares:
 * as long as the token stays the same, it sums in registers. A run within a part belongs to its quad alone and is added
 * to the sums at once; the first and the last of a part may go on in its neighbours, and are added quad after quad; what
 * begins a warp's part is carried until all warps are done, then added in their order. So every sum is made in one order, which
 * the shape alone decides.
 *
 * With 256 images of 257 tokens, width 4096, 17,149 words of bfloat16 and 4 images a block, 9 GB of codes and 4.6 GB of lists come
 * from L2, instead of the 36 GB of codes that gathering takes. Shared memory then has about as much to do: of 8 words of 32 columns
 * 512 bytes of codes, in 6 cycles with conflicts, and 256 bytes twice for each run that ends.
 */
template <class T>
__global__ void __launch_bounds__(kBroughtThreads, 1) brought_tokens_kernel(const Won *won, const int32_t *found, const T *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, int of_block, float *grad_tokens) {
  constexpr int kSliceColumns = kCodeBytes / sizeof(T), kOfLane = kPerLoad<T>, kAhead = 4;
  LEXVLA_DYNAMIC_SHARED(shared);
  float *const sums = reinterpret_cast<float *>(shared + 2 * kStretch * kCodeBytes);
  float *const carried = sums + of_block * count * kSliceColumns;
  int32_t *const carried_token = reinterpret_cast<int32_t *>(carried + kWarps * kSliceColumns);

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = kWarps / of_block, quads = warps * kQuads;
  const int quad = warp % warps * kQuads + lane / 4, lane_column = lane % 4 * kOfLane;
  float *const image_sums = sums + warp / warps * count * kSliceColumns, *const warp_carried = carried + warp * kSliceColumns;
  const int64_t stretches = blocks_of(words, kStretch), groups = blocks_of(images, of_block), slices = blocks_of(width, kSliceColumns);
  for (int64_t task = blockIdx.x; task < slices * groups; task += gridDim.x) {
    const int64_t first_image = task % groups * of_block, b = first_image + warp / warps, first_column = task / groups * kSliceColumns;

    const auto bring = [&](int64_t stretch) {
      for (int i = threadIdx.x; stretch < stretches && i < kStretch * kCodeBytes / 16; i += kBroughtThreads) {
        const int64_t v = stretch * kStretch + i / (kCodeBytes / 16), column = first_column + i % (kCodeBytes / 16) * kPerLoad<T>;
        const bool there = v < words && column < width;
        copy_16_async(shared + stretch % 2 * (kStretch * kCodeBytes) + i * 16, codebook + (there ? v * width + column : 0), there);
      }
      commit_copies();
    };
    const auto found_in = [&](int64_t stretch) { return b < images && stretch < stretches ? found[b * stretches + stretch] : 0; };
    // The part of this quad, of which kAhead are looked at ahead of time.
    int part = 0, mine = 0;
    const Won *list = won;
    Won next[kAhead];
    const auto look_at = [&](int first) {
#pragma unroll
      for (int u = 0; u < kAhead; ++u) next[u] = first + u < mine ? list[(first + u) * quads] : Won{0, -1};
    };
    const auto begin = [&](int64_t stretch, int all) {
      part = (all + quads - 1) / quads;
      mine = all - quad * part < part ? all - quad * part : part;
      list = won + (b * stretches + stretch) * kStretch + quad;
      look_at(0);
    };

    for (int i = threadIdx.x; i < of_block * static_cast<int>(count) * kSliceColumns; i += kBroughtThreads) sums[i] = 0;
    bring(0);
    begin(0, found_in(0));
    int found_next = found_in(1);
    for (int64_t stretch = 0; stretch < stretches; ++stretch) {
      bring(stretch + 1);
      wait_for_copies<1>();
      __syncthreads();  // everybody's copies of this stretch are there, and what was carried has been added
      const char *const codes = shared + stretch % 2 * (kStretch * kCodeBytes) + lane % 4 * 16;
      const auto add = [&](float *row, const float(&x)[kOfLane]) {
#pragma unroll
        for (int c = 0; c < kOfLane; c += 4) {
          float4 &to = *reinterpret_cast<float4 *>(row + lane_column + c);
          const float4 so_far = to;
          to = {so_far.x + x[c], so_far.y + x[c + 1], so_far.z + x[c + 2], so_far.w + x[c + 3]};
        }
      };
      float sum[kOfLane] = {}, first_sum[kOfLane] = {};
      int32_t token = next[0].place < 0 ? -1 : next[0].place / kStretch, first_token = -1;
      const int32_t warp_token = __shfl_sync(0xffffffffu, token, 0);
      for (int e = 0; e < part; e += kAhead) {
        Won now[kAhead];
        uint4 code[kAhead];
#pragma unroll
        for (int u = 0; u < kAhead; ++u) {
          now[u] = next[u];
          code[u] = *reinterpret_cast<const uint4 *>(codes + (now[u].place < 0 ? 0 : now[u].place % kStretch) * kCodeBytes);
        }
        look_at(e + kAhead);
#pragma unroll
        for (int u = 0; u < kAhead; ++u) {
          if (now[u].place < 0) continue;
          if (now[u].place / kStretch != token) {
            if (first_token < 0) {
              first_token = token;
#pragma unroll
              for (int c = 0; c < kOfLane; ++c) first_sum[c] = sum[c];
            } else {
              add(image_sums + int64_t{token} * kSliceColumns, sum);
            }
#pragma unroll
            for (int c = 0; c < kOfLane; ++c) sum[c] = 0;
            token = now[u].place / kStretch;
          }
          float x[kOfLane];
          widen(T{}, code[u], x);
#pragma unroll
          for (int c = 0; c < kOfLane; ++c) sum[c] = fmaf(now[u].grad, x[c], sum[c]);
        }
      }
      for (int c = lane; c < kSliceColumns; c += 32) warp_carried[c] = 0;
      if (lane == 0) carried_token[warp] = warp_token;
      const auto row_of = [&](int32_t of) { return of == warp_token ? warp_carried : image_sums + int64_t{of} * kSliceColumns; };
      for (int turn = 0; turn < kQuads; ++turn) {
        __syncwarp();  // the quad before has added
        if (lane / 4 != turn) continue;
        if (first_token >= 0) add(row_of(first_token), first_sum);
        if (token >= 0) add(row_of(token), sum);
      }
      begin(stretch + 1, found_next);
      found_next = found_in(stretch + 2);
      __syncthreads();  // the stretch has been read, and all has been added but what is carried
      for (int w = warp; warp % warps == 0 && w < warp + warps; ++w) {
        if (carried_token[w] < 0) continue;
        for (int c = lane; c < kSliceColumns; c += 32) image_sums[int64_t{carried_token[w]} * kSliceColumns + c] += carried[w * kSliceColumns + c];
      }
    }
    __syncthreads();  // what was carried has been added
    const int64_t rows = smaller(of_block, images - first_image) * count;
    for (int i = threadIdx.x; i < static_cast<int>(rows) * kSliceColumns; i += kBroughtThreads) {
      const int64_t column = first_column + i % kSliceColumns;
      if (column < width) grad_tokens[(first_image * count + i / kSliceColumns) * width + column] = sums[i];
    }
    __syncthreads();  // and has been written
  }
}

/** A block per image. */
__global__ void __launch_bounds__(kThreads)
    filter_kernel(const float *grad_scores, const int32_t *winners, int64_t images, int64_t words, float share, int32_t *filtered) {
  __shared__ float of_warp[kThreads / 32];
  for (int64_t b = blockIdx.x; b < images; b += gridDim.x) {
    const float *const grads = grad_scores + b * words;
    float largest = 0;
    for (int64_t v = threadIdx.x; v < words; v += kThreads) largest = fmaxf(largest, fabsf(grads[v]));
    for (int lanes = 16; lanes > 0; lanes /= 2) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, lanes));
    __syncthreads();  // the image before has been read
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = largest;
    __syncthreads();
    for (int warp = 0; warp < kThreads / 32; ++warp) largest = fmaxf(largest, of_warp[warp]);
    const float least = share * largest;
    // Each thread reads what only it overwrites: filtered may be winners.
    for (int64_t v = threadIdx.x; v < words; v += kThreads) filtered[b * words + v] = fabsf(grads[v]) < least ? -1 : winners[b * words + v];
  }
}

/** How many images of this many tokens share the codebook that is brought along; 0: it is not, its rows are gathered. */
template <class T>
int images_of_block(int32_t device, const void *codebook, int64_t count, int64_t width, int64_t words) {
  if (words < kStretch || width % kColumns != 0 || !rows_are_aligned(static_cast<const T *>(codebook), width)) return 0;
  const int64_t most = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  // An image alone would have nobody to share with.
  for (const int images : {8, 4, 2}) {
    if (brought_tokens_bytes<T>(images, count) <= most) return images;
  }
  return 0;
}

template <class T>
void launch_codebook(const Call &call, const float *grad_scores, const int32_t *winners, const T *tokens, int64_t images, int64_t count,
    int64_t width, int64_t words, float *grad_codebook, bool add) {
  const int64_t brought = 2 * count * kBroughtBytes<T>;
  if (count >= kLeastBrought && rows_are_aligned(tokens, width) && width % kColumns == 0 &&
      brought <= attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, call.device())) {
    call.launch("brought_codebook_kernel", brought_codebook_kernel<T>,
        grid_of(blocks_of(width, kBroughtColumns) * blocks_of(words, kBroughtWords)), kBroughtThreads, static_cast<size_t>(brought),
        grad_scores, winners, tokens, images, count, width, words, grad_codebook, add);
  } else {
    call.launch("codebook_kernel", codebook_kernel<T>, grid_of(blocks_of(width, kSlice) * blocks_of(words, kRows)), kThreads,
        0, grad_scores, winners, tokens, images, count, width, words, grad_codebook, add);
  }
}

template <class T>
void launch_tokens(const Call &call, int of_block, const float *grad_scores, const int32_t *winners, const T *codebook, int64_t images,
    int64_t count, int64_t width, int64_t words, float *grad_tokens) {
  int32_t *const starts = call.array<int32_t>(0);
  if (of_block > 0) {
    Won *const won = call.array<Won>(1);
    call.launch("rank_kernel", rank_kernel, grid_of(images * blocks_of(words, kStretch)), kStretch, 0, grad_scores, winners,
        images, count, words, kWarps / of_block * kQuads, won, starts);
    call.launch("brought_tokens_kernel", brought_tokens_kernel<T>,
        grid_of(blocks_of(width, kCodeBytes / sizeof(T)) * blocks_of(images, of_block)), kBroughtThreads,
        static_cast<size_t>(brought_tokens_bytes<T>(of_block, count)), won, starts, codebook, images, count, width, words, of_block,
        grad_tokens);
    return;
  }
  int32_t *const listed = call.array<int32_t>(1);
  call.launch("list_kernel", list_kernel, grid_of(images), kSortThreads, 0, winners, images, count, words, starts, listed);
  call.launch("tokens_kernel", tokens_kernel<T>, grid_of(blocks_of(width, kSlice) * blocks_of(images * count, kRows)), kThreads,
      0, grad_scores, starts, listed, codebook, images, count, width, words, grad_tokens);
}

}  // namespace

void filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images, int64_t words, float share,
    int32_t *filtered) {
  const Call call(*exec);
  if (call.only_asked() || images == 0) return;
  call.launch("filter_kernel", filter_kernel, grid_of(images), kThreads, 0, grad_scores, winners, images, words, share, filtered);
}

void project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t add_codebook) {
  with_type(type, [&](auto element) {
    using T = decltype(element);
    const bool with_tokens = grad_tokens != nullptr && images * count > 0 && width > 0;
    require_device(exec->device);
    const int of_block = with_tokens ? images_of_block<T>(exec->device, codebook, count, width, words) : 0;
    // The ends and the entries of the lists of winners.
    const int64_t stretches = blocks_of(words, kStretch), ends = of_block > 0 ? stretches : count + 1;
    const int64_t entries = of_block > 0 ? stretches * kStretch * static_cast<int64_t>(sizeof(Won)) : words * 4;
    const Call call(*exec, {with_tokens ? images * ends * 4 : 0, with_tokens ? images * entries : 0});
    if (call.only_asked()) return;
    if (grad_codebook != nullptr && words > 0 && width > 0) {
      launch_codebook(call, grad_scores, winners, static_cast<const T *>(tokens), images, count, width, words, grad_codebook, add_codebook != 0);
    }
    if (with_tokens) launch_tokens(call, of_block, grad_scores, winners, static_cast<const T *>(codebook), images, count, width, words, grad_tokens);
  });
}

}  // namespace lexvla::cuda
