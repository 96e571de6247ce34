/*
 * index_search. A block of rows at a time, the lists of the query's words are added up; a row whose sum can be among the k
 * best is kept with a lower and an upper bound of its product, and those that are left in the end are computed exactly.
 *
 * The bounds. Let most be a list's largest weight and weight <= impact / largest impact * most, the rounding of index_build.
 * A word of query weight q then adds to a row's product at most q * most / largest * impact, in steps of `unit` at most
 *
 *     factor * impact * unit,   factor = ceil(q * most / largest / unit)
 *
 * so a row's sum times unit is an upper bound of its product. All sums are exact: `unit` is such that the largest that there
 * can be fits 32 bits, and every factor kLargestFactor. Of what a word adds, the rounding of impacts is less than q * most / largest, that of factors less
 * than largest * unit; summed over the words that is how far below the sum the product can be. With impacts in floats the
 * sums are rounded, each to one of 2^24 steps, instead.
 */
#include "../core/index_head.h"
#include "../core/shortlist.h"
#include "index_lists.h"
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** Queries that go through the blocks together: the lists they share are read from memory once. */
constexpr int64_t kQueriesAtOnce = 64;
constexpr int64_t kQueriesPerTask = 16;
/** Bytes of the next lists that are asked for while one is added; of longer ones the machine sees by itself that they go on. */
constexpr int64_t kAhead = 4096;
/** Blocks of a task, one after the other: of a word their lists lie together, in the index and in its directory. */
constexpr int64_t kBlocksPerTask = 4;

/** A factor is two bytes with sign, 256 times the one and the other. */
constexpr int32_t kLargestFactor = 127 * 256 + 127;

/** The matrix that an index was built from, or queries. */
struct Csr {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;

  int64_t size(int64_t row) const { return int64_t{offsets[row + 1]} - offsets[row]; }
};

struct Index {
  const char *memory;
  const IndexHeader *header;
  int64_t blocks;

  const List &list(int32_t word, int64_t block) const {
    return reinterpret_cast<const List *>(memory + sizeof(IndexHeader))[word * blocks + block];
  }
};

/** A word of the query that rows of the block have, and the most that it adds to a product. */
struct Term {
  const List *list;
  double most;
};

/** The memory of one thread. Of the sums, all are 0 between two blocks. */
template <class Impact>
struct Scratch {
  SumOf<Impact> *sums;
  Bounded *found;
  Term *terms;
};

/** The bounds of a product: lower_factor * unit * sum - lower_error and upper_factor * unit * sum. */
struct Scale {
  double unit, lower_factor, lower_error, upper_factor;
};

Scale scale_of(uint8_t, double most, double most_of_term, int64_t terms) {
  const double n = static_cast<double>(terms), largest = kLargestImpact;
  const double by_sum = most / (INT32_MAX - (n + 1) * largest), by_factor = most_of_term / (largest * (kLargestFactor - 1));
  const double unit = by_sum > by_factor ? by_sum : by_factor;
  return {unit, 1, most / largest + n * largest * unit, 1};
}

Scale scale_of(float, double most, double, int64_t terms) {
  const double n = static_cast<double>(terms), error = (n + 4) * 0x1p-23;
  return {most, 1 - error, 4 * n * double{kLeastShare} * most, 1 + error};
}

inline int32_t factor_of(uint8_t, double most, double unit) {
  const double exact = most / (kLargestImpact * unit);
  const int32_t factor = static_cast<int32_t>(exact);
  return factor + (factor < exact);
}

inline float factor_of(float, double most, double unit) {
  const float factor = static_cast<float>(most / unit);
  return factor > kLeastShare ? factor : kLeastShare;
}

/** The least sum, above 0, that is not below a bound. A row that has none of the words has sum 0, any other more. */
inline int32_t least_sum(uint8_t, double bound) {
  const int32_t sum = static_cast<int32_t>(bound);
  return static_cast<int32_t>(larger(1, sum + (sum < bound)));
}

inline float least_sum(float, double bound) {
  const float sum = static_cast<float>(bound) * (1 - 0x1p-23f);
  return sum > 0x1p-126f ? sum : 0x1p-126f;
}

/** Asks for the beginning of a list. */
inline void prefetch(const void *begin, int64_t bytes) {
  for (int64_t at = 0; at < smaller(bytes, kAhead); at += 64) __builtin_prefetch(static_cast<const char *>(begin) + at, 0, 2);
}

