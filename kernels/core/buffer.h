/* Temporary memory of a kernel. */
#ifndef LEXVLA_CORE_BUFFER_H
#define LEXVLA_CORE_BUFFER_H

#include <cstdint>

namespace lexvla {

/** Uninitialised memory at a multiple of 64 bytes; std::bad_alloc if there is none. */
class Buffer {
 public:
  explicit Buffer(int64_t bytes);
  ~Buffer();
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  void *data() const;

 private:
  void *data_;
};

}  // namespace lexvla

#endif
