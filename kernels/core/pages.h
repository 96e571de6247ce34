/* A word with the operating system about the pages of memory. */
#ifndef LEXVLA_CORE_PAGES_H
#define LEXVLA_CORE_PAGES_H

#include <cstdint>

namespace lexvla {

/** Asks that memory not yet touched come in large pages, where the system has such; only a hint. */
void prefer_large_pages(void *memory, int64_t bytes);

}  // namespace lexvla

#endif