/** Adds the lists of the terms to the sums of a block. */
template <class Impact>
void add(const Index &index, int64_t rows, const Term *terms, int64_t n, double unit, SumOf<Impact> *sums, lexvla_index_work *work) {
  alignas(64) static constexpr uint64_t kNone[kBlockRows / 64] = {};
  BitsList<Impact> together[kBitsTogether];
  int waiting = 0;
  int64_t asked = 0, asked_bytes = 0;  // lists that have been asked for, and how many bytes of them are still to come
  for (int64_t i = 0; i < n; ++i) {
    const List &list = *terms[i].list;
    const int64_t bytes = list_bytes(list.count, rows, index.header->impacts);
    for (; asked < n && (asked <= i || asked_bytes < kAhead); ++asked) {
      const List &next = *terms[asked].list;
      const int64_t next_bytes = list_bytes(next.count, rows, index.header->impacts);
      prefetch(index.memory + next.begin, next_bytes);
      asked_bytes += next_bytes;
    }
    asked_bytes -= bytes;
    const char *const begin = index.memory + list.begin;
    const Impact *const impacts = reinterpret_cast<const Impact *>(begin + rows_bytes(list.count, rows));
    const SumOf<Impact> factor = factor_of(Impact{}, terms[i].most, unit);
    if (is_bits(list.count, rows)) {
      together[waiting++] = {reinterpret_cast<const uint64_t *>(begin), impacts, factor};
      if (waiting == kBitsTogether) {
        add_bits_together(sums, together, blocks_of(rows, 64));
        waiting = 0;
      }
    } else {
      add_ids(sums, reinterpret_cast<const uint16_t *>(begin), impacts, list.count, factor);
    }
    work->postings += list.count;
    work->bytes += bytes;
  }
  if (waiting > 0) {
    for (; waiting < kBitsTogether; ++waiting) together[waiting] = {kNone, together[0].impacts, 0};
    add_bits_together(sums, together, blocks_of(rows, 64));
  }
}

/** Rows of which collect knows the largest sum first. */
constexpr int64_t kStretch = 64;
constexpr int64_t kStretches = kBlockRows / kStretch;

/** The bounds of a row's product. */
template <class Sum>
Bounded bounded(const Scale &scale, Sum sum, int64_t row) {
  const double product = scale.unit * static_cast<double>(sum), lower = scale.lower_factor * product - scale.lower_error;
  return {lower > 0 ? lower : 0, scale.upper_factor * product, static_cast<int32_t>(row)};
}

/**
 * The rows of a block whose products can reach the floor, with their bounds; sets the sums to 0. Returns how many there are.
 *
 * The floor is first raised by the largest sums of stretches of rows: where k of these are high, k rows are.
 */
template <class Impact>
int64_t collect(SumOf<Impact> *sums, int64_t rows, const Scale &scale, int64_t first_row, int64_t k, double floor, Bounded *found) {
  using V = typename SumTypes<Impact>::Vector;
  // What the division loses is far less than what the floor allows for.
  const auto least_of = [&](double bound) { return least_sum(Impact{}, bound / (scale.upper_factor * scale.unit)); };
  SumOf<Impact> least = least_of(floor), largest[kStretches];
  const int64_t stretches = blocks_of(rows, kStretch);
  int64_t high = 0;
  for (int64_t s = 0; s < stretches; ++s) {
    V most = load(sums + s * kStretch);
    for (int64_t i = kLanes; i < kStretch; i += kLanes) {
      const V x = load(sums + s * kStretch + i);
      most = x > most ? x : most;
    }
    largest[s] = 0;  // below the least: the exact one does not matter
    if (!any(most >= least)) continue;
    for (int i = 0; i < kLanes; ++i) largest[s] = most[i] > largest[s] ? most[i] : largest[s];
    ++high;
  }
  if (high >= k) {
    double lowers[kStretches];
    for (int64_t s = 0; s < stretches; ++s) lowers[s] = bounded(scale, largest[s], 0).lower;
    const double higher = floor_of(lowers, stretches, k);
    if (higher > floor) least = least_of(higher);
  }
  int64_t n = 0;
  for (int64_t s = 0; s < stretches; ++s, sums += kStretch) {
    for (int64_t i = 0; largest[s] >= least && i < kStretch; ++i) {
      if (sums[i] >= least) found[n++] = bounded(scale, sums[i], first_row + s * kStretch + i);
    }
    for (int64_t i = 0; i < kStretch; ++i) sums[i] = 0;
  }
  return n;
}

