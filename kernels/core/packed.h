/*
 * The head of a packed codebook. What follows it is laid out as the instruction set that packed it likes to read it; the
 * head says whose layout that is and of what, so that memory which is something else is refused, not multiplied.
 */
#ifndef LEXVLA_CORE_PACKED_H
#define LEXVLA_CORE_PACKED_H

#include <cstdint>

namespace lexvla::packed {

/** Bytes of a packed codebook whose panels take `bytes`. */
int64_t total_bytes(int64_t bytes);

/** Writes the head and returns where the panels go, at a multiple of 64 bytes; fails if `capacity` is too small. */
void *begin(void *packed, int64_t capacity, int32_t layout, int32_t type, int64_t width, int64_t words, int64_t bytes);

/** Fails unless `packed`, of `size` bytes, is a whole packed codebook of this type and shape, in whatever layout. */
void check(const void *packed, int64_t size, int32_t type, int64_t width, int64_t words);

/** The panels of what has passed its check; fails if they are not in this layout. */
const void *data(const void *packed, int32_t layout, int64_t bytes);

}  // namespace lexvla::packed

#endif
