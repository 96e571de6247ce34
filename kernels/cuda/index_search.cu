/*
 * index_search without an index: what a GPU is good at is to read the whole matrix, once for up to 256 queries.
 *
 * The queries are inverted instead: for every word the list of queries that have it. A warp takes a row of the matrix word by
 * word, ascending, and adds each word's product to the sums of its list's queries, a lane a query; so a sum is in the order,
 * and in the double, of the reference, and rounded once. What is multiplied are the products that there are, as with an
 * inverted index; what is read is the matrix in order. Scores of all rows are kept until the hits are chosen: hits.cu.
 *
 * With 6 % of the words in a row and 40 in a query, that is 2.5 products a row and query against 1081 words read for all
 * queries together; with 1081 in both, 68.
 */
#include "hits.h"
#include "launchers.h"

namespace lexvla::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32, kScanThreads = 1024;
constexpr int kMostQueries = 256;  // of a pass
constexpr int kRowsTogether = 16;  // of a block, so that scores are written 64 bytes at a time
constexpr int64_t kMostListed = int64_t{1} << 23;

/** One query of a word's list. */
struct Listed {
  int32_t query;
  float weight;
};

/** The queries of a pass, and what is made of them. */
struct Queries {
  const int32_t *offsets, *ids;
  const float *weights;
  int64_t count, words;
  int32_t *starts;  // [words + 1], of the lists
  int32_t *filled;  // [words]
  Listed *lists;
  int64_t capacity;  // of lists
};

struct Matrix {
  const int32_t *offsets, *ids;
  const float *weights;
  int64_t rows;
};

/** Counts the queries of each word, to starts[word + 1]. */
__global__ void __launch_bounds__(kThreads) count_kernel(Queries q) {
  for (int64_t i = blockIdx.x; i < q.count; i += gridDim.x) {
    for (int64_t e = q.offsets[i] + static_cast<int64_t>(threadIdx.x); e < q.offsets[i + 1]; e += kThreads) {
      const int32_t word = q.ids[e];
      if (word >= 0 && word < q.words) atomicAdd(q.starts + word + 1, 1);
    }
  }
}

__global__ void __launch_bounds__(kScanThreads) scan_kernel(Queries q) { make_offsets<kScanThreads>(q.words, q.starts); }

/** Fills the lists. The order within a list is any: each of its queries has a sum of its own. */
__global__ void __launch_bounds__(kThreads) fill_kernel(Queries q) {
  for (int64_t i = blockIdx.x; i < q.count; i += gridDim.x) {
    for (int64_t e = q.offsets[i] + static_cast<int64_t>(threadIdx.x); e < q.offsets[i + 1]; e += kThreads) {
      const int32_t word = q.ids[e];
      if (word < 0 || word >= q.words) continue;
      const int64_t at = int64_t{q.starts[word]} + atomicAdd(q.filled + word, 1);
      if (at < q.capacity) q.lists[at] = {static_cast<int32_t>(i), q.weights[e]};
    }
  }
}