/** Puts the rows of a block that can be among the k best of a query on its shortlist. */
template <class Impact>
void look_through(const Index &index, int64_t block, const Csr &queries, int64_t query, int slot, const Scratch<Impact> &scratch,
    Shortlists &shortlists, lexvla_index_work *work) {
  double most = 0, most_of_term = 0;
  int64_t terms = 0;
  for (int64_t e = queries.offsets[query]; e < queries.offsets[query + 1]; ++e) {
    const List &list = index.list(queries.ids[e], block);
    const double term = double{queries.weights[e]} * list.most;
    scratch.terms[terms] = {&list, term};
    terms += term > 0;
    most += term;
    most_of_term = term > most_of_term ? term : most_of_term;
  }
  work->bytes += queries.size(query) * static_cast<int64_t>(sizeof(List));
  const double floor = shortlists.floor(slot, query);
  if (terms == 0 || most < floor) {
    ++work->skipped;
    return;
  }
  const int64_t rows = rows_of_block(block, index.header->rows);
  const Scale scale = scale_of(Impact{}, most, most_of_term, terms);
  add<Impact>(index, rows, scratch.terms, terms, scale.unit, scratch.sums, work);
  const int64_t found = collect<Impact>(scratch.sums, rows, scale, block * kBlockRows, shortlists.k(), floor, scratch.found);
  shortlists.add(slot, query, scratch.found, found);
}

/** Every query through every block. */
template <class Impact>
void look_through_all(int threads, const Index &index, const Csr &queries, int64_t count, Shortlists &shortlists, lexvla_index_work *work) {
  int64_t longest = 0;
  for (int64_t q = 0; q < count; ++q) longest = larger(longest, queries.size(q));
  const int64_t sums_bytes = kBlockRows * 4, found_bytes = kBlockRows * static_cast<int64_t>(sizeof(Bounded));
  const int64_t slot_bytes = sums_bytes + found_bytes + blocks_of((longest + 1) * static_cast<int64_t>(sizeof(Term)), 64) * 64;
  const Buffer memory(threads * slot_bytes), works(threads * static_cast<int64_t>(sizeof(lexvla_index_work)));
  lexvla_index_work *const work_of = static_cast<lexvla_index_work *>(works.data());
  for (int slot = 0; slot < threads; ++slot) {
    work_of[slot] = {};
    __builtin_memset(static_cast<char *>(memory.data()) + slot * slot_bytes, 0, sums_bytes);
  }
  const int64_t parts = blocks_of(count, kQueriesPerTask);
  parallel(threads, blocks_of(index.blocks, kBlocksPerTask) * parts, [&](int slot, int64_t task) {
    char *const own = static_cast<char *>(memory.data()) + slot * slot_bytes;
    const Scratch<Impact> scratch{reinterpret_cast<SumOf<Impact> *>(own), reinterpret_cast<Bounded *>(own + sums_bytes),
        reinterpret_cast<Term *>(own + sums_bytes + found_bytes)};
    lexvla_index_work done = {};
    const int64_t first = task % parts * kQueriesPerTask;
    const int64_t first_block = task / parts * kBlocksPerTask;
    for (int64_t block = first_block; block < smaller(first_block + kBlocksPerTask, index.blocks); ++block) {
      for (int64_t q = first; q < smaller(first + kQueriesPerTask, count); ++q) {
        look_through(index, block, queries, q, slot, scratch, shortlists, &done);
      }
    }
    work_of[slot].postings += done.postings;
    work_of[slot].bytes += done.bytes;
    work_of[slot].skipped += done.skipped;
  });
  for (int slot = 0; slot < threads; ++slot) {
    work->postings += work_of[slot].postings;
    work->bytes += work_of[slot].bytes;
    work->skipped += work_of[slot].skipped;
  }
}

/** A product as the reference sums it: of two floats it is exact in double, and the words are in their order. */
float exact_product(const float *query, const int32_t *ids, const float *weights, int64_t size) {
  double sum = 0;
  for (int64_t e = 0; e < size; ++e) {
    sum += double{query[ids[e]]} * double{weights[e]};  // a word that the query has not adds 0, which changes nothing
  }
  return static_cast<float>(sum);
}

