/*
 * index_check. First what a search reads without looking: where the lists are, and which rows they name. Then the digests,
 * which find what does no harm but is wrong.
 */
#include "../core/index_head.h"
#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

[[noreturn]] void damaged(int64_t word, int64_t block, const char *what) {
  fail(LEXVLA_INVALID_ARGUMENT, "index is damaged: the list of word %lld in block %lld %s: build it again, or copy the file again",
      static_cast<long long>(word), static_cast<long long>(block), what);
}

/** Whether a list names only rows of its block, as many as it says. */
bool names_rows(const char *begin, int64_t count, int64_t rows) {
  if (is_bits(count, rows)) {
    const uint64_t *const bits = reinterpret_cast<const uint64_t *>(begin);
    int64_t named = 0;
    for (int64_t w = 0; w < blocks_of(rows, 64); ++w) named += __builtin_popcountll(bits[w]);
    return named == count && (rows % 64 == 0 || bits[rows / 64] >> (rows % 64) == 0);
  }
  const uint16_t *const ids = reinterpret_cast<const uint16_t *>(begin);
  bool good = count == 0 || ids[0] < rows;
  for (int64_t i = 1; i < count; ++i) good &= ids[i] > ids[i - 1] && ids[i] < rows;
  return good;
}

}  // namespace

void index_check(const lexvla_exec *exec, const void *memory, int64_t bytes, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words) {
  const IndexedMatrix matrix{offsets, ids, weights, rows, words};
  const IndexHeader &header = index_head(memory, bytes, matrix);
  const char *const index = static_cast<const char *>(memory);
  const List *const lists = reinterpret_cast<const List *>(index + sizeof(IndexHeader));
  const int64_t blocks = matrix.blocks();
  int64_t end = directory_bytes(rows, words);
  for (int64_t i = 0; i < words * blocks; ++i) {
    const List &list = lists[i];
    const int64_t block_rows = rows_of_block(i % blocks, rows);
    if (list.count > block_rows) damaged(i / blocks, i % blocks, "has more rows than the block");
    if (list.begin != static_cast<uint64_t>(end)) damaged(i / blocks, i % blocks, "does not follow the one before it");
    if (!(list.most >= 0 && list.most < __builtin_inff())) damaged(i / blocks, i % blocks, "has a largest weight that is no weight");
    end += list_bytes(list.count, block_rows, header.impacts);
    if (end > header.bytes - kIndexPadding) damaged(i / blocks, i % blocks, "ends beyond the index");
  }
  if (end != header.bytes - kIndexPadding) damaged(words - 1, blocks - 1, "ends before the index does");
  const double work = static_cast<double>(header.bytes);
  parallel(job_threads(*exec, words, work), words, [&](int, int64_t v) {
    for (int64_t block = 0; block < blocks; ++block) {
      const List &list = lists[v * blocks + block];
      if (!names_rows(index + list.begin, list.count, rows_of_block(block, rows))) damaged(v, block, "names rows that its block has not");
    }
  });
  if (index_checksum(*exec, memory, header.bytes) != header.checksum) {
    fail(LEXVLA_INVALID_ARGUMENT, "index is damaged: its bytes are not those that were written: build it again, or copy the file again");
  }
  if (matrix_digest(*exec, matrix) != header.matrix) {
    fail(LEXVLA_INVALID_ARGUMENT, "index is of another matrix of the same size: pass the one that it was built from");
  }
}

}  // namespace lexvla::LEXVLA_ISA
