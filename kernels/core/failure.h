/* How anything below the C interface reports failure: fail() throws, the entry point catches and keeps the message. */
#ifndef LEXVLA_CORE_FAILURE_H
#define LEXVLA_CORE_FAILURE_H

#include <lexvla/kernels.h>

#if defined(__GNUC__)
#define LEXVLA_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define LEXVLA_PRINTF(at, first)
#endif

namespace lexvla {

/** Ends the running operation with a status and a message that says what, where, the limit and the remedy. */
[[noreturn]] void fail(int32_t status, const char *format, ...) LEXVLA_PRINTF(2, 3);

/** To be called in a catch block: turns the exception in flight into a status and keeps its message for this thread. */
int32_t report(const char *operation) noexcept;

}  // namespace lexvla

#endif