/**
 * The hits of a query: the rows on its shortlist are computed, the most promising first, until those that are left cannot
 * be among the k best. `weights` has a 0 for every word. Returns how many were computed.
 */
int64_t rank(const Csr &matrix, const Csr &queries, int64_t query, const Bounded *rows, int64_t n, int64_t k, float *weights,
    int32_t *hit_rows, float *hit_scores, int64_t *hits) {
  const int64_t begin = queries.offsets[query], end = queries.offsets[query + 1];
  for (int64_t e = begin; e < end; ++e) weights[queries.ids[e]] = queries.weights[e];
  Best best(k);
  int64_t done = 0;
  for (; done < n && rows[done].upper >= best.floor(); ++done) {
    if (done + 1 < n) {
      const int64_t next = matrix.offsets[rows[done + 1].row], size = matrix.size(rows[done + 1].row);
      prefetch(matrix.ids + next, size * 4);
      prefetch(matrix.weights + next, size * 4);
    }
    const int64_t first = matrix.offsets[rows[done].row];
    best.add(rows[done].row, exact_product(weights, matrix.ids + first, matrix.weights + first, matrix.size(rows[done].row)));
  }
  *hits = best.write(hit_rows, hit_scores);
  for (int64_t e = begin; e < end; ++e) weights[queries.ids[e]] = 0;
  return done;
}

/** The hits of some queries. `dense` has [threads, words] zeros. */
void search(int threads, const Index &index, const Csr &matrix, const Csr &queries, int64_t count, int64_t k, float *dense,
    int32_t *hit_rows, float *hit_scores, int64_t *hits, lexvla_index_work *work) {
  Shortlists shortlists(threads, count, k);
  if (index.header->impacts == LEXVLA_IMPACTS_8BIT) {
    look_through_all<uint8_t>(threads, index, queries, count, shortlists, work);
  } else {
    look_through_all<float>(threads, index, queries, count, shortlists, work);
  }
  const Buffer computed(count * 8);
  int64_t *const rows = static_cast<int64_t *>(computed.data());
  parallel(static_cast<int>(smaller(threads, count)), count, [&](int slot, int64_t q) {
    const int64_t n = shortlists.settle(q);
    rows[q] = rank(matrix, queries, q, shortlists.rows(q), n, k, dense + slot * index.header->words, hit_rows + q * k, hit_scores + q * k,
        hits + q);
  });
  for (int64_t q = 0; q < count; ++q) work->rows += rows[q];
}

}  // namespace

void index_search(const lexvla_exec *exec, const void *memory, int64_t bytes, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids,
    const float *query_weights, int64_t queries, int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits,
    lexvla_index_work *work) {
  const IndexHeader &header = index_head(memory, bytes, {offsets, ids, weights, rows, words});
  const Index index{static_cast<const char *>(memory), &header, index_blocks(rows)};
  lexvla_index_work done = {};
  for (int64_t q = 0; q < queries; ++q) hits[q] = 0;
  if (queries > 0 && k > 0) {
    const double products = static_cast<double>(index.header->entries) / static_cast<double>(larger(words, 1)) *
                            (static_cast<double>(query_offsets[queries]) - static_cast<double>(query_offsets[0]));
    const int threads = job_threads(*exec, blocks_of(index.blocks, kBlocksPerTask) * blocks_of(queries, kQueriesPerTask), 2 * products);
    const Buffer dense(threads * larger(words, 1) * 4);
    __builtin_memset(dense.data(), 0, threads * words * 4);
    for (int64_t first = 0; first < queries; first += kQueriesAtOnce) {
      search(threads, index, {offsets, ids, weights}, {query_offsets + first, query_ids, query_weights},
          smaller(kQueriesAtOnce, queries - first), k, static_cast<float *>(dense.data()), hit_rows + first * k, hit_scores + first * k,
          hits + first, &done);
    }
  }
  for (int64_t q = 0; q < queries; ++q) {
    for (int64_t i = hits[q]; i < k; ++i) {
      hit_rows[q * k + i] = -1;
      hit_scores[q * k + i] = 0;
    }
  }
  if (work != nullptr) *work = done;
}

}  // namespace lexvla::LEXVLA_ISA
