/*
 * index_size and index_build. Blocks of rows are independent: each is counted, the sizes are summed, each is written.
 */
#include "../core/index_head.h"
#include "../core/pages.h"
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** As for a multiply-add each, roughly, what an entry costs. */
int threads_for(const lexvla_exec &exec, const IndexedMatrix &matrix) {
  return job_threads(exec, matrix.blocks(), 4.0 * static_cast<double>(matrix.entries()));
}

/** Counts every word of a block and finds its largest weight; returns the bytes of the block's lists. */
int64_t survey(const IndexedMatrix &matrix, int64_t block, int32_t impacts, List *lists) {
  const int64_t first = block * kBlockRows, rows = rows_of_block(block, matrix.rows);
  for (int64_t v = 0; v < matrix.words; ++v) lists[v] = {};
  for (int64_t e = matrix.offsets[first]; e < matrix.offsets[first + rows]; ++e) {
    List &list = lists[matrix.ids[e]];
    ++list.count;
    list.most = list.most < matrix.weights[e] ? matrix.weights[e] : list.most;
  }
  int64_t bytes = 0;
  for (int64_t v = 0; v < matrix.words; ++v) bytes += list_bytes(lists[v].count, rows, impacts);
  return bytes;
}

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
void fill(const IndexedMatrix &matrix, int64_t block, int32_t impacts, const List *lists, uint32_t *written, char *index) {
  const int64_t first = block * kBlockRows, rows = rows_of_block(block, matrix.rows);
  for (int64_t v = 0; v < matrix.words; ++v) {
    written[v] = 0;
    __builtin_memset(index + lists[v].begin, 0, list_bytes(lists[v].count, rows, impacts));
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t e = matrix.offsets[first + row]; e < matrix.offsets[first + row + 1]; ++e) {
      const List &list = lists[matrix.ids[e]];
      const uint32_t at = written[matrix.ids[e]]++;
      char *const begin = index + list.begin;
      if (is_bits(list.count, rows)) {
        reinterpret_cast<uint64_t *>(begin)[row / 64] |= uint64_t{1} << (row % 64);
      } else {
        reinterpret_cast<uint16_t *>(begin)[at] = static_cast<uint16_t>(row);
      }
      put(reinterpret_cast<Impact *>(begin + rows_bytes(list.count, rows)) + at, matrix.weights[e], list.most);
    }
  }
}

}  // namespace

void index_size(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t *bytes) {
  const IndexedMatrix matrix{offsets, ids, weights, rows, words};
  const int64_t blocks = matrix.blocks();
  const int threads = threads_for(*exec, matrix);
  const Buffer lists(threads * larger(words, 1) * static_cast<int64_t>(sizeof(List))), sizes(larger(blocks, 1) * 8);
  int64_t *const size_of = static_cast<int64_t *>(sizes.data());
  parallel(threads, blocks, [&](int slot, int64_t block) {
    size_of[block] = survey(matrix, block, impacts, static_cast<List *>(lists.data()) + slot * words);
  });
  *bytes = directory_bytes(rows, words) + kIndexPadding;
  for (int64_t block = 0; block < blocks; ++block) *bytes += size_of[block];
}

void index_build(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t bytes, void *memory) {
  const IndexedMatrix matrix{offsets, ids, weights, rows, words};
  const int64_t blocks = matrix.blocks(), least = directory_bytes(rows, words) + kIndexPadding;
  const auto require = [bytes](const char *least_or_all, int64_t needed) {
    if (bytes >= needed) return;
    fail(LEXVLA_CAPACITY, "the index has %lld bytes, needs %s%lld: ask index_size", static_cast<long long>(bytes), least_or_all,
        static_cast<long long>(needed));
  };
  require("more than ", least);
  // A query reads a short list here and there: with small pages it would wait for their addresses too.
  prefer_large_pages(memory, bytes);
  char *const index = static_cast<char *>(memory);
  List *const lists = reinterpret_cast<List *>(index + sizeof(IndexHeader));
  const int threads = threads_for(*exec, matrix);
  // A block's own lists side by side: in the directory they are far from each other.
  const int64_t own_bytes = blocks_of(larger(words, 1) * static_cast<int64_t>(sizeof(List) + sizeof(uint32_t)), 64) * 64;
  const Buffer scratch(threads * own_bytes);
  const auto own_lists = [&](int slot) { return reinterpret_cast<List *>(static_cast<char *>(scratch.data()) + slot * own_bytes); };
  parallel(threads, blocks, [&](int slot, int64_t block) {
    List *const own = own_lists(slot);
    survey(matrix, block, impacts, own);
    for (int64_t v = 0; v < words; ++v) lists[v * blocks + block] = own[v];
  });
  int64_t end = directory_bytes(rows, words);
  for (int64_t v = 0; v < words; ++v) {
    for (int64_t block = 0; block < blocks; ++block) {
      List &list = lists[v * blocks + block];
      list.begin = static_cast<uint64_t>(end);
      end += list_bytes(list.count, rows_of_block(block, rows), impacts);
    }
  }
  require("", end + kIndexPadding);
  __builtin_memset(index + end, 0, kIndexPadding);
  parallel(threads, blocks, [&](int slot, int64_t block) {
    List *const own = own_lists(slot);
    for (int64_t v = 0; v < words; ++v) own[v] = lists[v * blocks + block];
    uint32_t *const cursors = reinterpret_cast<uint32_t *>(own + words);
    if (impacts == LEXVLA_IMPACTS_8BIT) {
      fill<uint8_t>(matrix, block, impacts, own, cursors, index);
    } else {
      fill<float>(matrix, block, impacts, own, cursors, index);
    }
  });
  IndexHeader &header = *static_cast<IndexHeader *>(memory);
  header = {kIndexMagic, kIndexVersion, impacts, rows, words, matrix.entries(), end + kIndexPadding, matrix_digest(*exec, matrix), 0};
  header.checksum = index_checksum(*exec, memory, header.bytes);
}

}  // namespace lexvla::LEXVLA_ISA
