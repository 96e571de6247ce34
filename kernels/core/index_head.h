/* What the head of an index tells, and what is refused by it. */
#ifndef LEXVLA_CORE_INDEX_HEAD_H
#define LEXVLA_CORE_INDEX_HEAD_H

#include "index_layout.h"

namespace lexvla {

/** The matrix that an index is of. */
struct IndexedMatrix {
  const int32_t *offsets;
  const int32_t *ids;
  const float *weights;
  int64_t rows, words;

  int64_t blocks() const { return index_blocks(rows); }
  int64_t entries() const { return rows == 0 ? 0 : int64_t{offsets[rows]} - offsets[0]; }
};

/** The head of an index of this matrix, as far as their sizes tell; fails if it is none. Reads offsets, not entries. */
const IndexHeader &index_head(const void *memory, int64_t bytes, const IndexedMatrix &matrix);

/** A number by which a matrix is known again. */
uint64_t matrix_digest(const lexvla_exec &exec, const IndexedMatrix &matrix);

/** A number by which an index, all of `bytes`, is known to be unharmed; of all but its own place in the head. */
uint64_t index_checksum(const lexvla_exec &exec, const void *memory, int64_t bytes);

}  // namespace lexvla

#endif
