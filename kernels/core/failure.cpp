#include "failure.h"

#include <cstdarg>
#include <cstdio>
#include <exception>
#include <new>

namespace lexvla {
namespace {

constexpr int kMessageSize = 512;

struct Failure {
  int32_t status;
  char message[kMessageSize];
};

// A plain array: needs no memory when memory is what lacks, and no destructor when the thread ends.
thread_local char last_error[kMessageSize + 64];

}  // namespace

void fail(int32_t status, const char *format, ...) {
  Failure failure;
  failure.status = status;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(failure.message, sizeof failure.message, format, arguments);
  va_end(arguments);
  throw failure;
}

int32_t report(const char *operation) noexcept {
  try {
    throw;
  } catch (const Failure &failure) {
    std::snprintf(last_error, sizeof last_error, "%s: %s", operation, failure.message);
    return failure.status;
  } catch (const std::bad_alloc &) {
    std::snprintf(last_error, sizeof last_error, "%s: no memory for temporary use: fewer images per call need less", operation);
    return LEXVLA_OUT_OF_MEMORY;
  } catch (const std::exception &unexpected) {
    std::snprintf(last_error, sizeof last_error, "%s: %s", operation, unexpected.what());
    return LEXVLA_OUT_OF_MEMORY;
  } catch (...) {
    std::snprintf(last_error, sizeof last_error, "%s: an unknown exception", operation);
    return LEXVLA_OUT_OF_MEMORY;
  }
}

}  // namespace lexvla

extern "C" const char *lexvla_last_error(void) { return lexvla::last_error; }
