/* Numbers by which contents are known again after they have been stored; no protection from intent. */
#ifndef LEXVLA_CORE_DIGEST_H
#define LEXVLA_CORE_DIGEST_H

#include <cstdint>

namespace lexvla {

/**
 * 64 bits of some bytes and of `seed`, by which digests are chained. The same on every machine whose numbers begin with their
 * low byte; any change within 8 bytes that begin at a multiple of 8 changes it, others but for one in 2^64.
 */
uint64_t digest(const void *data, int64_t bytes, uint64_t seed);

}  // namespace lexvla

#endif
