/*
 * An inverted index in memory: what index_build writes and index_search reads.
 *
 *     IndexHeader
 *     List[words][blocks]     where the postings of a word in a block of kBlockRows rows are
 *     postings                word after word, in each block after block, every list at a multiple of 8, without gaps
 *     kIndexPadding bytes     so that the last postings may be read a vector at a time
 *
 * A query reads a few words, each from its beginning to its end: what it needs of the directory and of the postings lies
 * together.
 *
 * A list names the rows that have its word, relative to the block, in the shorter and faster of two ways: 16 bits for each,
 * ascending, or one bit for every row of the block. After the rows come their impacts, in the same order: what share of the
 * list's largest weight the row has, rounded up, so that a sum of impacts is never below the sum of weights.
 */
#ifndef LEXVLA_CORE_INDEX_LAYOUT_H
#define LEXVLA_CORE_INDEX_LAYOUT_H

#include <lexvla/kernels.h>

namespace lexvla {

/** Their sums are 32 KB: they stay in L1 while the postings stream past. */
constexpr int64_t kBlockRows = 8192;
constexpr int64_t kIndexPadding = 64;

/** A word costs a List in every block, whether rows have it or not. */
constexpr int64_t kIndexWords = int64_t{1} << 22;

/** A list is bits where at least one row in so many has the word. */
constexpr int64_t kBitsFrom = 10;

/** The largest impact of 8 bits; with floats it is 1. */
constexpr int32_t kLargestImpact = 255;

/** The least impact in floats of a weight that is not 0, so that no product of it underflows. */
constexpr float kLeastShare = 0x1p-60f;

struct IndexHeader {
  uint64_t magic;
  int32_t version;
  int32_t impacts;
  int64_t rows, words, entries;
  /** Of the whole index. */
  int64_t bytes;
  /** Of the matrix it was built from: matrix_digest. */
  uint64_t matrix;
  /** Of all its other bytes: index_checksum. */
  uint64_t checksum;
};

constexpr uint64_t kIndexMagic = 0x5845444e49564c4cu;  // "LLVINDEX" where numbers begin with their low byte
constexpr int32_t kIndexVersion = 2;

struct List {
  /** Byte of the index at which it begins. */
  uint64_t begin;
  uint32_t count;
  /** The largest weight. */
  float most;
};

static inline int64_t index_blocks(int64_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }

/** Rows of a block; the last may have fewer. */
static inline int64_t rows_of_block(int64_t block, int64_t rows) {
  const int64_t left = rows - block * kBlockRows;
  return left < kBlockRows ? left : kBlockRows;
}

static inline bool is_bits(int64_t count, int64_t block_rows) { return count * kBitsFrom >= block_rows; }

static inline int64_t impact_bytes(int32_t impacts) { return impacts == LEXVLA_IMPACTS_8BIT ? 1 : 4; }

/** Bytes from the beginning of a list to its impacts. */
static inline int64_t rows_bytes(int64_t count, int64_t block_rows) {
  return is_bits(count, block_rows) ? (block_rows + 63) / 64 * 8 : (count + 1) / 2 * 4;
}

static inline int64_t list_bytes(int64_t count, int64_t block_rows, int32_t impacts) {
  return count == 0 ? 0 : (rows_bytes(count, block_rows) + count * impact_bytes(impacts) + 7) / 8 * 8;
}

/** Bytes before the postings. */
static inline int64_t directory_bytes(int64_t rows, int64_t words) {
  return static_cast<int64_t>(sizeof(IndexHeader)) + index_blocks(rows) * words * static_cast<int64_t>(sizeof(List));
}

}  // namespace lexvla

#endif
