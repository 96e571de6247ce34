#include "packed.h"

#include <cinttypes>
#include <cstring>

#include "failure.h"

namespace lexvla::packed {
namespace {

constexpr uint64_t kMagic = 0x4c78506b43623031;  // changes whenever a layout does
constexpr int64_t kAlignment = 64;

struct Head {
  uint64_t magic;
  int32_t layout, type;
  int64_t width, words;
  int64_t bytes;   // of the panels
  int64_t offset;  // of the panels, from the head
};

// The caller's memory has any alignment.
Head read(const void *packed) {
  Head head;
  std::memcpy(&head, packed, sizeof head);
  return head;
}

/** Where the panels of a head at this address go, from the head. */
int64_t offset_at(const void *packed) {
  const int64_t past = static_cast<int64_t>((reinterpret_cast<uintptr_t>(packed) + sizeof(Head)) % kAlignment);
  return static_cast<int64_t>(sizeof(Head)) + (kAlignment - past) % kAlignment;
}

}  // namespace

int64_t total_bytes(int64_t bytes) { return static_cast<int64_t>(sizeof(Head)) + kAlignment + bytes; }

void *begin(void *packed, int64_t capacity, int32_t layout, int32_t type, int64_t width, int64_t words, int64_t bytes) {
  if (capacity < total_bytes(bytes)) {
    fail(LEXVLA_CAPACITY, "capacity is %" PRId64 " bytes, needed are %" PRId64 ": ask packed_codebook_bytes", capacity, total_bytes(bytes));
  }
  const Head head{kMagic, layout, type, width, words, bytes, offset_at(packed)};
  std::memcpy(packed, &head, sizeof head);
  return static_cast<char *>(packed) + head.offset;
}

void check(const void *packed, int64_t size, int32_t type, int64_t width, int64_t words) {
  if (packed == nullptr) fail(LEXVLA_INVALID_ARGUMENT, "packed is NULL: pack_codebook makes what belongs here");
  if (size < static_cast<int64_t>(sizeof(Head)) || read(packed).magic != kMagic) {
    fail(LEXVLA_INVALID_ARGUMENT, "packed is no packed codebook of this version: pack_codebook makes one");
  }
  const Head head = read(packed);
  if (head.type != type || head.width != width || head.words != words) {
    fail(LEXVLA_INVALID_ARGUMENT,
        "packed is a codebook of type %" PRId32 ", %" PRId64 " words of width %" PRId64 "; asked for is type %" PRId32 ", %" PRId64
        " words of width %" PRId64,
        head.type, head.words, head.width, type, words, width);
  }
  if (head.offset != offset_at(packed)) {
    fail(LEXVLA_INVALID_ARGUMENT, "packed has been moved, its codebook is aligned no more: move it by a multiple of %" PRId64 " bytes",
        kAlignment);
  }
  if (head.bytes < 0 || head.bytes > size - head.offset) {
    fail(LEXVLA_INVALID_ARGUMENT, "packed has %" PRId64 " bytes, its codebook is longer: pass all that pack_codebook wrote", size);
  }
}

const void *data(const void *packed, int32_t layout, int64_t bytes) {
  const Head head = read(packed);
  if (head.layout != layout || head.bytes != bytes) {
    fail(LEXVLA_INVALID_ARGUMENT,
        "packed is in layout %" PRId32 ", the instruction set %s reads layout %" PRId32 ": pack the codebook in the process that uses it",
        head.layout, lexvla_active_isa(), layout);
  }
  return static_cast<const char *>(packed) + head.offset;
}

}  // namespace lexvla::packed
