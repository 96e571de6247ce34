/*
 * project_max_backward without atomics: every element of a gradient has one owner, which sums in the order that the
 * interface names.
 *
 *   grad_codebook  a thread owns a word and eight columns, and walks over the images; or, where an image's tokens are many and
 *                  fit, eight words and eight columns, and a block brings 32 columns of an image's tokens into shared memory
 *                  for its 1024 words: device memory and L2 are then read once for 1024 winners, not once for each
 *   grad_tokens    the words of an image are first listed by the token that won them, ascending; a thread then owns a token
 *                  and eight columns, and walks over the token's list
 *
 * The same sums in the same order, so the same bits. What is not brought along is gathered from whole rows of the other
 * operand, kSlice columns at a time, the slices being the slowest index of the grid:
 * a slice of the codebook (18 MB of the paper's in bfloat16) then stays in L2 while all images gather from it.
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

/** Eight floats at a multiple of 16 bytes. */
__device__ inline void load_columns(const float *row, float (&x)[kColumns]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float4 four = reinterpret_cast<const float4 *>(row)[i];
    x[4 * i] = four.x, x[4 * i + 1] = four.y, x[4 * i + 2] = four.z, x[4 * i + 3] = four.w;
  }
}

/** Eight bfloat16 at a multiple of 16 bytes; the first of a pair is the lower half. */
__device__ inline void load_columns(const Bf16 *row, float (&x)[kColumns]) {
  const uint4 pairs = *reinterpret_cast<const uint4 *>(row);
  const uint32_t words[] = {pairs.x, pairs.y, pairs.z, pairs.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = __uint_as_float(words[i] << 16);
    x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
}

/** Eight binary16 at a multiple of 16 bytes. */
__device__ inline void load_columns(const Half *row, float (&x)[kColumns]) {
  const uint4 pairs = *reinterpret_cast<const uint4 *>(row);
  const uint32_t words[] = {pairs.x, pairs.y, pairs.z, pairs.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = value(Half{static_cast<uint16_t>(words[i])});
    x[2 * i + 1] = value(Half{static_cast<uint16_t>(words[i] >> 16)});
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

template <class T>
void launch(const Call &call, const float *grad_scores, const int32_t *winners, const void *tokens, const void *codebook, int64_t images,
    int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook, bool add) {
  const int64_t slices = blocks_of(width, kSlice);
  const int64_t brought = 2 * count * kBroughtBytes<T>;
  const bool bring = count >= kLeastBrought && rows_are_aligned(static_cast<const T *>(tokens), width) && width % kColumns == 0 &&
                     brought <= attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, call.device());
  if (grad_codebook != nullptr && words > 0 && width > 0 && bring) {
    call.launch("project_max_backward, codebook", brought_codebook_kernel<T>,
        grid_of(blocks_of(width, kBroughtColumns) * blocks_of(words, kBroughtWords)), kBroughtThreads, static_cast<size_t>(brought),
        grad_scores, winners, static_cast<const T *>(tokens), images, count, width, words, grad_codebook, add);
  } else if (grad_codebook != nullptr && words > 0 && width > 0) {
    call.launch("project_max_backward, codebook", codebook_kernel<T>, grid_of(slices * blocks_of(words, kRows)), kThreads, 0, grad_scores,
        winners, static_cast<const T *>(tokens), images, count, width, words, grad_codebook, add);
  }
  if (grad_tokens == nullptr || images * count == 0 || width == 0) return;
  int32_t *const starts = call.array<int32_t>(0), *const listed = call.array<int32_t>(1);
  call.launch("project_max_backward, lists", list_kernel, grid_of(images), kSortThreads, 0, winners, images, count, words, starts, listed);
  call.launch("project_max_backward, tokens", tokens_kernel<T>, grid_of(slices * blocks_of(images * count, kRows)), kThreads, 0,
      grad_scores, starts, listed, static_cast<const T *>(codebook), images, count, width, words, grad_tokens);
}

}  // namespace

void filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images, int64_t words, float share,
    int32_t *filtered) {
  const Call call(*exec);
  if (call.only_asked() || images == 0) return;
  call.launch("filter_winners", filter_kernel, grid_of(images), kThreads, 0, grad_scores, winners, images, words, share, filtered);
}

void project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t add_codebook) {
  const bool lists = grad_tokens != nullptr;
  const Call call(*exec, {lists ? images * (count + 1) * 4 : 0, lists ? images * words * 4 : 0});
  if (call.only_asked()) return;
  with_type(type, [&](auto element) {
    launch<decltype(element)>(call, grad_scores, winners, tokens, codebook, images, count, width, words, grad_tokens, grad_codebook,
        add_codebook != 0);
  });
}

}  // namespace lexvla::cuda
