#include "index_head.h"

#include <cinttypes>

#include "buffer.h"
#include "digest.h"
#include "failure.h"
#include "pool.h"

namespace lexvla {
namespace {

constexpr int64_t kChunk = int64_t{1} << 20;
/** Bytes that are digested while others do one operation of what job_threads counts. */
constexpr double kBytesPerWork = 4;

/** The digest of the digests of `parts` parts, which do not depend on who made them. */
template <class DigestOfPart>
uint64_t digest_in_parts(const lexvla_exec &exec, int64_t parts, double bytes, const DigestOfPart &digest_of) {
  const Buffer memory(parts * 8 + 8);
  uint64_t *const digests = static_cast<uint64_t *>(memory.data());
  parallel(job_threads(exec, parts, bytes / kBytesPerWork), parts, [&](int, int64_t part) { digests[part] = digest_of(part); });
  return digest(digests, parts * 8, 0);
}

}  // namespace

const IndexHeader &index_head(const void *memory, int64_t bytes, const IndexedMatrix &matrix) {
  const IndexHeader *const header = static_cast<const IndexHeader *>(memory);
  if (bytes < static_cast<int64_t>(sizeof(IndexHeader)) || header->magic != kIndexMagic) {
    fail(LEXVLA_INVALID_ARGUMENT, "index of %" PRId64 " bytes is none: it does not begin as index_build begins it", bytes);
  }
  if (header->version != kIndexVersion) {
    fail(LEXVLA_INVALID_ARGUMENT, "index has version %" PRId32 ", this library reads %" PRId32 ": build it again", header->version,
        kIndexVersion);
  }
  if (header->bytes > bytes) {
    fail(LEXVLA_INVALID_ARGUMENT, "index was built with %" PRId64 " bytes, here are %" PRId64 ": pass all of it", header->bytes, bytes);
  }
  if (header->rows != matrix.rows || header->words != matrix.words || header->entries != matrix.entries()) {
    fail(LEXVLA_INVALID_ARGUMENT,
        "index is of %" PRId64 " rows, %" PRId64 " words and %" PRId64 " entries, the matrix has %" PRId64 ", %" PRId64 " and %" PRId64
        ": pass the one that it was built from",
        header->rows, header->words, header->entries, matrix.rows, matrix.words, matrix.entries());
  }
  if (header->bytes < directory_bytes(matrix.rows, matrix.words) + kIndexPadding ||
      (header->impacts != LEXVLA_IMPACTS_8BIT && header->impacts != LEXVLA_IMPACTS_FLOAT32)) {
    fail(LEXVLA_INVALID_ARGUMENT, "index is damaged: its head says %" PRId64 " bytes and impacts %" PRId32 ": build it again", header->bytes,
        header->impacts);
  }
  return *header;
}

uint64_t matrix_digest(const lexvla_exec &exec, const IndexedMatrix &matrix) {
  return digest_in_parts(exec, matrix.blocks(), 8.0 * static_cast<double>(matrix.entries()), [&](int64_t block) {
    const int64_t first = block * kBlockRows, rows = rows_of_block(block, matrix.rows);
    const int64_t begin = matrix.offsets[first], entries = matrix.offsets[first + rows] - begin;
    // Of offsets what they say of these rows: a slice is what its copy is.
    int32_t ends[kBlockRows];
    for (int64_t row = 0; row < rows; ++row) ends[row] = static_cast<int32_t>(matrix.offsets[first + row + 1] - begin);
    uint64_t sum = digest(ends, rows * 4, 0);
    if (entries > 0) {
      sum = digest(matrix.ids + begin, entries * 4, sum);
      sum = digest(matrix.weights + begin, entries * 4, sum);
    }
    return sum;
  });
}

uint64_t index_checksum(const lexvla_exec &exec, const void *memory, int64_t bytes) {
  IndexHeader header = *static_cast<const IndexHeader *>(memory);
  header.checksum = 0;
  const char *const begin = static_cast<const char *>(memory) + sizeof header;
  const int64_t size = bytes - static_cast<int64_t>(sizeof header), chunks = (size + kChunk - 1) / kChunk;
  const uint64_t rest = digest_in_parts(exec, chunks, static_cast<double>(size), [&](int64_t chunk) {
    const int64_t at = chunk * kChunk;
    return digest(begin + at, at + kChunk < size ? kChunk : size - at, static_cast<uint64_t>(chunk));
  });
  return digest(&header, sizeof header, rest);
}

}  // namespace lexvla
