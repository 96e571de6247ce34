/*
 * index_size and index_build. Blocks of rows are independent: each is counted, the sizes are summed, each is written.
 */
#include "../core/index_layout.h"
#include "../core/pages.h"
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

struct Rows {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;
  int64_t rows, words;

  int64_t blocks() const { return index_blocks(rows); }
  int64_t entries() const { return rows == 0 ? 0 : int64_t{offsets[rows]} - offsets[0]; }
  int threads(const lexvla_exec &exec) const { return job_threads(exec, blocks(), 4.0 * static_cast<double>(entries())); }

  /** Counts every word of a block and finds its largest weight; returns the bytes of the block's lists. */
  int64_t survey(int64_t block, int32_t impacts, List *lists) const {
    const int64_t first = block * kBlockRows, count = rows_of_block(block, rows);
    for (int64_t v = 0; v < words; ++v) lists[v] = {};
    for (int64_t e = offsets[first]; e < offsets[first + count]; ++e) {
      List &list = lists[ids[e]];
      ++list.count;
      list.most = list.most < weights[e] ? weights[e] : list.most;
    }
    int64_t bytes = 0;
    for (int64_t v = 0; v < words; ++v) bytes += list_bytes(lists[v].count, count, impacts);
    return bytes;
  }
};

/** The impact of a weight, of which `most` is the largest of its list: rounded up, so never 0 unless the weight is. */
inline void put(uint8_t *impact, float weight, float most) {
  if (most == 0) {
    *impact = 0;
    return;
  }
  const double exact = weight * (kLargestImpact / double{most});
  int32_t share = static_cast<int32_t>(exact);
  share += share < exact;
  *impact = static_cast<uint8_t>(share < kLargestImpact ? share : kLargestImpact);
}

inline void put(float *impact, float weight, float most) {
  // The quotient is rounded to nearest; one unit more is not below the truth.
  const float share = most == 0 ? 0 : static_cast<float>(double{weight} / most) * (1 + 0x1p-23f);
  *impact = weight == 0 ? 0 : share > kLeastShare ? share : kLeastShare;
}

/** Writes the lists of a block, whose begin, count and most are known, to `index`. */
template <class Impact>
void fill(const Rows &matrix, int64_t block, const List *lists, uint32_t *written, char *index) {
  const int64_t first = block * kBlockRows, count = rows_of_block(block, matrix.rows);
  for (int64_t v = 0; v < matrix.words; ++v) written[v] = 0;
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t e = matrix.offsets[first + row]; e < matrix.offsets[first + row + 1]; ++e) {
      const List &list = lists[matrix.ids[e]];
      const uint32_t at = written[matrix.ids[e]]++;
      char *const begin = index + list.begin;
      if (is_bits(list.count, count)) {
        reinterpret_cast<uint64_t *>(begin)[row / 64] |= uint64_t{1} << (row % 64);
      } else {
        reinterpret_cast<uint16_t *>(begin)[at] = static_cast<uint16_t>(row);
      }
      put(reinterpret_cast<Impact *>(begin + rows_bytes(list.count, count)) + at, matrix.weights[e], list.most);
    }
  }
}

/** Turns the sizes of blocks into where each begins, the first at `begin`; returns the end of the last. */
int64_t lay_out(int64_t *sizes, int64_t blocks, int64_t begin) {
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t size = sizes[block];
    sizes[block] = begin;
    begin += size;
  }
  return begin;
}

}  // namespace

void index_size(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t *bytes) {
  const Rows matrix{offsets, ids, weights, rows, words};
  const int64_t blocks = matrix.blocks();
  const int threads = matrix.threads(*exec);
  const Buffer lists(threads * larger(words, 1) * static_cast<int64_t>(sizeof(List))), sizes(larger(blocks, 1) * 8);
  int64_t *const size_of = static_cast<int64_t *>(sizes.data());
  parallel(threads, blocks, [&](int slot, int64_t block) {
    size_of[block] = matrix.survey(block, impacts, static_cast<List *>(lists.data()) + slot * words);
  });
  *bytes = lay_out(size_of, blocks, directory_bytes(rows, words)) + kIndexPadding;
}

void index_build(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t bytes, void *memory) {
  const Rows matrix{offsets, ids, weights, rows, words};
  const int64_t blocks = matrix.blocks(), directory = directory_bytes(rows, words);
  const int threads = matrix.threads(*exec);
  if (bytes < directory + kIndexPadding) {
    fail(LEXVLA_CAPACITY, "the index has %lld bytes, needs more than %lld: ask index_size", static_cast<long long>(bytes),
        static_cast<long long>(directory + kIndexPadding));
  }
  // A query reads a short list here and there: with small pages it would wait for their addresses too.
  prefer_large_pages(memory, bytes);
  char *const index = static_cast<char *>(memory);
  List *const lists = reinterpret_cast<List *>(index + sizeof(IndexHeader));
  const Buffer begins((blocks + 1) * 8), written(threads * larger(words, 1) * 4);
  int64_t *const begin_of = static_cast<int64_t *>(begins.data());
  parallel(threads, blocks, [&](int, int64_t block) { begin_of[block] = matrix.survey(block, impacts, lists + block * words); });
  begin_of[blocks] = lay_out(begin_of, blocks, directory);
  const int64_t needed = begin_of[blocks] + kIndexPadding;
  if (bytes < needed) {
    fail(LEXVLA_CAPACITY, "the index has %lld bytes, needs %lld: ask index_size", static_cast<long long>(bytes),
        static_cast<long long>(needed));
  }
  *reinterpret_cast<IndexHeader *>(index) = {kIndexMagic, kIndexVersion, impacts, rows, words, matrix.entries(), needed, {}};
  __builtin_memset(index + begin_of[blocks], 0, kIndexPadding);
  parallel(threads, blocks, [&](int slot, int64_t block) {
    __builtin_memset(index + begin_of[block], 0, begin_of[block + 1] - begin_of[block]);
    uint64_t begin = static_cast<uint64_t>(begin_of[block]);
    List *const own = lists + block * words;
    for (int64_t v = 0; v < words; ++v) {
      own[v].begin = begin;
      begin += static_cast<uint64_t>(list_bytes(own[v].count, rows_of_block(block, rows), impacts));
    }
    uint32_t *const cursors = static_cast<uint32_t *>(written.data()) + slot * words;
    if (impacts == LEXVLA_IMPACTS_8BIT) {
      fill<uint8_t>(matrix, block, own, cursors, index);
    } else {
      fill<float>(matrix, block, own, cursors, index);
    }
  });
}

}  // namespace lexvla::LEXVLA_ISA