/** scores[query, row] of all rows; *work is added to unless it is NULL. */
__global__ void __launch_bounds__(kThreads) scan_rows_kernel(Matrix m, Queries q, float *scores, lexvla_index_work *work) {
  __shared__ double sums_of[kWarps][kMostQueries];
  __shared__ float together[kMostQueries][kRowsTogether + 1];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  double *const sums = sums_of[warp];
  unsigned long long products = 0;
  for (int64_t first = int64_t{blockIdx.x} * kRowsTogether; first < m.rows; first += int64_t{gridDim.x} * kRowsTogether) {
    for (int r = warp; r < kRowsTogether && first + r < m.rows; r += kWarps) {
      for (int i = lane; i < q.count; i += 32) sums[i] = 0;
      __syncwarp();
      const int64_t begin = m.offsets[first + r], end = m.offsets[first + r + 1];
      for (int64_t e = begin; e < end; e += 32) {
        const int32_t word = e + lane < end ? m.ids[e + lane] : -1;
        float weight = 0;
        int start = 0, size = 0;
        if (word >= 0 && word < q.words) {
          start = q.starts[word];
          size = static_cast<int>(smaller(q.starts[word + 1], q.capacity)) - start;
          weight = m.weights[e + lane];
        }
        unsigned left = __ballot_sync(0xffffffffu, size > 0);
        while (left != 0) {
          const int from = __ffs(static_cast<int>(left)) - 1;
          left &= left - 1;
          const int list = __shfl_sync(0xffffffffu, start, from), listed = __shfl_sync(0xffffffffu, size, from);
          const double x = __shfl_sync(0xffffffffu, weight, from);
          for (int i = lane; i < listed; i += 32) {
            const Listed other = q.lists[list + i];
            sums[other.query] += x * static_cast<double>(other.weight);  // a product of two floats is exact
          }
          __syncwarp();  // the next word may have the same query at another lane
          products += static_cast<unsigned long long>(listed);
        }
      }
      for (int i = lane; i < q.count; i += 32) together[i][r] = static_cast<float>(sums[i]);
      __syncwarp();  // all sums have been read
    }
    __syncthreads();
    for (int i = threadIdx.x; i < q.count * kRowsTogether; i += kThreads) {
      const int64_t row = first + i % kRowsTogether;
      if (row < m.rows) scores[i / kRowsTogether * m.rows + row] = together[i / kRowsTogether][i % kRowsTogether];
    }
    __syncthreads();
  }
  if (work != nullptr && lane == 0 && products > 0) atomicAdd(reinterpret_cast<unsigned long long *>(&work->postings), products);
  if (work != nullptr && blockIdx.x == 0 && threadIdx.x == 0) {
    atomicAdd(reinterpret_cast<unsigned long long *>(&work->bytes), static_cast<unsigned long long>(m.offsets[m.rows] - m.offsets[0]) * 8);
    atomicAdd(reinterpret_cast<unsigned long long *>(&work->rows), static_cast<unsigned long long>(m.rows));
  }
}

/** Queries of a pass: as many as their lists have room for, were they dense. */
int64_t queries_of_pass(int64_t queries, int64_t words) {
  const int64_t fit = words > 0 ? kMostListed / words : kMostQueries;
  return smaller(queries, smaller(kMostQueries, fit < 1 ? 1 : fit));
}

}  // namespace

void index_size(const lexvla_exec *exec, int32_t, const int32_t *, const int32_t *, const float *, int64_t, int64_t, int64_t *bytes) {
  const Call call(*exec);
  if (!call.only_asked()) require(cudaMemsetAsync(bytes, 0, sizeof *bytes, call.stream()), "cudaMemsetAsync");
}

void index_build(const lexvla_exec *exec, int32_t, const int32_t *, const int32_t *, const float *, int64_t, int64_t, int64_t, void *) {
  const Call call(*exec);
}

void index_check(
    const lexvla_exec *exec, const void *, int64_t, const int32_t *, const int32_t *, const float *, int64_t, int64_t) {
  const Call call(*exec);
}

void index_search(const lexvla_exec *exec, const void *, int64_t, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids, const float *query_weights, int64_t queries,
    int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits, lexvla_index_work *work) {
  const int64_t pass = queries_of_pass(queries, words);
  const Call call(*exec, {(words + 1) * 4, words * 4, pass * words * static_cast<int64_t>(sizeof(Listed)), pass * rows * 4,
      pass * keys_for(rows, k) * 8});
  if (call.only_asked()) return;
  if (work != nullptr) require(cudaMemsetAsync(work, 0, sizeof *work, call.stream()), "cudaMemsetAsync");
  float *const scores = call.array<float>(3);
  for (int64_t first = 0; first < queries; first += pass) {
    Queries q{query_offsets + first, query_ids, query_weights, smaller(pass, queries - first), words, call.array<int32_t>(0),
        call.array<int32_t>(1), call.array<Listed>(2), pass * words};
    require(cudaMemsetAsync(q.starts, 0, static_cast<size_t>(words + 1) * 4, call.stream()), "cudaMemsetAsync");
    require(cudaMemsetAsync(q.filled, 0, static_cast<size_t>(words) * 4, call.stream()), "cudaMemsetAsync");
    call.launch("count_kernel", count_kernel, grid_of(q.count), kThreads, 0, q);
    call.launch("scan_kernel", scan_kernel, dim3(1), kScanThreads, 0, q);
    call.launch("fill_kernel", fill_kernel, grid_of(q.count), kThreads, 0, q);
    if (rows > 0) {
      call.launch("scan_rows_kernel", scan_rows_kernel, grid_of(blocks_of(rows, kRowsTogether)), kThreads, 0,
          Matrix{offsets, ids, weights, rows}, q, scores, work);
    }
    choose_hits(call, scores, q.count, rows, k, call.array<uint64_t>(4), hit_rows + first * k, hit_scores + first * k, hits + first);
  }
}

}  // namespace lexvla::cuda
